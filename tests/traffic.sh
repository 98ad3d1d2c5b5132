#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device carries the local traffic of a namespace in which lo is down.
# Without it: a namespace without lo in which ping, TCP, UDP and HTTP do not
# work.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"ping: all of 127.0.0.0/8 and ::1 answer"
	"tcp: TCP, IPv4 and IPv6"
	"udp: UDP, IPv4 and IPv6"
	"http: curl and a web server"
	"iperf: several streams with GSO, IPv4 and IPv6"
	"large: large packets, whole and in fragments"
	"small_mtu: with an MTU of 1500 TCP goes in GSO packets, or segments"
	"bound: sockets bound to the device"
	"address: an address of one's own, IPv4 and IPv6"
	"down: nothing goes while the device is down"
	"short: frames shorter than an Ethernet header are refused"
	"strangers: the loopbacks of two namespaces do not know each other"
	"multicast: multicast and broadcast come back"
	"at_once: packets from all processors at once are all counted"
)

ping()
{
	local address

	setup_loopback NS
	for address in 127.0.0.1 127.255.255.254 127.1.2.3 ::1; do
		grown "$NS" rlo0 ping_once "$NS" "$address"
		equal "packets for a ping and its answer" 2 "$grown_packets"
	done
	# 84 bytes of IPv4.
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	equal "bytes for a ping and its answer" 168 "$grown_bytes"
	grown "$NS" rlo0 in_ns "$NS" ping -4 -q -n -c 1 -W 2 localhost
	silent "$NS" lo
}

tcp()
{
	setup_loopback NS
	echo_server "$NS" 7777
	grown "$NS" rlo0 echoes "$NS" TCP:127.0.0.1:7777
	grown "$NS" rlo0 echoes "$NS" TCP:127.200.0.1:7777
	grown "$NS" rlo0 echoes "$NS" "TCP:[::1]:7777"
	refused "a port where nobody listens" 'refused' in_ns "$NS" socat - TCP:127.0.0.1:7778
	silent "$NS" lo
}

udp()
{
	setup_loopback NS
	echo_server "$NS" 7777
	grown "$NS" rlo0 echoes "$NS" UDP:127.0.0.1:7777
	grown "$NS" rlo0 echoes "$NS" "UDP:[::1]:7777"
	silent "$NS" lo
}

http()
{
	need curl python3
	setup_loopback NS
	mkdir "$TMP/www"
	head -c 1000000 /dev/urandom > "$TMP/www/file"
	background in_ns "$NS" python3 -m http.server --bind :: --directory "$TMP/www" 8000
	wait_for listening "$NS" -t 8000
	grown "$NS" rlo0 in_ns "$NS" curl -sS -o "$TMP/four" http://127.0.0.1:8000/file
	grown "$NS" rlo0 in_ns "$NS" curl -sS -o "$TMP/six" "http://[::1]:8000/file"
	check "what came over IPv4" cmp "$TMP/www/file" "$TMP/four"
	check "what came over IPv6" cmp "$TMP/www/file" "$TMP/six"
	silent "$NS" lo
}

iperf()
{
	local address

	need iperf3
	setup_loopback NS
	background in_ns "$NS" iperf3 -s
	wait_for listening "$NS" -t 5201
	for address in 127.0.0.1 ::1; do
		grown "$NS" rlo0 in_ns "$NS" timeout 60 iperf3 -c "$address" -P 2 -n 20M
		number "bytes over $address" "$grown_bytes" -gt 20000000
		number "bytes in a packet over $address" "$((grown_bytes / grown_packets))" -gt 5000
	done
	silent "$NS" lo
}

large()
{
	setup_loopback NS
	grown "$NS" rlo0 in_ns "$NS" ping -q -n -c 1 -W 2 -s 60000 127.0.0.1
	equal "packets for a large ping" 2 "$grown_packets"
	grown "$NS" rlo0 in_ns "$NS" ping -q -n -c 1 -W 2 -s 60000 ::1
	equal "packets for a large ping" 2 "$grown_packets"
	ip -n "$NS" link set rlo0 mtu 1500
	# The first packet tells the route.
	check "ping" ping_once "$NS" 127.0.0.1
	grown "$NS" rlo0 in_ns "$NS" ping -q -n -c 1 -W 2 -s 14000 127.0.0.1
	equal "packets for a ping in fragments" 20 "$grown_packets"
	grown "$NS" rlo0 in_ns "$NS" ping -q -n -c 1 -W 2 -s 14000 ::1
	number "packets for a ping in fragments" "$grown_packets" -ge 20
}

small_mtu()
{
	need iperf3 ethtool
	setup_loopback NS
	ip -n "$NS" link set rlo0 mtu 1500
	background in_ns "$NS" iperf3 -s
	wait_for listening "$NS" -t 5201
	grown "$NS" rlo0 in_ns "$NS" timeout 60 iperf3 -c 127.0.0.1 -n 5M
	number "bytes in a GSO packet" "$((grown_bytes / grown_packets))" -gt 1500
	in_ns "$NS" ethtool -K rlo0 tso off gso off > /dev/null
	grown "$NS" rlo0 in_ns "$NS" timeout 60 iperf3 -c 127.0.0.1 -n 2M
	number "bytes in a segment" "$((grown_bytes / grown_packets))" -le 1500
	grown "$NS" rlo0 in_ns "$NS" timeout 60 iperf3 -c ::1 -n 2M
	number "bytes in a segment" "$((grown_bytes / grown_packets))" -le 1500
}

bound()
{
	setup_loopback NS
	# With lo up first, 127.0.0.1 would be lo's.
	ip -n "$NS" link set lo up
	echo_server "$NS" 7777
	grown "$NS" rlo0 in_ns "$NS" ping -q -n -c 1 -W 2 -I rlo0 127.0.0.1
	grown "$NS" rlo0 in_ns "$NS" ping -q -n -c 1 -W 2 -I rlo0 ::1
	grown "$NS" rlo0 echoes "$NS" TCP:127.0.0.1:7777,so-bindtodevice=rlo0
	grown "$NS" rlo0 echoes "$NS" UDP:127.0.0.1:7777,so-bindtodevice=rlo0
	silent "$NS" lo
}

address()
{
	setup_loopback NS
	batch "$NS" <<- EOF
		addr add 10.9.0.1/24 dev rlo0
		addr add fd00::1/64 dev rlo0 nodad
	EOF
	grown "$NS" rlo0 ping_once "$NS" 10.9.0.1
	# All of the network is local, as on lo.
	grown "$NS" rlo0 ping_once "$NS" 10.9.0.77
	grown "$NS" rlo0 ping_once "$NS" fd00::1
	silent "$NS" lo
	refused "IPv6 beside the address" '.' ping_once "$NS" fd00::2
}

down()
{
	setup_loopback NS
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	ip -n "$NS" link set rlo0 down
	refused "IPv4, device down" '.' ping_once "$NS" 127.0.0.1
	refused "IPv6, device down" '.' ping_once "$NS" ::1
	ip -n "$NS" link set rlo0 up
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	grown "$NS" rlo0 ping_once "$NS" ::1
}

short()
{
	need python3
	setup_loopback NS
	counters "$NS" rlo0
	local before=$rx_packets
	cat > "$TMP/short.py" <<- EOF
		import errno, socket
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		s.bind(("rlo0", 0x88b5))
		for n in range(1, 14):
		    try:
		        s.send(b"\0" * n)
		        raise SystemExit(f"{n} bytes were sent")
		    except OSError as e:
		        assert e.errno == errno.EINVAL, e
		for n in 14, 15, 60, 65536 + 14:
		    assert s.send(b"\0" * 12 + b"\x88\xb5" + b"x" * (n - 14)) == n
	EOF
	check "frames from a packet socket" in_ns "$NS" python3 "$TMP/short.py"
	counters "$NS" rlo0
	equal "frames received" 4 "$((rx_packets - before))"
	equal "nothing dropped by the driver" "0 0" "$tx_dropped $tx_errors"
	check "the device works on" ping_once "$NS" 127.0.0.1
}

strangers()
{
	setup_loopback A B
	echo_server "$A" 7777
	refused "A's server from B" 'refused' in_ns "$B" socat - TCP:127.0.0.1:7777
	echo_server "$B" 7777
	counters "$B" rlo0
	local before=$rx_packets
	grown "$A" rlo0 echoes "$A" TCP:127.0.0.1:7777
	grown "$A" rlo0 echoes "$A" "TCP:[::1]:7777"
	grown "$A" rlo0 echoes "$A" UDP:127.0.0.1:7777
	counters "$B" rlo0
	equal "packets in B meanwhile" "$before" "$rx_packets"
	grown "$B" rlo0 echoes "$B" TCP:127.0.0.1:7777

	# 127.0.0.1 of A cannot be had over a wire.
	ip -n "$A" link add wire0 type veth peer name wire1 netns "$B"
	batch "$A" <<- EOF
		addr add 10.8.0.1/24 dev wire0
		link set wire0 up
	EOF
	batch "$B" <<- EOF
		addr add 10.8.0.2/24 dev wire1
		link set wire1 up
		route add 127.99.0.0/16 via 10.8.0.1
		addr del 127.0.0.1/8 dev rlo0
	EOF
	wait_for ping_once "$B" 10.8.0.1
	refused "A's 127.99.0.1 from B" '.' ping_once "$B" 127.99.0.1
}

multicast()
{
	setup_loopback NS
	ip -n "$NS" route add 224.0.0.0/4 dev rlo0
	background in_ns "$NS" socat -u UDP4-RECVFROM:7000,ip-add-membership=239.1.2.3:rlo0,reuseaddr \
		"OPEN:$TMP/group,creat"
	wait_for listening "$NS" -u 7000
	echo hello | in_ns "$NS" socat -u - UDP4-DATAGRAM:239.1.2.3:7000,ip-multicast-if=127.0.0.1
	check "multicast" wait_for grep -q hello "$TMP/group"
	background in_ns "$NS" socat -u UDP4-RECVFROM:7001,reuseaddr "OPEN:$TMP/all,creat"
	wait_for listening "$NS" -u 7001
	echo hello | in_ns "$NS" socat -u - UDP4-DATAGRAM:127.255.255.255:7001,broadcast
	check "broadcast" wait_for grep -q hello "$TMP/all"
	silent "$NS" lo
}

# generate DEVICE COUNT: so many packets of pktgen by each processor, at once, in
# this namespace. IPv4 drops them on the way in.
generate()
{
	local thread queue line

	cd /proc/net/pktgen
	for thread in kpktgend_*; do
		queue=$1@${thread#kpktgend_}
		echo rem_device_all > "$thread"
		echo "add_device $queue" > "$thread"
		for line in "count $2" "pkt_size 60" "dst 127.0.0.1" "dst_mac 00:00:00:00:00:00"; do
			echo "$line" > "$queue"
		done
	done
	echo start > pgctrl
	for thread in kpktgend_*; do
		echo rem_device_all > "$thread"
	done
}

# Nothing is locked for a packet. A counter of all processors would lose some
# now and then, which KCSAN sees.
at_once()
{
	local count=20000 sum

	modprobe -q pktgen || skip "there is no pktgen"
	setup_loopback NS
	export -f generate
	counters "$NS" rlo0
	equal "packets before" 0 "$rx_packets"
	check "pktgen" in_ns "$NS" bash -euc "generate rlo0 $count"
	sum=$((count * $(in_ns "$NS" ls /proc/net/pktgen | grep -c kpktgend)))
	counters "$NS" rlo0
	# What the backlog had no room for is not sent either.
	equal "packets received and dropped" "$sum" "$((rx_packets + rx_dropped))"
	equal "packets sent" "$rx_packets" "$tx_packets"
	# Without their headers of Ethernet.
	equal "bytes" "$((rx_packets * 46))" "$rx_bytes"
	number "packets received" "$rx_packets" -gt 0
}

run_tests "$@"
