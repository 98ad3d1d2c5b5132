#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an address on a rust_lo device is good for, in both of its modes, beside
# lo and a dummy: a point for each behaviour of tests/address/behaviours.
# `make addresses` makes a page of the same, docs/addresses.md.
# Without it: bind(), sources, tunnels, ICMP errors or NAT that work with an
# address of a dummy and not with one of ours.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=address/behaviours
. "$TESTS_DIR/address/behaviours"

# behave NAME: as is expected of each kind.
behave()
{
	local kind

	need ethtool nft conntrack tcpdump
	need_program sock
	measure "$1"
	for kind in "${KINDS[@]}"; do
		[ "${RESULTS[$kind]}" != skip ] || skip "$(sed 's/^# //' "$TMP/$kind/said")"
		[ "$(expected "$1" "$kind")" != "${RESULTS[$kind]}" ] || continue
		equal "$1 on $kind" "$(expected "$1" "$kind")" "${RESULTS[$kind]}"
		say "$(sed 's/^/  /' "$TMP/$kind/said")"
	done
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
