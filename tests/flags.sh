#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The private flags: how packets come to a device, and whether it is a localhost.
# Without it: `ethtool --set-priv-flags` that does nothing, or breaks what runs.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"shown: a new device is no L3 master, and a localhost"
	"kept: over down and up and a move"
	"routes: an L3 master is the device of its routes, MTU and all"
	"early: an L3 master has what used its addresses while it was down"
	"switched: under traffic, nothing is lost"
	"lo_down: switched where there is no lo"
	"localhost: off, it has no 127.0.0.1 and ::1, whoever adds them"
	"denied: localhost stays while it is up, or has the address"
	"hooks: there is a pair in a namespace with a device that is up, and only there"
	"mtu: it is followed down and up, and no packet of TCP is lost"
)

# set_flag NS DEVICE FLAG on|off
set_flag()
{
	in_ns "$1" ethtool --set-priv-flags "$2" "$3" "$4"
}

# flags NS DEVICE: those that are on.
flags()
{
	in_ns "$1" ethtool --show-priv-flags "$2" | sed -n 's/^\([a-z0-9-]*\) *: on$/\1/p' | xargs
}

# setup_addresses: NS with lo up and rlo0, which has addresses of its own.
setup_addresses()
{
	need ethtool
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 type rust_lo
		link set rlo0 up
		address add 10.66.0.1/32 dev rlo0
		address add fd66::1/128 dev rlo0 nodad
	EOF
}

shown()
{
	setup_addresses
	equal "flags that are on" localhost "$(flags "$NS" rlo0)"
	set_flag "$NS" rlo0 l3-master on
	equal "flags that are on" "l3-master localhost" "$(flags "$NS" rlo0)"
	refused "a flag that is none" '.' set_flag "$NS" rlo0 nonsense on
}

kept()
{
	setup_addresses
	setup_ns OTHER
	set_flag "$NS" rlo0 l3-master on
	ip -n "$NS" link set rlo0 down
	ip -n "$NS" address flush dev rlo0
	set_flag "$NS" rlo0 localhost off
	ip -n "$NS" link set rlo0 up
	equal "flags that are on" l3-master "$(flags "$NS" rlo0)"
	ip -n "$NS" link set rlo0 netns "$OTHER"
	batch "$OTHER" <<- EOF
		link set rlo0 up
		address add 10.66.0.1/32 dev rlo0
	EOF
	equal "flags that are on" l3-master "$(flags "$OTHER" rlo0)"
	matches "route" 'dev rlo0' "$(ip -n "$OTHER" route get 10.66.0.1)"
	grown "$OTHER" rlo0 ping_once "$OTHER" 10.66.0.1
}

routes()
{
	local address

	setup_addresses
	ip -n "$NS" link set rlo0 mtu 1500
	for address in 10.66.0.1 fd66::1; do
		matches "route of $address" 'dev lo ' "$(ip -n "$NS" route get "$address")"
	done
	set_flag "$NS" rlo0 l3-master on
	matches "route" 'dev rlo0 ' "$(ip -n "$NS" route get 10.66.0.1)"
	# A route of IPv6 that was looked up on this processor stays until then.
	ip -n "$NS" link set rlo0 down
	batch "$NS" <<- EOF
		link set rlo0 up
		address replace fd66::1/128 dev rlo0 nodad
	EOF
	for address in 10.66.0.1 fd66::1; do
		matches "route of $address" 'dev rlo0 ' "$(ip -n "$NS" route get "$address")"
		grown "$NS" rlo0 ping_once "$NS" "$address"
	done
	refused "bind to an address of IPv6" 'assign' in_ns "$NS" timeout 2 socat "TCP6-LISTEN:7,bind=[fd66::1]" -
	set_flag "$NS" rlo0 l3-master off
	matches "route" 'dev lo ' "$(ip -n "$NS" route get 10.66.0.1)"
	background in_ns "$NS" socat "TCP6-LISTEN:7,bind=[fd66::1]" -
	check "bind to an address of IPv6" wait_for listening "$NS" -t 7
	silent "$NS" lo
}

# A route of IPv6 is kept for each processor.
early()
{
	local cpu

	need ethtool taskset
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 type rust_lo
		address add 10.66.0.1/32 dev rlo0
		address add fd66::1/128 dev rlo0 nodad
	EOF
	set_flag "$NS" rlo0 l3-master on
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		grown "$NS" lo ping_once "$NS" 10.66.0.1
		grown "$NS" lo in_ns "$NS" taskset -c "$cpu" ping -n -q -c 1 -W 2 fd66::1
	done
	ip -n "$NS" link set rlo0 up
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		grown "$NS" rlo0 ping_once "$NS" 10.66.0.1
		grown "$NS" rlo0 in_ns "$NS" taskset -c "$cpu" ping -n -q -c 1 -W 2 fd66::1
	done
}

# Connections of both families, and pings, while the flag changes.
switch_under_traffic()
{
	local i address four=10.66.0.1 six=fd66::1

	[ "${1:-}" != localhost ] || { four=127.0.0.1 six=::1; }
	echo_server "$NS" 7777
	grown "$NS" rlo0 open_connection four "$NS" "TCP:$four:7777"
	grown "$NS" rlo0 open_connection six "$NS" "TCP:[$six]:7777"
	for address in "$four" "$six"; do
		in_ns "$NS" ping -n -q -i 0.02 -c 100 -W 5 "$address" > "$TMP/ping-$address" &
		echo "$!" >> "$TMP/pids"
	done
	for i in on off on off; do
		set_flag "$NS" rlo0 l3-master "$i"
		grown "$NS" rlo0 still_open four
		grown "$NS" rlo0 still_open six
		grown "$NS" rlo0 echoes "$NS" "TCP:$four:7777"
		grown "$NS" rlo0 echoes "$NS" "UDP:[$six]:7777"
	done
	wait_for grep -q 'packets transmitted' "$TMP/ping-$four"
	wait_for grep -q 'packets transmitted' "$TMP/ping-$six"
	for address in "$four" "$six"; do
		matches "pings of $address" '100 received' "$(cat "$TMP/ping-$address")"
	done
	silent "$NS" lo
}

switched()
{
	setup_addresses
	switch_under_traffic
}

lo_down()
{
	need ethtool
	setup_loopback NS
	switch_under_traffic localhost
}

localhost()
{
	need ethtool
	setup_ns NS
	batch "$NS" <<- EOF
		link set lo up
		link add rlo0 type rust_lo
		address add 192.0.2.1/32 dev rlo0
	EOF
	set_flag "$NS" rlo0 localhost off
	batch "$NS" <<- EOF
		link set rlo0 up
		address add 2001:db8::1/128 dev rlo0 nodad
	EOF
	equal "addresses" "192.0.2.1/32 2001:db8::1/128" \
		"$(ip -n "$NS" -o address show dev rlo0 | awk '{ print $4 }' | xargs)"
	refused "127.0.0.1" 'no 127.0.0.1 while the private flag localhost is off' \
		ip -n "$NS" address add 127.0.0.1/8 dev rlo0
	refused "::1" 'no ::1 while the private flag localhost is off' ip -n "$NS" address add ::1/128 dev rlo0
	# As the kernel adds them when IPv6 is switched on.
	in_ns "$NS" sysctl -q -w net.ipv6.conf.rlo0.disable_ipv6=1
	in_ns "$NS" sysctl -q -w net.ipv6.conf.rlo0.disable_ipv6=0
	equal "addresses of IPv6" "" "$(ip -n "$NS" -6 -o address show dev rlo0)"
	check "another address of 127.0.0.0/8" ip -n "$NS" address add 127.66.0.1/16 dev rlo0
	grown "$NS" rlo0 ping_once "$NS" 192.0.2.1
	grown "$NS" rlo0 ping_once "$NS" 127.66.0.1
	untouched "$NS" rlo0 ping_once "$NS" 127.0.0.1
	ip -n "$NS" link set rlo0 down
	set_flag "$NS" rlo0 localhost on
	ip -n "$NS" link set rlo0 up
	matches "on again" '127.0.0.1/8.* ::1/128' "$(ip -n "$NS" -o address show dev rlo0 | awk '{ print $4 }' | xargs)"
	# Nobody else is asked.
	check "of another device" ip -n "$NS" address add 127.0.0.2/8 dev lo
}

# denied_as REGEX: localhost cannot be switched off, and the log says why.
denied_as()
{
	log_mark
	refused "localhost off" 'busy' set_flag "$NS" rlo0 localhost off
	matches "and why" "rlo0: private flag localhost cannot be changed: $1" "$(log_since)"
	equal "flags that are on" localhost "$(flags "$NS" rlo0)"
}

denied()
{
	setup_addresses
	denied_as 'the device is up'
	ip -n "$NS" link set rlo0 down
	# IPv4 keeps the addresses of a device that goes down.
	denied_as 'it has 127.0.0.1, delete that first'
	# Nothing is changed where a part is refused.
	log_mark
	refused "both flags" 'busy' in_ns "$NS" ethtool --set-priv-flags rlo0 l3-master on localhost off
	equal "flags that are on" localhost "$(flags "$NS" rlo0)"
	ip -n "$NS" address del 127.0.0.1/8 dev rlo0
	set_flag "$NS" rlo0 localhost off
	equal "flags that are on" "" "$(flags "$NS" rlo0)"
}

# hooked NS: how many hooks of the module there are.
hooked()
{
	in_ns "$1" nft list hooks | grep -c '\[rust_lo\]' || true
}

hooks()
{
	need nft ethtool
	setup_ns NS OTHER
	batch "$NS" <<- EOF
		link add rlo0 type rust_lo
		link add rlo1 type rust_lo
		link add rlo2 type rust_lo
	EOF
	in_ns "$NS" nft list hooks > /dev/null 2>&1 || skip "no hooks to be listed"
	equal "before one is up" 0 "$(hooked "$NS")"
	ip -n "$NS" link set rlo0 up
	equal "with one up" 2 "$(hooked "$NS")"
	ip -n "$NS" link set rlo1 up
	equal "with two up" 2 "$(hooked "$NS")"
	ip -n "$NS" link set rlo0 down
	equal "with one up" 2 "$(hooked "$NS")"
	ip -n "$NS" link set rlo1 netns "$OTHER"
	equal "when it has left" 0 "$(hooked "$NS")"
	equal "where it is, down" 0 "$(hooked "$OTHER")"
	set_flag "$NS" rlo2 l3-master on
	ip -n "$NS" link set rlo2 up
	equal "with an L3 master" 0 "$(hooked "$NS")"
	set_flag "$NS" rlo2 l3-master off
	equal "with what was one" 2 "$(hooked "$NS")"
	ip -n "$NS" link del rlo2
	equal "deleted" 0 "$(hooked "$NS")"
}

# segments ADDRESS: sends 300000 bytes over TCP, prints the MSS of both ends then.
segments()
{
	in_ns "$NS" python3 - "$1" <<- 'EOF'
		import socket, sys, threading
		family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
		listener = socket.socket(family)
		listener.bind((sys.argv[1], 0))
		listener.listen()
		client = socket.create_connection(listener.getsockname()[:2])
		server = listener.accept()[0]
		threading.Thread(target=server.sendall, args=(bytes(300000),)).start()
		left = 300000
		while left:
		    left -= len(client.recv(left))
		client.send(b"thanks")
		server.recv(6)
		print(*(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) for s in (client, server)))
	EOF
}

segments_are()
{
	[ "$(segments "$1")" = "$2" ]
}

# datagrams ADDRESS [whole]: three of 8000 bytes, which must not be fragmented; says
# which arrive, and which the sender cannot send.
datagrams()
{
	in_ns "$NS" python3 - "$@" <<- 'EOF'
		import socket, sys
		six = ":" in sys.argv[1]
		family = socket.AF_INET6 if six else socket.AF_INET
		receiver, sender = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
		receiver.bind((sys.argv[1], 0))
		receiver.settimeout(0.5)
		if sys.argv[2:]:
		    # IP_MTU_DISCOVER or IPV6_MTU_DISCOVER, and the value that both call DO.
		    sender.setsockopt(*((41, 23) if six else (0, 10)), 2)
		for _ in range(3):
		    try:
		        sender.sendto(bytes(8000), receiver.getsockname()[:2])
		        print(len(receiver.recv(9000)), end=" ")
		    except TimeoutError:
		        print("lost", end=" ")
		    except OSError:
		        print("refused", end=" ")
	EOF
}

mtu()
{
	local mtu packets whole big address

	need python3
	setup_addresses
	for mtu in 1500 1400 9000 1500; do
		ip -n "$NS" link set rlo0 mtu "$mtu"
		equal "MSS at $mtu" "$((mtu - 52)) $((mtu - 52))" "$(segments 10.66.0.1)"
		# Each processor has a route of IPv6 of its own, which learns of an MTU that
		# was raised by a packet: a first connection may begin with the old one.
		wait_for segments_are fd66::1 "$((mtu - 72)) $((mtu - 72))" ||
			fail "MSS at $mtu, IPv6: $(segments fd66::1)"
	done
	equal "too big" 0 "$(statistic "$NS" rlo0 tx_too_big_drops)"
	ip -n "$NS" link set rlo0 mtu 65536
	for address in 10.66.0.1 fd66::1; do
		number "MSS at 65536" "$(segments "$address" | cut -d ' ' -f 1)" -gt 30000
	done
	silent "$NS" lo
	# To addresses that nothing has been sent to. The first packet tells the route:
	# that of IPv6 for itself as well. With IPv4 it comes whole or, if it must not
	# be fragmented, is lost with an ICMP error, as on a path.
	batch "$NS" <<- EOF
		link set rlo0 mtu 1500
		address add 10.66.0.2/32 dev rlo0
		address add 10.66.0.3/32 dev rlo0
		address add fd66::2/128 dev rlo0 nodad
		address add fd66::3/128 dev rlo0 nodad
	EOF
	while read -r address packets big whole; do
		grown "$NS" rlo0 datagrams "${address}2"
		equal "datagrams to ${address}2" "8000 8000 8000 " "$(cat "$TMP/output")"
		equal "packets" "$packets" "$grown_packets"
		equal "datagrams that must not be fragmented" "$whole refused refused " \
			"$(datagrams "${address}3" whole)"
		equal "too big" "$big" "$(statistic "$NS" rlo0 tx_too_big_drops)"
	done <<- EOF
		10.66.0. 13 1 lost
		fd66:: 18 1 refused
	EOF
	equal "dropped" 1 "$(counters "$NS" rlo0; echo "$tx_dropped")"
	silent "$NS" lo
}

run_tests "$@"
