#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What does not fit into the backlog of the CPU is counted, as on lo.
# Without it: packets lost under load that no counter shows.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"overflow: rx_dropped counts what the backlog refuses, the rest arrives"
	"lo: the same on lo"
)

BACKLOG=/proc/sys/net/core/netdev_max_backlog

cleanup_hook()
{
	if [ -s "$TMP/backlog" ]; then
		cat "$TMP/backlog" > "$BACKLOG"
	fi
}

# flood DEVICE: netem holds 200 packets back and lets them go at once.
flood()
{
	local dev=$1 sent qdisc

	need python3
	cat "$BACKLOG" > "$TMP/backlog"
	check "netem" in_ns "$NS" tc qdisc replace dev "$dev" root netem slot 1s 1s limit 1000
	counters "$NS" "$dev"
	local packets=$rx_packets bytes=$rx_bytes dropped=$rx_dropped
	echo 1 > "$BACKLOG"
	cat > "$TMP/flood.py" <<- EOF
		import socket
		SNDBUFFORCE, RCVBUFFORCE = 32, 33
		rx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		rx.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 8 << 20)
		rx.bind(("127.0.0.1", 7000))
		tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		tx.setsockopt(socket.SOL_SOCKET, SNDBUFFORCE, 8 << 20)
		for i in range(200):
		    tx.sendto(b"x" * 72, ("127.0.0.1", 7000))
		rx.settimeout(3)
		n = 0
		try:
		    while True:
		        rx.recv(100)
		        n += 1
		except TimeoutError:
		    print(n)
	EOF
	arrived=$(in_ns "$NS" python3 "$TMP/flood.py")
	cat "$TMP/backlog" > "$BACKLOG"
	qdisc=$(in_ns "$NS" tc -s qdisc show dev "$dev")
	sent=$(sed -n 's/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p' <<< "$qdisc" | head -n 1)
	in_ns "$NS" tc qdisc del dev "$dev" root
	counters "$NS" "$dev"
	lost=$((rx_dropped - dropped))
	say "$sent sent, $arrived arrived, $lost dropped"
	equal "packets through the qdisc" 200 "$sent"
	number "dropped" "$lost" -gt 0
	number "arrived" "$arrived" -gt 0
	equal "received and dropped" 200 "$((rx_packets - packets + lost))"
	equal "packets counted" "$arrived" "$((rx_packets - packets))"
	equal "bytes counted" "$((arrived * 100))" "$((rx_bytes - bytes))"
	equal "sent as received" "$rx_packets $rx_bytes" "$tx_packets $tx_bytes"
	equal "other counters" "0 0 0" "$tx_dropped $tx_errors $rx_errors"
}

overflow()
{
	local refused=0

	need_packet_slab
	setup_loopback NS
	PACKETS=$(objects "$PACKET_SLAB")
	for _ in 1 2 3 4; do
		flood rlo0
		refused=$((refused + lost))
	done
	# What the qdisc has let go was accepted or refused, and nothing else is among the drops.
	equal "refused, ethtool -S" "$refused" "$(statistic "$NS" rlo0 rx_backlog_drops)"
	equal "accepted, ethtool -S" "$rx_packets" "$(statistic "$NS" rlo0 accepted_packets)"
	equal "other drops, ethtool -S" "0 0" \
		"$(statistic "$NS" rlo0 tx_too_short_drops) $(statistic "$NS" rlo0 tx_no_memory_drops)"
	check "it works on" ping_once "$NS" ::1
	# More than the few that do not count.
	number "refused" "$refused" -gt 400
	check "what was refused is freed" wait_for few_packets
}

lo()
{
	setup_ns NS
	ip -n "$NS" link set lo up
	flood lo
}

run_tests "$@"
