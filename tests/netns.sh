#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Devices move between namespaces, and go with them; a namespace that had one
# is freed after use.
# Without it: namespaces that are never freed.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"move: between namespaces, down and up, with a new name"
	"initial: into the initial namespace and out of it"
	"traffic: moved under traffic"
	"backlog: what it has received before it moves is not received where it goes"
	"taken: a move to where the name is taken is refused, and changes nothing"
	"idle: freed after a device that never was up"
	"used: freed after a device that was up and went down"
	"up: freed with a device that is up"
	"gone: freed after the device was deleted"
	"passed: freed after a device moved in and out"
	"settled: freed with a device that was moved in"
	"left: freed after its device has left, and the device lives on"
	"lo_up: freed with lo up beside the device"
	"sockets: freed once the last socket is closed"
	"crowd: a hundred namespaces at once, all freed"
)

cleanup_hook()
{
	ip link del rlt0 2> /dev/null
	[ ! -e "$TMP/max_backlog" ] || sysctl -qw "net.core.netdev_max_backlog=$(cat "$TMP/max_backlog")"
}

move()
{
	setup_loopback A
	setup_ns B
	echo_server "$A" 7777
	echo_server "$B" 7777
	grown "$A" rlo0 ping_once "$A" 127.0.0.1
	check "moved while up" ip -n "$A" link set rlo0 netns "$B"
	equal "devices left" "" "$(rust_lo_links "$A")"
	equal "addresses left" "" "$(ip -n "$A" -o addr show)"
	equal "routes left" "" "$(ip -n "$A" route show table all; ip -n "$A" -6 route show table all)"
	refused "A has no loopback now" '.' ping_once "$A" 127.0.0.1
	matches "down after the move" '<LOOPBACK> mtu 65536 .*state DOWN' "$(ip -n "$B" -o link show rlo0)"
	ip -n "$B" link set rlo0 up
	grown "$B" rlo0 ping_once "$B" 127.0.0.1
	grown "$B" rlo0 ping_once "$B" ::1
	grown "$B" rlo0 echoes "$B" TCP:127.0.0.1:7777
	silent "$B" lo
	check "moved back with a new name" ip -n "$B" link set rlo0 netns "$A" name rlo7
	check "up" ip -n "$A" link set rlo7 up
	grown "$A" rlo7 ping_once "$A" 127.0.0.1
	grown "$A" rlo7 echoes "$A" "TCP:[::1]:7777"
	silent "$A" lo
	batch "$A" <<- EOF
		link set rlo7 down
		link set rlo7 netns $B
	EOF
	matches "moved while down" '^rlo7$' "$(rust_lo_links "$B")"
}

initial()
{
	setup_loopback NS
	check "into the initial namespace" ip -n "$NS" link set rlo0 netns 1 name rlt0
	ip link set rlt0 up
	ip addr add 127.66.0.1/16 dev rlt0
	grown "" rlt0 ping_once "" 127.66.0.1
	untouched "" rlt0 ping_once "" 127.0.0.1
	check "out of it" ip link set rlt0 netns "$NS"
	ip -n "$NS" link set rlt0 up
	grown "$NS" rlt0 ping_once "$NS" 127.0.0.1
	check "lo of the initial namespace" ping_once "" 127.0.0.1
	ip link add rlt0 type rust_lo
	ip link set rlt0 up
	check "made there, and out" ip link set rlt0 netns "$NS" name rlo1
	check "up" ip -n "$NS" link set rlo1 up
}

traffic()
{
	local i

	setup_loopback A
	setup_ns B
	background in_ns "$A" ping -f -q 127.0.0.1
	background in_ns "$B" ping -f -q 127.0.0.1
	background in_ns "$A" ping -f -q ::1
	for ((i = 0; i < 10; i++)); do
		batch "$A" <<- EOF
			link set rlo0 up
			link set rlo0 netns $B
		EOF
		batch "$B" <<- EOF
			link set rlo0 up
			link set rlo0 netns $A
		EOF
	done
	ip -n "$A" link set rlo0 up
	grown "$A" rlo0 ping_once "$A" 127.0.0.1
}

# in_backlog CPU: how many packets wait for this processor.
in_backlog()
{
	awk -v cpu="$1" '
		BEGIN { for (i = 0; i < 16; i++) digit[sprintf("%x", i)] = i }
		# Strings of eight digits; the thirteenth is the processor, the twelfth how many wait.
		$13 == sprintf("%08x", cpu) {
			for (i = 1; i <= 8; i++) n = n * 16 + digit[substr($12, i, 1)]
			print n
		}' /proc/net/softnet_stat
}

# filled N: with that many, or more.
filled()
{
	[ "$(in_backlog 1)" -ge "$1" ]
}

drained()
{
	[ "$(in_backlog 1)" = 0 ]
}

# One processor sends, and another one, to which RPS gives what is received, is slow. The grace
# periods of a move take care of some hundred packets.
backlog()
{
	local i

	need nft python3 taskset
	[ "$(nproc)" -gt 1 ] || skip "there is one processor"
	setup_loopback A
	setup_ns B
	ip netns exec "$A" sh -c 'echo 2 > /sys/class/net/rlo0/queues/rx-0/rps_cpus' 2> /dev/null || skip "no RPS"
	{
		printf 'table ip slow {\nchain p {\ntype filter hook prerouting priority raw\n'
		for ((i = 0; i < 500; i++)); do echo "udp dport $((20000 + i)) drop"; done
		printf '}\n}\n'
	} | in_ns "$A" nft -f -
	in_ns "$B" nft -f - <<- EOF
		table ip counted {
			counter c { }
			chain p {
				type filter hook prerouting priority raw
				iifname rlo0 counter name c
			}
		}
	EOF
	sysctl -n net.core.netdev_max_backlog > "$TMP/max_backlog"
	sysctl -qw net.core.netdev_max_backlog=12000
	background in_ns "$A" taskset -c 0 python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", 9))
while True:
    try:
        s.send(b"x")
    except ConnectionRefusedError:
        pass'
	check "a backlog" wait_for filled 10000
	ip -n "$A" link set rlo0 netns "$B"
	end_background
	wait_for drained
	equal "packets received where it has come" "packets 0 bytes 0" \
		"$(in_ns "$B" nft list counters | sed -n 's/^[[:space:]]*\(packets.*\)/\1/p')"
}

taken()
{
	setup_loopback A B
	refused "the name is taken" 'same name exists|File exists' ip -n "$A" link set rlo0 netns "$B"
	grown "$A" rlo0 ping_once "$A" 127.0.0.1
	grown "$B" rlo0 ping_once "$B" 127.0.0.1
}

# free_after COMMANDS: namespaces NS, with a device rlo0 that is down, and
# OTHER, in which the ip commands of stdin have been done, are freed.
free_after()
{
	local commands line

	commands=$(cat)
	remember_namespaces
	setup_ns NS OTHER
	ip -n "$NS" link add rlo0 type rust_lo
	while read -r line; do
		line=${line//OTHER/$OTHER}
		# shellcheck disable=SC2086
		ip -n ${line//NS/$NS}
	done <<< "$commands"
	if [ "${1:-}" = traffic ]; then
		grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
		grown "$NS" rlo0 ping_once "$NS" ::1
	fi
	ip netns del "$NS"
	ip netns del "$OTHER"
	namespaces_freed
}

idle()
{
	free_after <<< "NS link set rlo0 mtu 1500"
}

used()
{
	free_after <<- EOF
		NS link set rlo0 up
		NS link set rlo0 down
	EOF
}

up()
{
	free_after traffic <<- EOF
		NS link set rlo0 up
		NS addr add fd00::1 dev rlo0
		NS addr add 10.9.0.1/24 dev rlo0
	EOF
}

gone()
{
	free_after <<- EOF
		NS link set rlo0 up
		NS link del rlo0
		NS link add rlo0 type rust_lo
		NS link del rlo0
	EOF
}

passed()
{
	free_after <<- EOF
		OTHER link add rlo1 type rust_lo
		OTHER link set rlo1 up
		OTHER link set rlo1 netns NS
		NS link set rlo1 up
		NS link set rlo1 netns OTHER
		NS link set rlo0 netns OTHER
		OTHER link set rlo0 up
		OTHER link set rlo0 netns NS
		NS link set rlo0 netns OTHER
	EOF
}

settled()
{
	free_after traffic <<- EOF
		NS link set rlo0 up
		NS link set rlo0 netns OTHER
		OTHER link set rlo0 up
		OTHER link set rlo0 netns NS
		NS link set rlo0 up
	EOF
}

left()
{
	setup_ns HOME
	free_after <<- EOF
		NS link set rlo0 up
		NS link set rlo0 netns $HOME
	EOF
	ip -n "$HOME" link set rlo0 up
	grown "$HOME" rlo0 ping_once "$HOME" 127.0.0.1
}

lo_up()
{
	free_after traffic <<- EOF
		NS link set rlo0 up
		NS link set lo up
		NS link add rlo1 type rust_lo
		NS link set rlo1 up
	EOF
}

sockets()
{
	remember_namespaces
	setup_loopback NS
	echo_server "$NS" 7777
	open_connection one "$NS" TCP:127.0.0.1:7777
	open_connection two "$NS" "TCP:[::1]:7777"
	ip netns del "$NS"
	check "the connection lives" still_open one
	check "the connection lives" still_open two
	end_background
	namespaces_freed
}

crowd()
{
	local i j

	remember_namespaces
	setup_ns NS
	for ((i = 0; i < CROWD; i++)); do
		echo "netns add $NS-$i"
		echo "link add rlo$i netns $NS-$i up type rust_lo"
	done > "$TMP/make"
	for ((j = 0; j < 2; j++)); do
		for ((i = j; i < CROWD; i += 2)); do
			# Of every four one is empty, one has a device up, one down, and
			# one that came from elsewhere.
			case $((i % 4)) in
			0) echo "-n $NS-$i link del rlo$i" ;;
			2) echo "-n $NS-$i link set rlo$i down" ;;
			3) echo "-n $NS-$i link set rlo$i netns $NS-$((i - 3))" ;;
			esac
		done | sed -n 's/^-n \([^ ]*\) \(.*\)/ip -n \1 \2/p' > "$TMP/change$j"
	done
	for ((i = 0; i < CROWD; i++)); do
		echo "$NS-$i" >> "$TMP/namespaces"
		echo "netns del $NS-$i"
	done > "$TMP/remove"
	echo "netns del $NS" >> "$TMP/remove"
	check "made" ip -batch "$TMP/make"
	bash -e "$TMP/change0" &
	bash -e "$TMP/change1"
	wait "$!"
	check "removed" ip -batch "$TMP/remove"
	WAIT_TIMEOUT=$((WAIT_TIMEOUT * 3))
	namespaces_freed "$CROWD namespaces"
}

run_tests "$@"
