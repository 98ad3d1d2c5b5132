#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module is removed while its devices are in use.
# Without it: rmmod that hangs, or crashes what is still on its way.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"sockets: rmmod with sockets of all kinds open in several namespaces"
	"beside_lo: with lo up, the connections carry on over lo"
	"iperf: rmmod under full traffic"
	"delete: ip link del under full traffic"
	"routes: rmmod with routes, rules, neighbours, qdiscs and filters on the device"
	"freed: the namespaces are freed after rmmod"
	"crowd: from a hundred namespaces, in turns of ten"
)

# removed: rmmod does not hang, and nothing is left.
removed()
{
	local ns

	check "rmmod" timeout "$WAIT_TIMEOUT" rmmod rust_lo
	: > "$FILE_TMP/reload"
	for ns; do
		# With the driver built in, each namespace has the fallback tunnel sit0.
		equal "devices" lo "$(ip -n "$ns" -o link show | awk -F': ' '$2 !~ /^sit0@/ { print $2 }' | xargs)"
		equal "routes" "" "$(ip -n "$ns" route show table all | grep rlo || true)"
		equal "routes" "" "$(ip -n "$ns" -6 route show table all | grep rlo || true)"
	done
}

# back NS: the module again, with a device in the namespace that works.
back()
{
	check "insmod" insmod "$RUST_LO_KO"
	batch "$1" <<- EOF
		link add rlo0 type rust_lo
		link set rlo0 up
	EOF
	grown "$1" rlo0 ping_once "$1" 127.0.0.1
	grown "$1" rlo0 ping_once "$1" ::1
}

sockets()
{
	local ns

	setup_loopback A B C
	for ns in "$A" "$B"; do
		echo_server "$ns" 7777
		open_connection "four-$ns" "$ns" TCP:127.0.0.1:7777
		open_connection "six-$ns" "$ns" "TCP:[::1]:7777"
		open_connection "udp-$ns" "$ns" UDP:127.0.0.1:7777
		background in_ns "$ns" ping -n -i 0.1 127.0.0.1
		background in_ns "$ns" ping -n -i 0.1 ::1
		background in_ns "$ns" socat -u IP4-RECV:253 -
	done
	in_ns "$A" tcpdump -n -i rlo0 -w /dev/null 2> "$TMP/tcpdump" < /dev/null &
	echo "$!" >> "$TMP/pids"
	wait_for grep -q 'listening on' "$TMP/tcpdump"
	sleep 0.5

	removed "$A" "$B" "$C"
	check "tcpdump says so" wait_for grep -Eq 'disappeared|went down|No such device' "$TMP/tcpdump"
	refused "ping then" 'unreachable|100% packet loss' ping_once "$A" 127.0.0.1
	back "$A"
	# What was open gets on over the new device.
	check "IPv4 connection" still_open "four-$A"
	check "IPv6 connection" still_open "six-$A"
}

beside_lo()
{
	setup_loopback NS
	ip -n "$NS" link set lo up
	echo_server "$NS" 7777
	open_connection four "$NS" TCP:127.0.0.1:7777
	open_connection six "$NS" "TCP:[::1]:7777"
	silent "$NS" lo
	removed "$NS"
	grown "$NS" lo still_open four
	grown "$NS" lo still_open six
}

many_packets()
{
	counters "$NS" rlo0
	[ "$rx_packets" -gt 500 ]
}

# Full traffic in NS, IPv4 and IPv6.
start_traffic()
{
	setup_loopback NS
	background in_ns "$NS" iperf3 -s -p 5201
	background in_ns "$NS" iperf3 -s -p 5202
	wait_for listening "$NS" -t 5201
	wait_for listening "$NS" -t 5202
	timeout 60 nsenter "--net=/run/netns/$NS" iperf3 -c 127.0.0.1 -t 10 -P 2 --snd-timeout 3000 \
		> "$TMP/client4" 2>&1 < /dev/null &
	client4=$!
	timeout 60 nsenter "--net=/run/netns/$NS" iperf3 -c ::1 -p 5202 -u -b 0 -t 10 --snd-timeout 3000 \
		> "$TMP/client6" 2>&1 < /dev/null &
	client6=$!
	echo "$client4 $client6" | xargs -n 1 >> "$TMP/pids"
	check "packets under way" wait_for many_packets
}

# The clients come to an end by themselves.
traffic_ends()
{
	local rc client

	for client in "$client4" "$client6"; do
		rc=0
		wait "$client" || rc=$?
		number "status of iperf3" "$rc" -ne 124
	done
}

iperf()
{
	need iperf3
	start_traffic
	removed "$NS"
	traffic_ends
	back "$NS"
}

delete()
{
	need iperf3
	start_traffic
	check "ip link del" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
	traffic_ends
	batch "$NS" <<- EOF
		link add rlo0 type rust_lo
		link set rlo0 up
	EOF
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
}

routes()
{
	setup_loopback NS
	batch "$NS" <<- EOF
		addr add 10.9.0.1/24 dev rlo0
		addr add fd00::1/64 dev rlo0
		route add 10.10.0.0/16 dev rlo0
		route add fd01::/16 dev rlo0
		route add blackhole 10.11.0.0/16
		route add local 10.12.0.0/16 dev rlo0 table 99
		route add unreachable fd02::/16
		rule add iif rlo0 lookup 99
		rule add oif rlo0 lookup 99
		neigh add 10.9.0.9 lladdr 02:11:22:33:44:55 dev rlo0
		link property add dev rlo0 altname other-name
	EOF
	in_ns "$NS" tc -batch - <<- EOF
		qdisc add dev rlo0 root netem delay 500ms
		qdisc add dev rlo0 clsact
		filter add dev rlo0 ingress matchall action pass
	EOF
	in_ns "$NS" nft add table netdev t
	in_ns "$NS" nft 'add chain netdev t c { type filter hook ingress device "rlo0" priority 0; }'
	# Some are held back by netem when the device goes.
	in_ns "$NS" ping -q -c 3 -i 0.01 -W 1 127.0.0.1 > /dev/null 2>&1 &
	sleep 0.3
	removed "$NS"
	wait "$!" || true
	back "$NS"
}

freed()
{
	remember_namespaces
	setup_loopback A B
	setup_ns C
	ip -n "$C" link add rlo0 type rust_lo
	ip -n "$A" link add rlo1 type rust_lo
	ip -n "$A" link set rlo1 netns "$C"
	grown "$A" rlo0 ping_once "$A" 127.0.0.1
	grown "$A" rlo0 ping_once "$A" ::1
	removed "$A" "$B" "$C"
	ip netns del "$A"
	ip netns del "$B"
	ip netns del "$C"
	namespaces_freed
	insmod "$RUST_LO_KO"
}

crowd()
{
	local i j

	remember_namespaces
	unload
	for ((i = 0; i < CROWD / 10; i++)); do
		insmod "$RUST_LO_KO" "up=$((i % 2))" numdevs=10
		for ((j = 0; j < 10; j++)); do
			echo "rlo-$$-$j" >> "$TMP/namespaces"
			echo "netns add rlo-$$-$j"
			echo "link add rlo0 netns rlo-$$-$j up type rust_lo"
			echo "link add rlo1 netns rlo-$$-$j type rust_lo"
			echo "link set rust_lo$j netns rlo-$$-$j"
		done > "$TMP/batch"
		check "made" ip -batch "$TMP/batch"
		# Some packets are on their way.
		background in_ns "rlo-$$-$i" ping -q -f 127.0.0.1
		check "rmmod" timeout "$WAIT_TIMEOUT" rmmod rust_lo
		for ((j = 0; j < 10; j++)); do
			echo "netns del rlo-$$-$j"
		done > "$TMP/batch"
		check "removed" ip -batch "$TMP/batch"
	done
	end_background
	WAIT_TIMEOUT=$((WAIT_TIMEOUT * 3))
	namespaces_freed "$CROWD namespaces"
	insmod "$RUST_LO_KO"
}

run_tests "$@"
