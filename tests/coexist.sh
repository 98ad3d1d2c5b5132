#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Devices beside lo, and beside each other: who carries what.
# Without it: a second loopback that takes lo's traffic, or gives its own to lo.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"prefix: a prefix of 127.0.0.0/8 goes over the device, the rest over lo"
	"several: several devices, each with its prefix"
	"first: of the same prefixes the first counts"
	"rename: the device in the place of lo, with its name"
	"lo_down: lo goes down beside the device, and comes back"
	"bind6: an IPv6 address that the device alone has can be bound to"
	"address: a device with a hardware address of its own"
)

prefix()
{
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 type rust_lo
		link set rlo0 up
		addr add 127.66.0.1/16 dev rlo0
	EOF
	echo_server "$NS" 7777
	for address in 127.66.0.1 127.66.255.254; do
		grown "$NS" rlo0 ping_once "$NS" "$address"
		untouched "$NS" lo ping_once "$NS" "$address"
		grown "$NS" rlo0 echoes "$NS" "TCP:$address:7777"
		untouched "$NS" lo echoes "$NS" "TCP:$address:7777"
	done
	for address in 127.0.0.1 127.65.0.1; do
		grown "$NS" lo ping_once "$NS" "$address"
		untouched "$NS" rlo0 ping_once "$NS" "$address"
		untouched "$NS" rlo0 echoes "$NS" "TCP:$address:7777"
	done
	untouched "$NS" rlo0 ping_once "$NS" ::1
	# The route is that of lo, whichever device carries it.
	matches "route" '127.66.0.1 dev lo ' "$(ip -n "$NS" route get 127.66.0.1)"
}

several()
{
	local i j

	setup_ns NS
	for i in 1 2 3; do
		echo "link add rlo$i type rust_lo"
		echo "link set rlo$i up"
		echo "addr add 127.6$i.0.1/16 dev rlo$i"
		echo "addr add fd00:$i::1 dev rlo$i nodad"
	done | batch "$NS"
	ip -n "$NS" link set lo up
	for i in 1 2 3; do
		grown "$NS" "rlo$i" ping_once "$NS" "127.6$i.0.1"
		grown "$NS" "rlo$i" ping_once "$NS" "fd00:$i::1"
		for j in 1 2 3; do
			[ "$i" = "$j" ] || untouched "$NS" "rlo$j" ping_once "$NS" "127.6$i.0.1"
		done
	done
	# From one device's address to another's.
	grown "$NS" rlo2 ping_once "$NS" -I 127.61.0.1 127.62.0.1
	silent "$NS" lo
	ip -n "$NS" link set rlo2 down
	untouched "$NS" rlo2 ping_once "$NS" 127.61.0.1
	ip -n "$NS" link del rlo1
	# 127.0.0.0/8 is that of rlo2 now, which is down: lo carries it.
	grown "$NS" lo ping_once "$NS" 127.61.0.1
	grown "$NS" rlo3 ping_once "$NS" 127.63.0.1
}

first()
{
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 type rust_lo
		link set rlo0 up
	EOF
	grown "$NS" lo ping_once "$NS" 127.0.0.1
	grown "$NS" lo ping_once "$NS" ::1
	silent "$NS" rlo0
	setup_loopback OTHER
	ip -n "$OTHER" link set lo up
	grown "$OTHER" rlo0 ping_once "$OTHER" 127.0.0.1
	grown "$OTHER" rlo0 ping_once "$OTHER" ::1
	silent "$OTHER" lo
}

rename()
{
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo name original
		link add rlo0 type rust_lo
		link set rlo0 name lo
		link set lo up
	EOF
	matches "kind of lo" ' rust_lo ' "$(ip -n "$NS" -d -o link show lo)"
	echo_server "$NS" 7777
	grown "$NS" lo ping_once "$NS" 127.0.0.1
	grown "$NS" lo ping_once "$NS" ::1
	grown "$NS" lo echoes "$NS" TCP:127.0.0.1:7777
	silent "$NS" original
	ip -n "$NS" link set original up
	grown "$NS" lo echoes "$NS" "TCP:[::1]:7777"
	silent "$NS" original
	batch "$NS" <<- EOF
		link set lo name rlo0
		link set original name lo
	EOF
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
}

lo_down()
{
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 type rust_lo
		link set rlo0 up
		link set lo down
	EOF
	# IPv4 keeps the routes of a device that is down, and lo's are first.
	batch "$NS" <<- EOF
		addr flush dev lo
	EOF
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	grown "$NS" rlo0 ping_once "$NS" ::1
	ip -n "$NS" link set lo up
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	check "lo is up" ping_once "$NS" ::1
}

bind6()
{
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 type rust_lo
		link set rlo0 up
		addr add fd00::1 dev rlo0 nodad
	EOF
	background in_ns "$NS" socat "TCP6-LISTEN:7777,bind=[fd00::1],reuseaddr,fork" PIPE
	check "bound" wait_for listening "$NS" -t 7777
	grown "$NS" rlo0 echoes "$NS" "TCP:[fd00::1]:7777"
	silent "$NS" lo
}

address()
{
	local address

	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 address 02:00:00:00:00:01 type rust_lo
		link set rlo0 up
		addr add 127.66.0.1/16 dev rlo0
		addr add fd00::1 dev rlo0 nodad
	EOF
	echo_server "$NS" 7777
	for address in 127.66.0.1 '[fd00::1]'; do
		grown "$NS" rlo0 echoes "$NS" "TCP:$address:7777"
		# lo may have one as well.
		ip -n "$NS" link set lo address 02:00:00:00:00:02
		grown "$NS" rlo0 echoes "$NS" "UDP:$address:7777"
	done
	silent "$NS" lo
}

run_tests "$@"
