#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own network selftests, on a rust_lo device in the place of lo, have to come
# out as on lo: as docs/kselftests.md says, and as now and here if that is something else.
# Without it: a difference from lo that the kernel's own tests know of.
#
# usage: tests/kselftests.sh [--all] [WORD...]  only those with one of the words
#
# In the guest. tests/kselftests/build, outside, builds them first.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=kselftests/compare.sh
. "$(dirname "$(readlink -e "${BASH_SOURCE[0]}")")/kselftests/compare.sh"

# shellcheck disable=SC2317,SC2329 # called by the trap
cleanup() {
	[ ! -e "$TRACE/trigger" ] || end_count || true
	rm -rf "$TMP"
}

kinds='own in master'
if [ "${1:-}" = --all ]; then
	kinds+=' all'
	LIMIT=900
	shift
fi

echo "KTAP version 1"
if ! built; then
	echo "1..0 # SKIP tests/kselftests/build did not build them"
	exit 4
fi
TMP=$(mktemp -d)
trap cleanup EXIT
ip link set lo up

mapfile -t tests < <(listed "$kinds" "$@")
echo "1..${#tests[@]}"
number=0 failed=0
for t in "${tests[@]}"; do
	kind=${t%%	*} command=${t#*	} result=ok why='' quiet=''
	[[ $kind != */quiet ]] || quiet=yes
	kind=${kind%/quiet}
	number=$((number + 1)) start=$SECONDS
	lo=$(on_record "$command")
	count
	rust=$(on_rust_lo "$kind" "$command")
	if [ "$rust" != "$lo" ]; then
		end_count
		why=', not as on record'
		lo=$(run "$kind" "$command")
		count
	fi
	if [ "$rust" != "$lo" ]; then
		# Some of them race with their own sleep on a slow machine.
		why+=', at the second try'
		rust=$(on_rust_lo "$kind" "$command")
	fi
	packets=$(carried lo) astray=$(carried real_lo)
	end_count

	[ "$lo" = "$rust" ] || result='not ok'
	if [ "$packets" = 0 ] && [ -z "$quiet" ] && [ "$lo" != skipped ]; then
		result='not ok' why+=', nothing went through rust_lo'
	fi
	if [ "$result" != ok ]; then
		failed=1
		sed 's/^/# /' "$TMP/out" | tail -n 20
	fi
	if [[ $lo != pass* ]] && [ "$result" = ok ]; then
		why+=' # SKIP it does not pass on lo'
	fi
	printf '%s %d %-40.40s | lo: %-28s | rust_lo: %-28s | %d packets, %d by the real lo, %d s%s\n' \
		"$result" "$number" "${command#./}" "$lo" "$rust" "$packets" "$astray" "$((SECONDS - start))" "$why"
done
exit "$failed"
