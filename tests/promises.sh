#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What everybody relies on: that a loopback address is of this host alone.
# Without it: 127.0.0.1 that is reached from outside.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# How long to wait for an answer that is not to come: long enough to ask.
PATIENCE=$((WAIT_TIMEOUT / 6))

TESTS=(
	"leaves: no more packets to and from localhost go out than with lo, and none by themselves"
	"martians: no packet from or to 127.0.0.0/8 comes in, and it is counted"
	"martians6: no packet from or to ::1 comes in"
	"localnet: with route_localnet, DNAT to 127.0.0.1 works as with lo"
	"localnet_out: with route_localnet, 127.0.0.0/8 can be routed out, as with lo"
	"reach: a socket bound to 127.0.0.1 is out of reach of another namespace"
	"reach6: a socket bound to ::1 is, too"
)

# setup_host: NS with a wire to PEER, and in NS what $1 says: rlo0 alone, both
# (with rlo0 up after lo), preferred (its routes before those of lo), lo (no
# rlo0), rlo0-down (both, rlo0 down) or all-down.
setup_host()
{
	local ns

	setup_ns NS PEER
	for ns in "$NS" "$PEER"; do
		in_ns "$ns" sysctl -q -w net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_dad=0 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0
	done
	case $1 in both | preferred | lo | rlo0-down) ip -n "$NS" link set lo up ;; esac
	[ "$1" = lo ] || ip -n "$NS" link add rlo0 type rust_lo
	case $1 in both | preferred | rlo0 | rlo0-down) ip -n "$NS" link set rlo0 up ;; esac
	case $1 in rlo0-down) ip -n "$NS" link set rlo0 down ;; esac
	if [ "$1" = preferred ]; then
		batch "$NS" <<- EOF
			route del table local local 127.0.0.0/8 dev rlo0
			route del table local local 127.0.0.1 dev rlo0
			route prepend table local local 127.0.0.1 dev rlo0 proto kernel scope host src 127.0.0.1
			route prepend table local local 127.0.0.0/8 dev rlo0 proto kernel scope host src 127.0.0.1
			addr del ::1/128 dev lo
			addr add ::1/128 dev lo
		EOF
	fi
	batch "$NS" <<- EOF
		link add wire address 02:00:00:00:00:01 type veth peer name wire address 02:00:00:00:00:02 netns $PEER
		addr add 10.8.0.1/24 dev wire
		addr add fd08::1/64 dev wire
		link set wire up
		neigh replace 10.8.0.2 lladdr 02:00:00:00:00:02 dev wire nud permanent
		neigh replace fd08::2 lladdr 02:00:00:00:00:02 dev wire nud permanent
	EOF
	batch "$PEER" <<- EOF
		addr add 10.8.0.2/24 dev wire
		addr add fd08::2/64 dev wire
		link set wire up
		neigh replace 10.8.0.1 lladdr 02:00:00:00:00:01 dev wire nud permanent
		neigh replace fd08::1 lladdr 02:00:00:00:00:01 dev wire nud permanent
	EOF
}

# start_capture: what of localhost comes to PEER goes to $TMP/wire.
start_capture()
{
	in_ns "$PEER" tcpdump -n -l --immediate-mode -i wire \
		'net 127.0.0.0/8 or ip6 host ::1 or (arp and net 127.0.0.0/8)' \
		> "$TMP/wire" 2> "$TMP/wire.err" < /dev/null &
	echo "$!" >> "$TMP/pids"
	wait_for grep -q 'listening on' "$TMP/wire.err"
}

# attempts [DEVICE]: many ways to send something to localhost or from it, which
# all may fail; by sockets that are bound to the device.
attempts()
{
	cat > "$TMP/attempts.py" <<- EOF
		import socket as s, sys
		def attempt(family, kind, to, source):
		    sock = s.socket(family, kind)
		    sock.setblocking(False)
		    try:
		        if len(sys.argv) > 1:
		            sock.setsockopt(s.SOL_SOCKET, s.SO_BINDTODEVICE, sys.argv[1].encode())
		        if source:
		            sock.bind((source, 0))
		        sock.connect((to, 7000))
		        sock.send(b"not to be seen")
		    except OSError:
		        pass
		    sock.close()
		for kind in s.SOCK_DGRAM, s.SOCK_STREAM:
		    for to in "127.0.0.1", "127.77.0.1", "127.255.255.254":
		        for source in "127.0.0.1", "10.8.0.1", None:
		            attempt(s.AF_INET, kind, to, source)
		    attempt(s.AF_INET, kind, "10.8.0.2", "127.0.0.1")
		    for source in "::1", "fd08::1", None:
		        attempt(s.AF_INET6, kind, "::1", source)
		    if len(sys.argv) > 1:
		        attempt(s.AF_INET6, kind, "fd08::2", "::1")
	EOF
	in_ns "$NS" python3 "$TMP/attempts.py" "$@"
}

# on_wire: what was seen there, without ports.
on_wire()
{
	sed -nE 's/^[^ ]+ (IP6? [^ ]+)\.[0-9]+ > ([^ ]+)\.[0-9]+: .*/\1 > \2/p' "$TMP/wire" | sort -u
}

leaves()
{
	local what

	need tcpdump python3
	for what in lo rlo0 preferred rlo0-down; do
		setup_host "$what"
		start_capture
		# Even where another route says so: of equal ones that of table local is taken. (A longer
		# one would be taken, with lo as well: without rules local and main are searched as one.)
		ip -n "$NS" route replace 127.0.0.0/8 via 10.8.0.2
		ip -n "$NS" -6 route add ::1/128 via fd08::2 metric 2000
		attempts
		check "$what: the wire" ping_once "$NS" 10.8.0.2
		sleep 0.3
		equal "$what: on the wire" "" "$(cat "$TMP/wire")"
		# A socket that is bound to the wire gets past that: what it sends to localhost goes out,
		# and in IPv6 from localhost as well. With lo it is so, and with the device no more is.
		attempts wire
		check "$what: the wire" ping_once "$NS" 10.8.0.2
		wait_for grep -q '> 127.0.0.1.7000' "$TMP/wire"
		sleep 0.3
		on_wire > "$TMP/sent-$what"
		equal "$what: on the wire, and not with lo" "" \
			"$(comm -13 "$TMP/sent-lo" "$TMP/sent-$what")"
		equal "$what: from 127.0.0.0/8 on the wire" "" "$(grep 'IP 127' "$TMP/sent-$what" || true)"
		case $what in
		rlo0 | preferred) grown "$NS" rlo0 ping_once "$NS" 127.0.0.1 ;;
		rlo0-down) grown "$NS" lo ping_once "$NS" 127.0.0.1 ;;
		esac
		ip netns del "$PEER"
	done
}

# from_wire FROM TO [FROM TO]...: PEER sends datagrams for port 7000, made by hand.
from_wire()
{
	cat > "$TMP/from_wire.py" <<- EOF
		import socket, struct, sys
		def checksum(data):
		    data += b"\0" * (len(data) % 2)
		    total = sum(struct.unpack(f">{len(data) // 2}H", data))
		    while total > 0xffff:
		        total = (total & 0xffff) + (total >> 16)
		    return total ^ 0xffff
		s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
		for pair in zip(sys.argv[1::2], sys.argv[2::2]):
		    family = socket.AF_INET6 if ":" in pair[0] else socket.AF_INET
		    source, to = (socket.inet_pton(family, a) for a in pair)
		    udp = struct.pack(">HHH", 1234, 7000, 8 + 6), b"hello\n"
		    pseudo = source + to + struct.pack(">HH", 17, 8 + 6)
		    udp = udp[0] + struct.pack(">H", checksum(pseudo + b"".join(udp))) + udp[1]
		    if family == socket.AF_INET:
		        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + source + to
		        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
		    else:
		        ip = struct.pack(">LHBB", 6 << 28, len(udp), 17, 64) + source + to
		    protocol = 0x800 if family == socket.AF_INET else 0x86dd
		    s.sendto(ip + udp, ("wire", protocol, 0, 0, bytes.fromhex("020000000001")))
	EOF
	in_ns "$PEER" python3 "$TMP/from_wire.py" "$@"
	sleep 0.2
}

# receiver: a socket in NS that takes what comes, from any address to any.
receiver()
{
	: > "$TMP/received"
	background in_ns "$NS" socat -u UDP6-RECV:7000,ipv6only=0 "OPEN:$TMP/received,append"
	wait_for listening "$NS" -u 7000
}

received()
{
	wc -l < "$TMP/received"
}

# What the routing code has counted of all namespaces: martians by destination
# and by source.
martian_counts()
{
	local header columns i dst=0 src=0

	{
		read -ra header
		while read -ra columns; do
			for i in "${!header[@]}"; do
				case ${header[i]} in
				in_martian_dst) dst=$((dst + 16#${columns[i]})) ;;
				in_martian_src) src=$((src + 16#${columns[i]})) ;;
				esac
			done
		done
	} < /proc/net/stat/rt_cache
	echo "$dst $src"
}

martians()
{
	local what before after cost

	need python3
	cost=$(sysctl -n net.core.message_cost)
	for what in lo rlo0 preferred; do
		setup_host "$what"
		receiver
		from_wire 10.8.0.2 10.8.0.1
		equal "$what: what is right" 1 "$(received)"
		in_ns "$NS" sysctl -q -w net.ipv4.conf.all.log_martians=1
		# Or the kernel says no more than ten such things in five seconds.
		sysctl -q -w net.core.message_cost=0
		log_mark
		read -ra before <<< "$(martian_counts)"
		from_wire 127.0.0.1 10.8.0.1 127.9.9.9 10.8.0.1 10.8.0.2 127.0.0.1 \
			10.8.0.2 127.9.9.9 127.0.0.1 127.0.0.1
		read -ra after <<< "$(martian_counts)"
		equal "$what: martians" 1 "$(received)"
		equal "$what: martians counted, to and from" "3 2" \
			"$((after[0] - before[0])) $((after[1] - before[1]))"
		matches "$what: log" 'martian source.*127\.0\.0\.1.*wire' "$(log_since)"
		sysctl -q -w net.core.message_cost="$cost"
		ip netns del "$PEER"
	done
}

martians6()
{
	local what

	need python3
	for what in lo rlo0 preferred; do
		setup_host "$what"
		receiver
		from_wire fd08::2 fd08::1
		equal "$what: what is right" 1 "$(received)"
		from_wire ::1 fd08::1 fd08::2 ::1 ::1 ::1
		equal "$what: from and to ::1" 1 "$(received)"
		equal "$what: header errors" 3 \
			"$(in_ns "$NS" cat /proc/net/snmp6 | awk '$1 == "Ip6InHdrErrors" { print $2 }')"
		ip netns del "$PEER"
	done
}

# asks: what PEER gets from the echo server of NS through 10.8.0.1:80.
asks()
{
	echoes "$PEER" TCP:10.8.0.1:80
}

localnet()
{
	local what

	need nft
	for what in lo rlo0 preferred; do
		setup_host "$what"
		background in_ns "$NS" socat TCP4-LISTEN:7777,bind=127.0.0.1,reuseaddr,fork PIPE
		wait_for listening "$NS" -t 7777
		in_ns "$NS" nft -f - <<- EOF
			table ip nat {
				chain in {
					type nat hook prerouting priority -100;
					iifname "wire" tcp dport 80 dnat to 127.0.0.1:7777
				}
			}
		EOF
		refused "$what: without route_localnet" . timeout "$PATIENCE" nsenter "--net=/run/netns/$PEER" \
			socat - TCP:10.8.0.1:80
		# Of the device where it comes in, it is said, and of no other.
		case $what in
		lo) ;;
		*)
			in_ns "$NS" sysctl -q -w net.ipv4.conf.rlo0.route_localnet=1
			refused "$what: route_localnet of rlo0" . timeout "$PATIENCE" \
				nsenter "--net=/run/netns/$PEER" socat - TCP:10.8.0.1:80
			;;
		esac
		in_ns "$NS" sysctl -q -w net.ipv4.conf.wire.route_localnet=1
		check "$what: with route_localnet" asks
		ip netns del "$PEER"
	done
}

localnet_out()
{
	local what out dev

	need tcpdump
	for what in lo rlo0 preferred; do
		setup_host "$what"
		in_ns "$NS" sysctl -q -w net.ipv4.conf.wire.route_localnet=1
		start_capture
		# The local route comes before any other.
		ip -n "$NS" route add 127.0.0.0/8 via 10.8.0.2
		grown "$NS" "${what/preferred/rlo0}" ping_once "$NS" 127.0.0.1
		equal "$what: with a local route" "" "$(cat "$TMP/wire")"
		# Who takes it away wants it so.
		case $what in
		preferred) out="lo rlo0" ;;
		*) out=$what ;;
		esac
		for dev in $out; do
			ip -n "$NS" route del table local local 127.0.0.0/8 dev "$dev"
		done
		ping_once "$NS" -W 1 127.77.0.1 > /dev/null || true
		check "$what: without it" wait_for grep -q '127.77.0.1: ICMP echo request' "$TMP/wire"
		ip netns del "$PEER"
	done
}

reach()
{
	local what

	for what in rlo0 preferred; do
		setup_host "$what"
		background in_ns "$NS" socat TCP4-LISTEN:7777,bind=127.0.0.1,reuseaddr,fork PIPE
		wait_for listening "$NS" -t 7777
		check "$what: from the namespace itself" echoes "$NS" TCP:127.0.0.1:7777
		ip -n "$PEER" route add 127.0.0.0/8 via 10.8.0.1
		in_ns "$PEER" sysctl -q -w net.ipv4.conf.all.route_localnet=1
		refused "$what: by its address" . timeout "$PATIENCE" nsenter "--net=/run/netns/$PEER" \
			socat - TCP:127.0.0.1:7777
		refused "$what: by the other address" refused timeout "$PATIENCE" \
			nsenter "--net=/run/netns/$PEER" socat - TCP:10.8.0.1:7777
		counters "$PEER" wire
		number "$what: packets that were sent" "$tx_packets" -gt 1
		ip netns del "$PEER"
	done
}

reach6()
{
	local what

	# While lo is down, nobody binds to ::1 but to the device.
	for what in preferred rlo0; do
		setup_host "$what"
		background in_ns "$NS" socat "TCP6-LISTEN:7777,bind=[::1]$(
			[ "$what" != rlo0 ] || echo ,so-bindtodevice=rlo0
		),reuseaddr,fork" PIPE
		wait_for listening "$NS" -t 7777
		check "$what: from the namespace itself" echoes "$NS" "TCP:[::1]:7777"
		ip -n "$PEER" -6 route add ::1/128 via fd08::1
		start_capture
		refused "$what: by its address" . timeout "$PATIENCE" nsenter "--net=/run/netns/$PEER" \
			socat - "TCP:[::1]:7777"
		check "$what: that was sent" wait_for grep -q '> ::1.7777: Flags \[S\]' "$TMP/wire"
		refused "$what: by the other address" refused timeout "$PATIENCE" \
			nsenter "--net=/run/netns/$PEER" socat - "TCP:[fd08::1]:7777"
		ip netns del "$PEER"
	done
}

run_tests "$@"
