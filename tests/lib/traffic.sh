# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Programs in the background, servers, connections and captures.

ping_once()
{
	in_ns "$1" ping -n -q -c 1 -W 2 "${@:2}"
}

# listening NS -t|-u PORT: a socket of TCP or UDP. As ss says it, which is slow to start.
listening()
{
	local port protocol=tcp state=0A

	[ "$2" = -t ] || { protocol=udp state=07; }
	printf -v port '%04X' "$3"
	in_ns "$1" grep -Eqs ":$port [0-9A-F]+:0000 $state " "/proc/net/$protocol" "/proc/net/${protocol}6"
}

# background COMMAND...: started, its output in $TMP/log, its id in $!; it is
# killed at the end of the test point.
background()
{
	"$@" >> "$TMP/log" 2>&1 < /dev/null &
	echo "$!" >> "$TMP/pids"
}

# end_background: that, and what it has started.
end_background()
{
	local pid

	[ -s "$TMP/pids" ] || return 0
	while read -r pid; do
		pkill -P "$pid" || true
		kill "$pid" || true
	done < "$TMP/pids" 2> /dev/null
	# shellcheck disable=SC2046
	wait $(cat "$TMP/pids") 2> /dev/null || true
	: > "$TMP/pids"
}

# A server that sends back what it gets, for TCP and UDP, IPv4 and IPv6.
echo_server()
{
	local ns=$1 port=$2

	background in_ns "$ns" socat "TCP6-LISTEN:$port,ipv6only=0,reuseaddr,fork" PIPE
	# Not UDP6-RECVFROM, which in socat 1.8.1 answers but one datagram.
	background in_ns "$ns" socat -T 5 "UDP6-LISTEN:$port,ipv6only=0,reuseaddr,fork" PIPE
	wait_for listening "$ns" -t "$port" && wait_for listening "$ns" -u "$port"
}

# echoes NS ADDRESS: the echo server answers there, ADDRESS as in
# TCP:127.0.0.1:7777 or UDP:[::1]:7777.
echoes()
{
	local text="hello $RANDOM"

	[ "$(echo "$text" | in_ns "$1" timeout 10 socat -t 3 -T 5 - "$2")" = "$text" ]
}

# open_connection NAME NS ADDRESS: a TCP connection to the echo server that
# stays open; still_open uses it.
open_connection()
{
	local fifo=$TMP/connection-$1 fd

	mkfifo "$fifo-in"
	# Opened for reading as well, so that this does not wait for socat.
	exec {fd}<> "$fifo-in"
	in_ns "$2" socat "$3" - < "$fifo-in" > "$fifo-out" 2>> "$TMP/log" &
	echo "$!" | tee "$fifo-pid" >> "$TMP/pids"
	CONNECTIONS[$1]=$fd
	still_open "$1"
}

# still_open NAME: what goes into the connection comes back.
still_open()
{
	local text="still $RANDOM $RANDOM"

	echo "$text" >& "${CONNECTIONS[$1]}"
	wait_for grep -q "^$text\$" "$TMP/connection-$1-out"
}

declare -A CONNECTIONS=()

# start_capture NS FILE ARGUMENT...: tcpdump's output goes to FILE, until
# stop_capture.
start_capture()
{
	local ns=$1 file=$2
	shift 2

	need tcpdump
	in_ns "$ns" tcpdump -n -l --immediate-mode "$@" > "$file" 2> "$file.err" < /dev/null &
	capture=$!
	echo "$capture" >> "$TMP/pids"
	wait_for grep -q 'listening on' "$file.err"
}

stop_capture()
{
	sleep 0.3
	# The child of in_ns.
	pkill -P "$capture" || true
	wait "$capture" || true
}
