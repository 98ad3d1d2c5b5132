#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Beside a VRF and in one, where a device carries what is addressed to it as well.
# Without it: a VRF whose own addresses are not answered for, or led astray by a
# rule of ours.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"beside: the rule of VRFs does not concern a device, where table local comes after it as well"
	"member: in a VRF its addresses are the VRF's, and it carries what is sent to them"
	"shaped: counted, captured once and delayed on the device, for sockets of the VRF"
	"master: a device that is an L3 master stays out, and becomes one again"
	"leave: out of the VRF it is what it was: released, its VRF deleted, moved away"
	"born: made in a VRF"
)

# setup_vrf: NS has a VRF blue with table 10 and a wire to PEER in it.
setup_vrf()
{
	modprobe -q vrf || skip "there is no vrf"
	setup_ns NS PEER
	batch "$NS" <<- EOF
		link add blue type vrf table 10
		link set blue up
		link add wire type veth peer name wire netns $PEER
		link set wire master blue
		address add 10.8.0.1/24 dev wire
		address add fd08::1/64 dev wire nodad
		link set wire up
	EOF
	batch "$PEER" <<- EOF
		address add 10.8.0.2/24 dev wire
		address add fd08::2/64 dev wire nodad
		link set wire up
		route add 192.0.2.1/32 via 10.8.0.1
		route add fd09::1/128 via fd08::1
	EOF
}

# join: a device rlo0 in the VRF, up, with addresses.
join()
{
	batch "$NS" <<- EOF
		link add rlo0 type rust_lo
		link set rlo0 master blue
		link set rlo0 up
		address add 192.0.2.1/32 dev rlo0
		address add fd09::1/128 dev rlo0 nodad
	EOF
}

# routes_of FAMILY TABLE: to the addresses of rlo0 above. A table without routes
# may be none.
routes_of()
{
	ip -n "$NS" "$1" route show table "$2" type local dev rlo0 2> /dev/null | awk '{ print $2 }' |
		grep -E '^(192.0.2.1|fd09::1)$' | xargs
}

beside()
{
	local family address

	setup_vrf
	batch "$NS" <<- EOF
		link add rlo0 type rust_lo
		link set rlo0 up
		address add 192.0.2.1/32 dev rlo0
		address add fd09::1/128 dev rlo0 nodad
		link add out type dummy
		address add 10.7.0.1/24 dev out
		link set out up
		route add default via 10.7.0.2
	EOF
	# As the kernel's own tests of VRFs have it, for their rule to come first.
	for family in -4 -6; do
		matches "the rule of VRFs" 'l3mdev' "$(ip -n "$NS" "$family" rule show pref 1000)"
		ip -n "$NS" "$family" rule add pref 32765 table local
		ip -n "$NS" "$family" rule del pref 0
	done
	for address in 127.0.0.1 192.0.2.1 ::1 fd09::1; do
		grown "$NS" rlo0 ping_once "$NS" "$address"
		equal "packets for a ping of $address and its answer" 2 "$grown_packets"
		# Of a socket that is bound to it.
		grown "$NS" rlo0 ping_once "$NS" -I rlo0 "$address"
		equal "packets for a ping of $address by the device and its answer" 2 "$grown_packets"
	done
	echo_server "$NS" 7777
	grown "$NS" rlo0 echoes "$NS" TCP:192.0.2.1:7777
	grown "$NS" rlo0 echoes "$NS" "TCP:[::1]:7777"
	# A rule after that of VRFs is heard: nothing was answered before it.
	ip -n "$NS" rule add pref 2000 to 198.51.100.1 blackhole
	refused "a route that the rule forbids" 'Invalid|Network|unreachable' \
		ip -n "$NS" route get 198.51.100.1
}

member()
{
	local address

	setup_vrf
	join
	matches "the link" 'master blue .*state' "$(ip -n "$NS" -o link show rlo0)"
	equal "routes in the VRF's table" 192.0.2.1 "$(routes_of -4 10)"
	equal "IPv6 routes in the VRF's table" fd09::1 "$(routes_of -6 10)"
	equal "routes in table local" " " "$(routes_of -4 local) $(routes_of -6 local)"
	for address in 192.0.2.1 fd09::1; do
		untouched "$NS" blue ping_once "$NS" -I blue "$address"
		grown "$NS" rlo0 ping_once "$NS" -I blue "$address"
		equal "packets for a ping of $address and its answer" 2 "$grown_packets"
	done
	check "from the wire" ping_once "$PEER" 192.0.2.1
	check "from the wire, IPv6" ping_once "$PEER" fd09::1
	refused "from outside of the VRF" . ping_once "$NS" -W 1 192.0.2.1
	# What was added in the VRF goes there.
	ip -n "$NS" address del 192.0.2.1/32 dev rlo0
	ip -n "$NS" address del fd09::1/128 dev rlo0
	equal "routes after the addresses" " " "$(routes_of -4 10) $(routes_of -6 10)"
	check "ip link del" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
}

# in_blue COMMAND...: its sockets are bound to the VRF.
in_blue()
{
	in_ns "$NS" ip vrf exec blue "$@"
}

# milliseconds ADDRESS: of a ping in the VRF.
milliseconds()
{
	in_ns "$NS" ping -n -c 1 -W 5 -I blue "$1" 2> /dev/null | sed -n 's/.*time=\([0-9]*\).*/\1/p'
}

shaped()
{
	local address

	need tcpdump
	setup_vrf
	join
	# While it is up as well.
	batch "$NS" <<- EOF
		link add rlo1 type rust_lo
		link set rlo1 up
		link set rlo1 master blue
	EOF
	background in_blue socat TCP6-LISTEN:7777,ipv6only=0,reuseaddr,fork PIPE
	background in_blue socat -T 5 UDP6-LISTEN:7777,ipv6only=0,reuseaddr,fork PIPE
	wait_for listening "$NS" -t 7777
	wait_for listening "$NS" -u 7777
	start_capture "$NS" "$TMP/capture" -i any icmp or icmp6
	for address in 192.0.2.1 '[fd09::1]'; do
		grown "$NS" rlo0 in_vrf_echoes "TCP:$address:7777"
		grown "$NS" rlo0 in_vrf_echoes "UDP:$address:7777"
		check "ping" ping_once "$NS" -I blue "${address//[][]/}"
	done
	silent "$NS" blue
	silent "$NS" lo
	stop_capture
	equal "captured: two pings and their answers" 4 "$(grep -c 'ICMP.* echo' "$TMP/capture")"
	equal "on the device" 4 "$(grep -c ' rlo0 .*ICMP.* echo' "$TMP/capture")"
	in_ns "$NS" tc qdisc add dev rlo0 root netem delay 100ms
	for address in 192.0.2.1 fd09::1; do
		number "ms with 100 ms each way" "$(milliseconds "$address")" -ge 200
	done
}

in_vrf_echoes()
{
	local text="hello $RANDOM"

	[ "$(echo "$text" | in_blue timeout 10 socat -t 3 -T 5 - "$1")" = "$text" ]
}

master()
{
	need ethtool
	setup_vrf
	ip -n "$NS" link add rlo0 type rust_lo
	in_ns "$NS" ethtool --set-priv-flags rlo0 l3-master on
	ip -n "$NS" link set rlo0 up
	refused "while it is up" 'L3 master' ip -n "$NS" link set rlo0 master blue
	batch "$NS" <<- EOF
		link set rlo0 down
		link set rlo0 master blue
		link set rlo0 up
		address add 192.0.2.1/32 dev rlo0
	EOF
	# The flag stays, and has no effect here.
	log_mark
	refused "the flag in a VRF" 'busy' in_ns "$NS" ethtool --set-priv-flags rlo0 l3-master off
	matches "and why" 'rlo0: private flag l3-master cannot be changed: in a VRF' "$(log_since)"
	grown "$NS" rlo0 ping_once "$NS" -I blue 192.0.2.1
	ip -n "$NS" link set rlo0 nomaster
	matches "an L3 master again" 'dev rlo0' "$(ip -n "$NS" route get 192.0.2.1)"
	grown "$NS" rlo0 ping_once "$NS" 192.0.2.1
}

# as_before: rlo0 of NS carries localhost and its own addresses.
as_before()
{
	local address

	equal "routes in the VRF's table" " " "$(routes_of -4 10) $(routes_of -6 10)"
	for address in 127.0.0.1 192.0.2.1 ::1 fd09::1; do
		grown "$1" rlo0 ping_once "$1" "$address"
		equal "packets for a ping of $address and its answer" 2 "$grown_packets"
	done
}

leave()
{
	remember_namespaces
	setup_vrf
	join
	ip -n "$NS" link set rlo0 nomaster
	# IPv6 takes the addresses away with the cycle of down and up.
	ip -n "$NS" address replace fd09::1/128 dev rlo0 nodad
	as_before "$NS"

	ip -n "$NS" link set rlo0 down
	ip -n "$NS" link set rlo0 master blue
	ip -n "$NS" link set rlo0 up
	ip -n "$NS" address replace fd09::1/128 dev rlo0 nodad
	check "from the wire" ping_once "$PEER" 192.0.2.1
	check "the VRF is deleted" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del blue
	ip -n "$NS" address replace fd09::1/128 dev rlo0 nodad
	as_before "$NS"

	batch "$NS" <<- EOF
		link add blue type vrf table 10
		link set blue up
		link set rlo0 down
		link set rlo0 master blue
		link set rlo0 up
		link set rlo0 netns $PEER
	EOF
	batch "$PEER" <<- EOF
		link set rlo0 up
		address add 192.0.2.1/32 dev rlo0
		address add fd09::1/128 dev rlo0 nodad
	EOF
	as_before "$PEER"
	ip netns del "$NS"
	ip netns del "$PEER"
	namespaces_freed
}

born()
{
	setup_vrf
	batch "$NS" <<- EOF
		link add rlo0 master blue type rust_lo
		address add 192.0.2.1/32 dev rlo0
		link set rlo0 up
	EOF
	check "from the wire" ping_once "$PEER" 192.0.2.1
	equal "routes in the VRF's table" 192.0.2.1 "$(routes_of -4 10)"
	ip -n "$NS" link set rlo0 down
	ip -n "$NS" link set rlo0 up
	check "from the wire, up once more" ping_once "$PEER" 192.0.2.1
	ip -n "$NS" address del 192.0.2.1/32 dev rlo0
	equal "routes after the address" "" "$(routes_of -4 10)$(routes_of -4 local)"
}

run_tests "$@"
