#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own network selftests, on lo and on a rust_lo device in its
# place, have to come out the same.
#
# usage: tests/kselftests.sh [--all] [WORD...]  only those with one of the words
#
# In the guest. tests/kselftests/build, outside, builds them first.

set -euo pipefail

HERE=$(dirname "$(readlink -e "${BASH_SOURCE[0]}")")
NET=$HERE/../build/selftests/selftests/net
TRACE=/sys/kernel/tracing/events/net/net_dev_xmit
LIMIT=300
REAL_IP=$(command -v ip)
export REAL_IP

# run KIND COMMAND: prints what became of it.
run() {
	local namespace=() rc=0 good bad
	if [ "$1" = in ]; then
		ip netns add kselftest
		ip -n kselftest link set lo up
		namespace=(ip netns exec kselftest)
	fi
	(cd "$NET" && timeout -k 5 "$LIMIT" "${namespace[@]}" sh -c "$2") > "$tmp/out" 2>&1 < /dev/null || rc=$?
	if [ "$1" = in ]; then
		ip netns pids kselftest | xargs -r kill -9 2> /dev/null || true
		ip netns del kselftest
	fi
	good=$(grep -c '^ *ok ' "$tmp/out" || true)
	bad=$(grep -c '^ *not ok ' "$tmp/out" || true)
	case $rc in
	0) echo -n pass ;;
	4) echo -n skipped ;;
	124) echo -n "no end in $LIMIT s" ;;
	*) echo -n "failed ($rc)" ;;
	esac
	[ "$good$bad" = 00 ] || echo -n ", ok $good, not ok $bad"
}

# carried DEVICE: packets that devices of this name sent since the last clearing.
carried() {
	awk -v dev="$1" '$1 == "{" && $3 ~ "^" dev "$" { print $NF; found = 1 } END { if (!found) print 0 }' \
		"$TRACE/hist"
}

# on_rust_lo KIND COMMAND: as run; sets no variables of the caller's.
on_rust_lo() {
	local path=$PATH
	[ "$1" != mirror ] || export MIRROR_IPV6=1
	PATH=$HERE/kselftests:$path
	run "$@"
	PATH=$path
}

# shellcheck disable=SC2317,SC2329 # called by the trap
cleanup() {
	[ ! -e "$TRACE/trigger" ] || echo '!hist:keys=name' > "$TRACE/trigger" || true
	rm -rf "$tmp"
}

kinds='own in limit mirror'
if [ "${1:-}" = --all ]; then
	kinds+=' all'
	LIMIT=900
	shift
fi

echo "KTAP version 1"
if [ ! -e "$NET/../../stamp" ]; then
	echo "1..0 # SKIP tests/kselftests/build did not build them"
	exit 4
fi
tmp=$(mktemp -d)
trap cleanup EXIT
ip link set lo up
[ -e $TRACE/trigger ] || mount -t tracefs tracefs /sys/kernel/tracing

tests=()
while IFS=$'\t' read -r kind command; do
	[[ " $kinds " == *" ${kind%/quiet} "* ]] || continue
	if [ "$#" != 0 ]; then
		for word; do
			[[ $command != *"$word"* ]] || { tests+=("$kind	$command"); break; }
		done
		continue
	fi
	tests+=("$kind	$command")
done < <(grep -v -e '^#' -e '^$' "$HERE/kselftests/list")

echo "1..${#tests[@]}"
number=0 failed=0
for t in "${tests[@]}"; do
	kind=${t%%	*} command=${t#*	} result=ok why='' quiet=''
	[[ $kind != */quiet ]] || quiet=yes
	kind=${kind%/quiet}
	number=$((number + 1)) start=$SECONDS
	lo=$(run "$kind" "$command")
	echo 'hist:keys=name' > $TRACE/trigger
	rust=$(on_rust_lo "$kind" "$command")
	if [ "$kind" != limit ] && [ "$rust" != "$lo" ]; then
		# Some of them race with their own sleep on a slow machine.
		why=', at the second try'
		rust=$(on_rust_lo "$kind" "$command")
	fi
	packets=$(carried lo) astray=$(carried real_lo)
	echo '!hist:keys=name' > $TRACE/trigger

	case $kind in
	limit)
		# That an address is on an L3 master only is no matter to IPv4.
		why=', as documented: bind() wants an IPv6 address to be on a plain device too'
		if [[ $lo != pass* ]] || [[ $rust != failed* ]] ||
			! grep -q 'bind.*: Cannot assign requested address' "$tmp/out"; then
			result='not ok' why=', not as documented'
		fi
		;;
	*)
		[ "$lo" = "$rust" ] || result='not ok'
		;;
	esac
	if [ "$packets" = 0 ] && [ -z "$quiet" ] && [ "$lo" != skipped ]; then
		result='not ok' why+=', nothing went through rust_lo'
	fi
	[ "$kind" != mirror ] || why+=', with the IPv6 addresses on the real lo too'
	if [ "$result" != ok ]; then
		failed=1
		sed 's/^/# /' "$tmp/out" | tail -n 20
	fi
	if [[ $lo != pass* ]] && [ "$result" = ok ]; then
		why+=' # SKIP it does not pass on lo'
	fi
	printf '%s %d %-40.40s | lo: %-28s | rust_lo: %-28s | %d packets, %d by the real lo, %d s%s\n' \
		"$result" "$number" "${command#./}" "$lo" "$rust" "$packets" "$astray" "$((SECONDS - start))" "$why"
done
exit "$failed"
