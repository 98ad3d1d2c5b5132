#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an address on a rust_lo device is good for, in both of its modes: a point for
# each behaviour of tests/address/behaviours. `make addresses` looks at lo and a dummy as
# well and makes a page of it all, docs/addresses.md.
# Without it: bind(), sources, tunnels, ICMP errors or NAT that work with an
# address of a dummy and not with one of ours.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=address/behaviours
. "$TESTS_DIR/address/behaviours"

# as_expected NAME KIND...
as_expected()
{
	local name=$1 kind
	shift

	measure "$name" "$@"
	for kind; do
		[ "${RESULTS[$kind]}" != skip ] || skip "$(sed 's/^# //' "$TMP/$kind/said")"
		[ "$(expected "$name" "$kind")" != "${RESULTS[$kind]}" ] || continue
		equal "$name on $kind" "$(expected "$name" "$kind")" "${RESULTS[$kind]}"
		say "$(sed 's/^/  /' "$TMP/$kind/said")"
	done
}

# behave NAME: as is expected of a rust_lo device. If it is not, is it so on lo and a dummy?
behave()
{
	need ethtool nft conntrack tcpdump
	need_program sock
	as_expected "$1" rust_lo l3-master
	[ ! -e "$TMP/failed" ] || as_expected "$1" lo dummy
}

# The expectations themselves: what is missing on rust_lo is missing for a reason.
reasons()
{
	local entry name values lo dummy rust_lo l3

	for entry in "${BEHAVIOURS[@]}"; do
		read -r name lo dummy rust_lo l3 <<< "${entry%%:*}"
		[[ $lo$dummy == *y* ]] || continue
		[ "$rust_lo" = y ] || check "$name on rust_lo: a reason" test -n "$(reason "$name" rust_lo)"
		[ "$l3" = y ] || check "$name on l3-master: a reason" test -n "$(reason "$name" l3-master)"
	done
	# Names are all that may be missing by default.
	equal "missing on rust_lo" "oifname route_get" "$(for entry in "${REASONS[@]}"; do
		[[ $entry != *' rust_lo: '* ]] || echo "${entry%% *}"
	done | sort | xargs)"
}

TESTS=("reasons: what lo or a dummy has and rust_lo has not has a reason, names alone by default")
for entry in "${BEHAVIOURS[@]}"; do
	name=${entry%% *}
	TESTS+=("$name: ${entry#*: }")
	eval "$name() { behave $name; }"
done
run_tests "$@"
