#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What README.md shows, typed as it stands there (tests/readme/extract), in the
# directory and with the devices that it takes for granted.
# Without it: a README whose commands do not work.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=readme/blocks.sh
. "$TESTS_DIR/readme/blocks.sh"

TESTS=(
	"first: the example at the top, and what it prints"
	"use: the commands of Using it, one after another"
	"multicast: those for multicast"
)

# Names that README.md uses.
cleanup_hook()
{
	local ns

	for ns in demo blue; do
		ip netns del "$ns" 2> /dev/null
	done
}

# here: a directory with what a built checkout has.
here()
{
	mkdir "$TMP/here"
	cd "$TMP/here"
	ln -s "$RUST_LO_KO" rust_lo.ko
	ln -s "$(readlink -f "$TESTS_DIR/../tools")" tools
}

# pings DEVICE ADDRESS: several, as one in a hundred is to be lost.
pings()
{
	grown "$NS" "$1" in_ns "$NS" ping -n -q -c 3 -i 0.2 -W 5 "$2"
}

first()
{
	unload
	here
	NS=''
	run_block "rust_lo" 1
}

# Where lo is up, as on any machine.
setup_use()
{
	setup_ns NS
	ip -n "$NS" link set lo up
	here
}

use()
{
	local routes

	[ -x "$TESTS_DIR/../tools/rust-lo" ] || skip "there is no tools/rust-lo"
	modprobe -q vrf || skip "there is no vrf"
	need ethtool tcpdump
	setup_use
	ip netns add blue
	batch "$NS" <<- EOF
		link add lo2 type rust_lo
		link set lo2 up
		link add lo3 type rust_lo
		link add vrf1 type vrf table 10
		link set vrf1 up
	EOF

	before()
	{
		case $1 in
		# It would not end.
		tcpdump\ *)
			background ip netns exec "$NS" bash -c "exec $1 -n -l --immediate-mode > '$TMP/lines' 2>&1"
			check "$1" wait_for grep -q 'listening on' "$TMP/lines"
			pings lo1 127.66.0.1
			check "it shows requests" wait_for grep -q 'echo request' "$TMP/lines"
			check "it shows replies" wait_for grep -q 'echo reply' "$TMP/lines"
			end_background
			return 1
			;;
		'tools/rust-lo prefer '*) routes=$(in_ns "$NS" ip route show table all) ;;
		esac
	}

	after()
	{
		local device took

		case $1 in
		'ip address add '*' dev lo1')
			device=${1#ip address add }
			pings lo1 "${device%%/*}"
			;;
		*' netem delay 50ms '*)
			took=$(date +%s%N)
			pings lo1 127.66.0.1
			took=$((($(date +%s%N) - took) / 1000000))
			number "ms for pings there and back" "$took" -ge 100
			;;
		*' multicast on'*) matches "its flags" '[<,]MULTICAST[,>]' "$(ip -n "$NS" link show lo1)" ;;
		'ethtool -S '*) matches "its counters" '^ *[a-z_]*packets: [1-9]' "$(cat "$TMP/typed")" ;;
		*' netns blue')
			check "it is there, and comes back" ip -n blue link set lo1 netns "$NS"
			check "up" ip -n "$NS" link set lo1 up
			;;
		*' master vrf1')
			check "an address" ip -n "$NS" address add 192.0.2.2/32 dev lo2
			grown "$NS" lo2 in_ns "$NS" ping -n -q -c 1 -W 5 -I vrf1 192.0.2.2
			;;
		*' localhost off')
			check "up" ip -n "$NS" link set lo3 up
			equal "its addresses" "" "$(ip -n "$NS" -o address show dev lo3)"
			;;
		*' l3-master on') matches "the flag" '^l3-master *: on$' "$(in_ns "$NS" ethtool --show-priv-flags lo1)" ;;
		'tools/rust-lo prefer '*)
			pings lo1 127.0.0.1
			pings lo1 ::1
			;;
		'tools/rust-lo unprefer '*)
			equal "routes" "$routes" "$(in_ns "$NS" ip route show table all)"
			grown "$NS" lo ping_once "$NS" 127.0.0.1
			;;
		esac
	}

	run_block "Using it" 1
}

multicast()
{
	setup_use
	batch "$NS" <<- EOF
		link add lo1 type rust_lo
		link set lo1 up
	EOF
	run_block "Using it" 2
	matches "the route" '^multicast 224\.0\.0\.9 dev lo1 src 127\.66\.0\.1 ' "$(ip -n "$NS" route get 224.0.0.9)"
	matches "the route" '^local ff00::/8 dev lo1 ' "$(ip -n "$NS" -6 route show table all)"
}

run_tests "$@"
