#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What tcpdump sees on a device. Each packet is seen on its way out and on its
# way in; only on an interface of the name lo libpcap hides the first.
# Without it: captures with each packet twice, or without some.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"both: each packet out and in"
	"inward: with -Q in each once"
	"own: nothing of lo, and lo has nothing of the device"
	"any: the interface any names the device"
)

both()
{
	setup_loopback NS
	start_capture "$NS" "$TMP/lines" -i rlo0
	check "ping" ping_once "$NS" 127.0.0.1
	check "ping" ping_once "$NS" ::1
	stop_capture
	equal "requests" 2 "$(grep -c 'ICMP echo request' "$TMP/lines" || true)"
	equal "replies" 2 "$(grep -c 'ICMP echo reply' "$TMP/lines" || true)"
	equal "IPv6 requests" 2 "$(grep -c 'ICMP6, echo request' "$TMP/lines" || true)"
	equal "IPv6 replies" 2 "$(grep -c 'ICMP6, echo reply' "$TMP/lines" || true)"
	matches "link type" 'link-type EN10MB' "$(cat "$TMP/lines.err")"
}

inward()
{
	setup_loopback NS
	start_capture "$NS" "$TMP/lines" -i rlo0 -Q in -e
	check "ping" ping_once "$NS" 127.0.0.1
	stop_capture
	equal "lines" 2 "$(grep -c 'ICMP echo' "$TMP/lines" || true)"
	equal "with an Ethernet header of zeros" 2 \
		"$(grep -c '00:00:00:00:00:00 > 00:00:00:00:00:00, ethertype IPv4 (0x0800), length 98:' \
			"$TMP/lines" || true)"
}

own()
{
	setup_loopback NS
	batch "$NS" <<- EOF
		addr flush dev rlo0
		link set lo up
		addr add 127.66.0.1/16 dev rlo0
	EOF
	start_capture "$NS" "$TMP/lo" -i lo
	check "ping" ping_once "$NS" 127.66.0.1
	stop_capture
	equal "lines of lo" 0 "$(grep -c 'ICMP echo' "$TMP/lo" || true)"
	start_capture "$NS" "$TMP/rlo0" -i rlo0
	check "ping" ping_once "$NS" 127.0.0.1
	check "ping" ping_once "$NS" 127.66.0.1
	stop_capture
	equal "lines of rlo0" 4 "$(grep -c 'ICMP echo' "$TMP/rlo0" || true)"
	equal "lines of rlo0 that are its own" 4 "$(grep -c '127.66.0.1: ICMP echo' "$TMP/rlo0" || true)"
}

any()
{
	setup_loopback NS
	start_capture "$NS" "$TMP/lines" -i any
	check "ping" ping_once "$NS" 127.0.0.1
	stop_capture
	equal "in and out" 4 "$(grep -Ec 'rlo0 +(In|Out) .*ICMP echo' "$TMP/lines" || true)"
}

run_tests "$@"
