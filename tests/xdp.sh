#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# XDP programs of another device, in native mode, redirect frames to a rust_lo
# device, which receives them.
# Without it: frames that XDP redirects to the device, and that vanish.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"features: netlink says that it is a target, also for fragments; lo and a dummy are none"
	"redirect: ping, UDP and TCP from a wire are received and answered, lo is not touched"
	"localnet: 127.0.0.1 from outside is refused, unless route_localnet is set"
	"mtu: a longer frame is dropped, counted and told; those beside it arrive"
	"down: a device that is down takes nothing, and all when it is up again"
	"frags: frames of several fragments"
	"others: lo and a dummy take nothing"
	"vrf: a member of a VRF"
	"forward: the program of xdp-forward"
	"rounds: what a program on it redirects to it goes round, until the program is gone"
	"removal: moved and deleted under frames that are redirected to it"
)

TRACING=/sys/kernel/tracing
INSTANCE=$TRACING/instances/rust_lo-xdp

cleanup_hook()
{
	if [ -d "$INSTANCE" ]; then
		rmdir "$INSTANCE"
	fi
}

# program DEVICE MODE [PROGRAM]: on that device of NS, or none.
program()
{
	check "program ${3:-off} on $1" in_ns "$NS" ip link set dev "$1" "$2" off
	[ -z "${3:-}" ] || check "program $3 on $1" \
		in_ns "$NS" ip link set dev "$1" "$2" obj "$TMP/xdp.o" program "$3"
}

# The programs, which know the devices by their numbers.
compile()
{
	local clang

	clang=$(command -v clang clang-19 | head -n 1) || skip "there is no clang"
	cat > "$TMP/xdp.c" <<- EOF
		#define SEC(name) __attribute__((section(name), used))
		struct xdp_md;
		static long (*redirect)(unsigned int, unsigned long) = (void *)23;
		SEC("xdp") int to_lo(struct xdp_md *ctx) { return redirect(1, 0); }
		SEC("xdp") int to_rlo0(struct xdp_md *ctx) { return redirect(40, 0); }
		SEC("xdp") int to_dummy0(struct xdp_md *ctx) { return redirect(42, 0); }
		SEC("xdp.frags") int frags_to_rlo0(struct xdp_md *ctx) { return redirect(40, 0); }
		SEC("license") char _license[] = "GPL";
	EOF
	"$clang" -target bpf -O2 -c "$TMP/xdp.c" -o "$TMP/xdp.o"
}

# setup: NS has lo, rlo0, dummy0 and a wire to PEER. The peer's frames are as from
# hardware: XDP does not know of checksums that are still to be made.
setup()
{
	local ns

	need ethtool
	modprobe -q -a veth dummy || true
	setup_ns NS PEER
	# shellcheck disable=SC2153
	for ns in "$NS" "$PEER"; do
		in_ns "$ns" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv6.conf.default.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0
	done
	batch "$NS" <<- EOF
		link add rlo0 index 40 type rust_lo
		link set rlo0 up
		addr flush dev rlo0
		addr add 10.9.0.1/32 dev rlo0
		link set lo up
		link add dummy0 index 42 type dummy
		link set dummy0 up
		link add wire index 41 address 02:00:00:00:08:01 type veth peer name wire address 02:00:00:00:08:02 netns $PEER
		addr add 10.8.0.1/24 dev wire
		link set wire up
		neigh replace 10.8.0.2 lladdr 02:00:00:00:08:02 dev wire nud permanent
	EOF
	batch "$PEER" <<- EOF
		addr add 10.8.0.2/24 dev wire
		link set wire up
		neigh replace 10.8.0.1 lladdr 02:00:00:00:08:01 dev wire nud permanent
		route add 10.9.0.0/16 via 10.8.0.1
	EOF
	in_ns "$PEER" ethtool -K wire tx off > /dev/null
}

# setup_xdp: the same, with the programs, the tracepoints, and a receiver.
setup_xdp()
{
	need python3
	setup
	compile
	cat > "$TMP/datagrams.py" <<- EOF
		import socket, sys
		tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for length in sys.argv[2:]:
		    tx.sendto(b"x" * (int(length) - 1) + b"\n", (sys.argv[1], 7000))
	EOF
	mkdir "$INSTANCE"
	echo 1 | tee "$INSTANCE"/events/xdp/xdp_{devmap_xmit,redirect_err}/enable > /dev/null
	background in_ns "$NS" socat -u UDP4-RECV:7000,rcvbuf=1000000 "OPEN:$TMP/received,creat,append"
	wait_for listening "$NS" -u 7000
}

# told EVENT REGEX: how often, in this point.
told()
{
	grep -Ec "$1: .*$2" "$INSTANCE/trace" || true
}

# datagrams ADDRESS LENGTH...: from the peer, each a line.
datagrams()
{
	in_ns "$PEER" python3 "$TMP/datagrams.py" "$@"
}

copies()
{
	wc -l < "$TMP/received"
}

# came PACKETS COPIES COMMAND...: by it rlo0 receives so many packets more, and the
# receiver so many lines.
came()
{
	local packets=$1 lines

	lines=$(($2 + $(copies)))
	shift 2
	counters "$NS" rlo0
	packets=$((rx_packets + packets))
	check "$*" "$@"
	wait_for eval "[ \"\$(copies)\" -ge $lines ]" || true
	sleep 0.2
	counters "$NS" rlo0
	equal "packets received and sent: $*" "$packets $packets" "$rx_packets $tx_packets"
	equal "arrived: $*" "$lines" "$(copies)"
}

features()
{
	local dev has

	need xdp-loader
	setup
	while read -r dev has; do
		equal "features of $dev" "$has $has no" "$(in_ns "$NS" xdp-loader features "$dev" |
			sed -n 's/^NETDEV_XDP_ACT_\(NDO_XMIT\|NDO_XMIT_SG\|BASIC\):\t*\([a-z]*\)$/\1 \2/p' |
			sort -r | cut -d' ' -f2 | paste -sd' ')"
	done <<- EOF
		rlo0 yes
		lo no
		dummy0 no
	EOF
}

redirect()
{
	local address

	setup_xdp
	echo_server "$NS" 7777
	program wire xdpdrv to_rlo0
	for address in 10.8.0.1 10.9.0.1; do
		grown "$NS" rlo0 ping_once "$PEER" "$address"
		equal "packets" 1 "$grown_packets"
		equal "bytes, without the header" 84 "$grown_bytes"
		came 2 2 datagrams "$address" 10 1000
		grown "$NS" rlo0 echoes "$PEER" "TCP:$address:7777"
	done
	equal "told of none that was dropped" 0 "$(told xdp_devmap_xmit 'drops=[1-9]')"
	number "told of those sent" "$(told xdp_devmap_xmit \
		'from_ifindex=41 .*to_ifindex=40 .*sent=[1-9][0-9]* drops=0 err=0')" -gt 5
	equal "accepted, ethtool -S" "$rx_packets" "$(statistic "$NS" rlo0 accepted_packets)"
	equal "drops, ethtool -S" "" "$(statistics "$NS" rlo0 | grep drops | grep -v ' 0$' || true)"
	silent "$NS" lo
	# It is the wire's again.
	program wire xdpdrv
	untouched "$NS" rlo0 ping_once "$PEER" 10.8.0.1
}

localnet()
{
	local frame

	setup_xdp
	program wire xdpdrv to_rlo0
	cat > "$TMP/frame.py" <<- EOF
		import socket, struct
		ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 34, 0, 0, 64, 17, 0,
		    socket.inet_aton("10.8.0.2"), socket.inet_aton("127.0.0.1"))
		total = sum(struct.unpack("!10H", ip))
		total = (total & 0xffff) + (total >> 16)
		ip = ip[:10] + struct.pack("!H", ~total & 0xffff) + ip[12:]
		tx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		tx.bind(("wire", 0x0800))
		tx.send(bytes.fromhex("020000000801" "020000000802" "0800") + ip +
		    struct.pack("!HHHH", 7000, 7000, 14, 0) + b"hello\n")
	EOF
	frame=(in_ns "$PEER" python3 "$TMP/frame.py")
	came 1 0 "${frame[@]}"
	in_ns "$NS" sysctl -q -w net.ipv4.conf.rlo0.route_localnet=1
	came 1 1 "${frame[@]}"
}

# Frames of 14 bytes more than the MTU pass. With a VLAN tag more they pass the core.
mtu()
{
	setup_xdp
	program wire xdpdrv to_rlo0
	ip -n "$NS" link set rlo0 mtu 1000
	came 1 1 datagrams 10.8.0.1 972
	came 0 0 datagrams 10.8.0.1 973 976
	equal "told of the first" 2 "$(told xdp_devmap_xmit 'to_ifindex=40 .*sent=0 drops=1 err=0')"
	came 0 0 datagrams 10.8.0.1 977
	equal "told of what the core drops" 1 "$(told xdp_redirect_err 'to_ifindex=40 err=-90')"
	# Several of them at once.
	check "netem" in_ns "$PEER" tc qdisc add dev wire root netem slot 1s 1s
	came 4 4 datagrams 10.8.0.1 973 10 974 975 10 972 976 10
	number "told of them together" "$(told xdp_devmap_xmit 'sent=[1-9] drops=[1-9] err=0')" -gt 0
	counters "$NS" rlo0
	equal "dropped" 6 "$tx_dropped"
	equal "too big, ethtool -S" 6 "$(statistic "$NS" rlo0 tx_too_big_drops)"
}

down()
{
	setup_xdp
	program wire xdpdrv to_rlo0
	ip -n "$NS" link set rlo0 down
	came 0 0 datagrams 10.8.0.1 10 10
	equal "told" 2 "$(told xdp_redirect_err 'to_ifindex=40 err=-100')"
	ip -n "$NS" link set rlo0 up
	came 1 1 datagrams 10.8.0.1 10
}

frags()
{
	local size

	setup_xdp
	ip -n "$NS" link set wire mtu 9000
	ip -n "$PEER" link set wire mtu 9000
	program wire xdpdrv frags_to_rlo0
	for size in 100 3000 4000 8000 8972; do
		grown "$NS" rlo0 ping_once "$PEER" 10.8.0.1 -s "$size" -M "do"
		equal "packets of $size bytes" "1 $((size + 28))" "$grown_packets $grown_bytes"
	done
	# As long as all of its parts.
	ip -n "$NS" link set rlo0 mtu 8000
	grown "$NS" rlo0 ping_once "$PEER" 10.8.0.1 -s 7972 -M "do"
	refused "longer" "100% packet loss" in_ns "$PEER" ping -n -q -c 1 -W 1 10.8.0.1 -s 7973 -M "do"
	equal "told" 1 "$(told xdp_devmap_xmit 'to_ifindex=40 .*sent=0 drops=1 err=0')"
}

others()
{
	local dev index

	setup_xdp
	while read -r dev index; do
		program wire xdpdrv "to_$dev"
		came 0 0 datagrams 10.8.0.1 10
		silent "$NS" "$dev"
		equal "told of $dev" 1 "$(told xdp_redirect_err "to_ifindex=$index err=-95")"
	done <<- EOF
		lo 1
		dummy0 42
	EOF
	program wire xdpdrv to_rlo0
	came 1 1 datagrams 10.8.0.1 10
}

vrf()
{
	modprobe -q vrf || true
	setup_xdp
	end_background
	batch "$NS" <<- EOF
		link add vrf1 type vrf table 77
		link set vrf1 up
		link set rlo0 master vrf1
		addr replace 10.9.0.1/32 dev rlo0
	EOF
	program wire xdpdrv to_rlo0
	background in_ns "$NS" socat -u UDP4-RECV:7000,so-bindtodevice=vrf1 \
		"OPEN:$TMP/received,creat,append"
	wait_for listening "$NS" -u 7000
	came 1 1 datagrams 10.9.0.1 10
}

# It looks the route up as for a packet to be forwarded: here one of another table
# for what comes by the wire.
forward()
{
	need xdp-forward bpftool
	setup_xdp
	in_ns "$NS" sysctl -q -w net.ipv4.conf.all.forwarding=1
	batch "$NS" <<- EOF
		rule add pref 10 lookup local
		rule add pref 5 iif wire lookup 100
		rule del pref 0
		route add 10.9.0.1/32 dev rlo0 table 100
		neigh replace 10.9.0.1 lladdr 00:00:00:00:00:00 dev rlo0 nud permanent
	EOF
	check "xdp-forward" in_ns "$NS" xdp-forward load wire
	check "its map" in_ns "$NS" bpftool map update name xdp_tx_ports key 40 0 0 0 value 40 0 0 0
	came 2 2 datagrams 10.9.0.1 10 1000
	grown "$NS" rlo0 ping_once "$PEER" 10.9.0.1
	number "told" "$(told xdp_devmap_xmit 'to_ifindex=40 .*sent=1 drops=0 err=0')" -ge 3
	check "xdp-forward" in_ns "$NS" xdp-forward unload wire
}

# Of another's program: with one in generic mode on the device itself what it redirects
# is sent again, and comes by the backlog: one packet at a time, on a stack of its own.
rounds()
{
	local before

	setup_xdp
	program wire xdpdrv to_rlo0
	program rlo0 xdpgeneric to_rlo0
	counters "$NS" rlo0
	before=$rx_packets
	datagrams 10.8.0.1 10
	sleep 0.5
	counters "$NS" rlo0
	number "rounds" "$((rx_packets - before))" -gt 100
	equal "it went in once" 1 "$(told xdp_devmap_xmit 'to_ifindex=40 .*sent=1')"
	program rlo0 xdpgeneric
	sleep 0.2
	untouched "$NS" rlo0 sleep 0.3
	program rlo0 xdpgeneric to_rlo0
	datagrams 10.8.0.1 10
	check "ip link del" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
}

removal()
{
	local i

	setup_xdp
	program wire xdpdrv to_rlo0
	background in_ns "$PEER" ping -n -q -f 10.8.0.1
	for i in 1 2 3 4 5; do
		wait_for ping_once "$PEER" 10.8.0.1 || fail "round $i"
		check "to $PEER" ip -n "$NS" link set rlo0 netns "$PEER"
		check "and back" ip -n "$PEER" link set rlo0 netns "$NS"
		ip -n "$NS" link set rlo0 up
		wait_for ping_once "$PEER" 10.8.0.1 || fail "round $i, moved"
		check "ip link del" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
		ip -n "$NS" link add rlo0 index 40 type rust_lo
		ip -n "$NS" link set rlo0 up
	done
	check "rmmod" unload
}

run_tests "$@"
