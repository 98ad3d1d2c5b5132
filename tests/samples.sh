#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The driver in samples/: the abstractions carry another one than that of rust_lo.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"short: the sample has no unsafe code and fewer than 60 lines"
	"pings: its devices carry pings, and count each packet"
	"beside: one in the same namespace as a rust_lo device, each with its own traffic"
	"removal: rmmod deletes its devices everywhere, and no namespace is held"
)

SAMPLE_KO=$(dirname "$RUST_LO_KO")/rust_echo.ko

cleanup_hook()
{
	[ ! -d /sys/module/rust_echo ] || rmmod rust_echo
}

# setup_echo NS: a device echo0 that is up and has an address of its own.
setup_echo()
{
	batch "$1" <<- EOF
		link add echo0 type rust_echo
		address add 192.0.2.1/32 dev echo0
		link set echo0 up
	EOF
}

short()
{
	local source=$TESTS_DIR/../samples/rust_echo.rs

	[ -e "$source" ] || skip "there is no source beside the tests"
	equal "lines with unsafe" 0 "$(grep -c unsafe "$source" || true)"
	number "lines" "$(wc -l < "$source")" -lt 60
}

pings()
{
	local address

	setup_ns NS
	insmod "$SAMPLE_KO"
	setup_echo "$NS"
	for address in 127.0.0.1 192.0.2.1 ::1; do
		grown "$NS" echo0 ping_some "$NS" "$address"
		equal "requests and replies of 3 pings to $address" 6 "$grown_packets"
	done
	# The last one: 40 of IPv6, 8 of ICMPv6 and 56 of ping, six times.
	equal "bytes of 3 pings to ::1" 624 "$grown_bytes"
	silent "$NS" lo
	counters "$NS" echo0
	equal "errors and drops" "0 0 0 0" "$rx_errors $rx_dropped $tx_errors $tx_dropped"

	ip -n "$NS" link set echo0 down
	refused "a ping while it is down" '' ping_once "$NS" 192.0.2.1
	ip -n "$NS" link set echo0 up
	grown "$NS" echo0 ping_once "$NS" 192.0.2.1
}

ping_some()
{
	in_ns "$1" ping -n -q -c 3 -i 0.1 -W 2 "$2"
}

beside()
{
	setup_loopback NS
	insmod "$SAMPLE_KO"
	setup_echo "$NS"
	grown "$NS" echo0 ping_once "$NS" 192.0.2.1
	untouched "$NS" rlo0 ping_once "$NS" 192.0.2.1
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	untouched "$NS" echo0 ping_once "$NS" 127.0.0.1
}

removal()
{
	local ns

	remember_namespaces
	setup_ns A B
	log_mark
	insmod "$SAMPLE_KO"
	setup_echo "$A"
	setup_echo "$B"
	ip -n "$B" link set echo0 netns "$A" name echo1
	setup_echo "$B"
	check "unloaded with devices that are up" timeout $((WAIT_TIMEOUT * 3)) rmmod rust_echo
	for ns in "$A" "$B"; do
		# With the driver built in, each namespace has the fallback tunnel sit0.
		equal "devices" lo "$(ip -n "$ns" -o link | awk -F': ' '$2 !~ /^sit0@/ { print $2 }' | xargs)"
	done
	refused "one more" 'Unknown device type' ip -n "$A" link add echo0 type rust_echo
	ip netns del "$A"
	ip netns del "$B"
	namespaces_freed
	equal "trouble in the kernel log" "" "$(log_since |
		grep -E 'WARNING|BUG|Oops|refcount|unregister_netdevice: waiting' || true)"
}

if [ ! -e "$SAMPLE_KO" ]; then
	echo "KTAP version 1"
	echo "1..0 # SKIP there is no $SAMPLE_KO: make samples"
	exit "$ksft_skip"
fi
run_tests "$@"
