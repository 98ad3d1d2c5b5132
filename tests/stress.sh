#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What goes wrong around the devices: commands that are killed, processors that
# go away, memory that is full of packets.
# Without it: counters that lose packets, and modules that cannot be removed,
# once something was killed or unplugged.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"killed: ip is killed at any moment, and leaves whole devices or none"
	"hotplug: a processor goes and comes while traffic runs; the counters stay exact"
	"sockets: buffers full of packets are freed with their sockets, their device gone"
	"pressure: TCP over the limit of its memory; small exchanges go on"
)

CPU=/sys/devices/system/cpu/cpu1
TCP_MEM=/proc/sys/net/ipv4/tcp_mem

cleanup_hook()
{
	[ ! -w "$CPU/online" ] || [ "$(cat "$CPU/online")" = 1 ] || echo 1 > "$CPU/online"
	[ ! -s "$TMP/tcp_mem" ] || cat "$TMP/tcp_mem" > "$TCP_MEM"
}

# killed_soon SECONDS NS BATCH: ip has so much time.
killed_soon()
{
	# In a group, so that nobody says that it was killed.
	{ timeout -s KILL "$1" ip -n "$2" -batch "$3" > /dev/null; } 2> /dev/null || true
}

killed()
{
	local i n all=0 none=0 some=0 users

	remember_namespaces
	setup_ns A B
	users=$(cat /sys/module/rust_lo/refcnt)
	for ((n = 0; n < 40; n++)); do
		echo "link add k$n type rust_lo"
		echo "link set k$n up"
		echo "link set k$n mtu 9000"
		echo "link set k$n netns $B"
	done > "$TMP/batch"
	for ((i = 0; i < 12; i++)); do
		killed_soon "0.$((RANDOM % 8))$((RANDOM % 10))" "$A" "$TMP/batch"
		n=$(rust_lo_links "$A" | wc -l)
		# One at most is half way.
		number "devices half way" "$n" -le 1
		n=$((n + $(rust_lo_links "$B" | wc -l)))
		case $n in
		0) none=$((none + 1)) ;;
		40) all=$((all + 1)) ;;
		*) some=$((some + 1)) ;;
		esac
		# What is there can be used, and removed.
		if [ -n "$(rust_lo_links "$B")" ]; then
			batch "$B" <<< "link set $(rust_lo_links "$B" | head -n 1) up"
			check "traffic" ping_once "$B" 127.0.0.1
		fi
		for n in "$A" "$B"; do
			rust_lo_links "$n" | sed 's/^/link del /' > "$TMP/del"
			killed_soon "0.$((RANDOM % 2))$((RANDOM % 10))" "$n" "$TMP/del"
			rust_lo_links "$n" | sed 's/^/link del /' | batch "$n"
			equal "devices left" "" "$(rust_lo_links "$n")"
		done
	done
	say "killed before the first device $none times, after the last $all, between $some"
	number "times killed between" "$some" -gt 0
	equal "users of the module" "$users" "$(cat /sys/module/rust_lo/refcnt)"
	ip netns del "$A"
	ip netns del "$B"
	namespaces_freed
}

# flood PORT: datagrams to a socket, one after the other, as nothing may be
# dropped, until there is $TMP/enough. Prints how many came.
flood()
{
	cat > "$TMP/flood-$1.py" <<- EOF
		import os, socket
		rx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		rx.bind(("127.0.0.1", $1))
		rx.settimeout(20)
		tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		n = 0
		while n % 100 or not os.path.exists("$TMP/enough"):
		    tx.sendto(b"x" * 72, ("127.0.0.1", $1))
		    n += len(rx.recv(100)) // 72
		print(n)
	EOF
	in_ns "$NS" python3 "$TMP/flood-$1.py" > "$TMP/flood-$1"
}

# not_less: the packets of rlo0 are no fewer than before.
not_less()
{
	counters "$NS" rlo0
	number "packets" "$rx_packets" -ge "$before"
	before=$rx_packets
}

hotplug()
{
	local before=0 i pids=() sum=0

	need python3
	[ -w "$CPU/online" ] || skip "there is no second processor to take away"
	setup_loopback NS
	for i in 1 2 3 4; do
		flood "700$i" &
		pids+=("$!")
	done
	printf '%s\n' "${pids[@]}" >> "$TMP/pids"
	for i in 1 2 3 4 5; do
		sleep 0.5
		echo 0 > "$CPU/online"
		not_less
		sleep 0.5
		echo 1 > "$CPU/online"
		not_less
	done
	: > "$TMP/enough"
	for i in "${pids[@]}"; do
		wait "$i" || fail "a flood comes to its end"
	done
	for i in 1 2 3 4; do
		sum=$((sum + $(cat "$TMP/flood-700$i")))
	done
	say "$sum datagrams"
	number "datagrams" "$sum" -gt 1000
	counters "$NS" rlo0
	equal "packets and bytes received" "$sum $((sum * 100))" "$rx_packets $rx_bytes"
	equal "packets and bytes sent" "$sum $((sum * 100))" "$tx_packets $tx_bytes"
	equal "dropped" "0 0" "$rx_dropped $tx_dropped"
}

# Pages in the buffers of UDP and TCP sockets, in all namespaces.
pages()
{
	awk '/^(TCP|UDP):/ { for (i = 2; i < NF; i += 2) if ($i == "mem") n += $(i + 1) } END { print n }' \
		/proc/net/sockstat
}

# fill: starts what fills sockets until they take no more, and holds them.
fill()
{
	cat > "$TMP/fill.py" <<- EOF
		import socket, time
		RCVBUFFORCE = 33
		held = []
		for i in range(20):
		    rx = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
		    rx.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 2 << 20)
		    rx.bind(("::", 0))
		    tx = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
		    for n in range(600):
		        tx.sendto(b"x" * 3000, (("::1", "::ffff:127.0.0.1")[i % 2], rx.getsockname()[1]))
		    held.append((rx, tx))
		for i in range(20):
		    listener = socket.socket(socket.AF_INET6)
		    listener.bind(("::", 0))
		    listener.listen()
		    tx = socket.socket(socket.AF_INET6)
		    tx.connect((("::1", "::ffff:127.0.0.1")[i % 2], listener.getsockname()[1]))
		    rx, _ = listener.accept()
		    tx.setblocking(False)
		    try:
		        while True:
		            tx.send(b"x" * 65536)
		    except BlockingIOError:
		        pass
		    held.append((rx, tx, listener))
		print("full", flush=True)
		time.sleep(1000)
	EOF
	in_ns "$NS" python3 "$TMP/fill.py" > "$TMP/full" 2>> "$TMP/log" &
	echo "$!" >> "$TMP/pids"
	WAIT_TIMEOUT=$((WAIT_TIMEOUT * 3)) wait_for grep -q full "$TMP/full" || fail "sockets are filled: $(cat "$TMP/log")"
}

# Each processor keeps some (SK_MEMORY_PCPU_RESERVE, include/net/proto_memory.h).
few_pages()
{
	[ "$(pages)" -le $((PAGES + 512 * $(nproc))) ]
}

sockets()
{
	need python3
	need_packet_slab
	remember_namespaces
	PACKETS=$(objects "$PACKET_SLAB")
	PAGES=$(pages)
	setup_loopback NS
	fill
	say "$(($(pages) - PAGES)) pages and $(($(objects "$PACKET_SLAB") - PACKETS)) packets held"
	number "pages in use" "$(pages)" -gt $((PAGES + 5000))
	number "packets in use" "$(objects "$PACKET_SLAB")" -gt $((PACKETS + 2000))
	# It still works, though not for them.
	check "ping" ping_once "$NS" 127.0.0.1
	check "its device goes" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
	batch "$NS" <<- EOF
		link add rlo0 type rust_lo
		link set rlo0 up
	EOF
	grown "$NS" rlo0 ping_once "$NS" ::1
	end_background
	check "buffers are given back" wait_for few_pages
	check "packets are freed" wait_for few_packets
	check "devices go" ip -n "$NS" link del rlo0
	ip netns del "$NS"
	WAIT_TIMEOUT=$((WAIT_TIMEOUT * 3)) namespaces_freed
}

# tcp_counter NAME: of the namespace (TcpExt).
tcp_counter()
{
	# shellcheck disable=SC2016 # for awk
	in_ns "$NS" awk -v name="$1" '
		$1 == "TcpExt:" && !column { for (i = 2; i <= NF; i++) if ($i == name) column = i; next }
		$1 == "TcpExt:" { print $column }' /proc/net/netstat
}

pressure()
{
	need python3
	remember_namespaces
	setup_loopback NS
	echo_server "$NS" 7777
	open_connection early "$NS" TCP:127.0.0.1:7777
	fill
	cat "$TCP_MEM" > "$TMP/tcp_mem"
	# Pages: some few of those that are held already.
	echo "100 200 400" > "$TCP_MEM"
	# Each socket is granted a little all the same (tcp_rmem, tcp_wmem).
	check "the connection of before" still_open early
	grown "$NS" rlo0 echoes "$NS" TCP:127.0.0.1:7777
	grown "$NS" rlo0 echoes "$NS" "TCP:[::1]:7777"
	grown "$NS" rlo0 echoes "$NS" UDP:127.0.0.1:7777
	number "times under pressure" "$(tcp_counter TCPMemoryPressures)" -gt 0
	cat "$TMP/tcp_mem" > "$TCP_MEM"
	# First, as without their device they could not take leave of each other.
	end_background
	check "its device goes" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
	ip netns del "$NS"
	WAIT_TIMEOUT=$((WAIT_TIMEOUT * 3)) namespaces_freed
}

run_tests "$@"
