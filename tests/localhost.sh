#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rust-lo run: a localhost of its own for a command.
# Without it: `rust-lo run` that leaves namespaces behind, or loses a signal or
# an exit status.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"device: localhost is a rust_lo device there, with lo up, and /sys shows it"
	"at_once: several at once have the same ports and addresses, each its own"
	"shaped: delay, loss, rate and MTU are those that were asked for"
	"status: the exit status is the command's, or says why there is none"
	"signals: signals are the command's, and nothing stays, whatever ends it"
	"left_behind: what the command leaves keeps the namespace, or ends with a namespace of processes"
	"user: a user without capabilities has the same, and stays who he is"
	"no_localhost: without the module, or namespaces, there is one line that says so"
)

# its DEVICE: packets that it has received, in the namespace of the caller.
# shellcheck disable=SC2016 # for the shell that is run
ITS='its() { cat "/sys/class/net/$1/statistics/rx_packets"; }'

# A server in one line: it says on which address and port it was asked, and a name.
server()
{
	echo "socat TCP-LISTEN:$1,bind=$2,reuseaddr,fork SYSTEM:'echo $3' &"
}

setup()
{
	need_program rust-lo
	RUST_LO=$PROGRAM
	# An ordinary user starts it as well.
	chmod 755 "$TMP"
}

device()
{
	local out names

	setup
	names=$(ip -o link show | wc -l)
	out=$("$RUST_LO" run sh -c "$ITS; ip -brief link; ip route show table local; ls /sys/class/net
		ping -q -c 1 -W 5 127.0.0.1; ping -q -c 1 -W 5 ::1; ping -q -c 1 -W 5 127.200.3.4
		echo packets \$(its rust_lo0) \$(its lo); ls -d /sys/fs/cgroup/cgroup.procs")
	matches "the device" '^rust_lo0 +UNKNOWN +00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>' "$out"
	matches "lo is up" '^lo +UNKNOWN +00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>' "$out"
	matches "preferred" '^local 127\.0\.0\.0/8 dev rust_lo0 .*proto 127' "$out"
	equal "packets by it and by lo" "packets 6 0" "$(grep '^packets' <<< "$out")"
	equal "devices in /sys" "lo rust_lo0" "$(grep -x -e 'lo' -e 'rust_lo0' -e 'eth.*' <<< "$out" | xargs)"
	[ ! -e /sys/fs/cgroup/cgroup.procs ] || matches "control groups" '^/sys/fs/cgroup/cgroup.procs$' "$out"
	equal "devices here" "$names" "$(ip -o link show | wc -l)"
	check "the /sys here is as before" test -e /sys/module/rust_lo
}

at_once()
{
	local n

	setup
	for n in 1 2 3; do
		background "$RUST_LO" run bash -c "$(server 80 127.0.0.1 "four $n") $(server 80 '[::1]' "six $n" |
			sed 's/TCP-/TCP6-/') echo \$\$ > $TMP/pid-$n; wait"
	done
	for n in 1 2 3; do
		check "its process" wait_for test -s "$TMP/pid-$n"
		check "both listen" wait_for both_listen "$(cat "$TMP/pid-$n")"
		equal "IPv4" "four $n" "$(nsenter -t "$(cat "$TMP/pid-$n")" -n socat -u TCP:127.0.0.1:80 -)"
		equal "IPv6" "six $n" "$(nsenter -t "$(cat "$TMP/pid-$n")" -n socat -u 'TCP:[::1]:80' -)"
		matches "the device, by a process" '^127\.0\.0\.1 dev rust_lo0 ' "$("$RUST_LO" -n "$(cat "$TMP/pid-$n")" status)"
	done
}

both_listen()
{
	[ "$(nsenter -t "$1" -n ss -Hltn 'sport = :80' | wc -l)" = 2 ]
}

shaped()
{
	local out times

	setup
	out=$("$RUST_LO" run --delay 50ms --loss 0.1% --rate 20mbit --mtu 1500 sh -c '
		tc qdisc show dev rust_lo0; ip -d link show rust_lo0; ip -d link show lo; ping -q -c 3 -i 0.2 127.0.0.1')
	matches "netem" 'qdisc netem .* limit 1488 delay 50ms loss 0\.1% rate 20Mbit' "$out"
	equal "MTU and GSO of both" "2 mtu 1500, 2 gso_max_segs 1" \
		"$(grep -c 'mtu 1500 ' <<< "$out") mtu 1500, $(grep -c 'gso_max_segs 1 ' <<< "$out") gso_max_segs 1"
	times=$(sed -n 's/^rtt .* = \([0-9]*\)\..*/\1/p' <<< "$out")
	number "ms there and back" "${times:-0}" -ge 100

	out=$("$RUST_LO" run --loss 100% ping -q -c 2 -i 0.2 -W 1 127.0.0.1) || true
	matches "all is lost" ' 100% packet loss' "$out"

	out=$("$RUST_LO" run --mtu 1500 bash -c "socat -u TCP-LISTEN:7777,reuseaddr OPEN:/dev/null & sleep 1
		tcpdump -n -i rust_lo0 -Q in -w $TMP/pcap 'tcp port 7777' 2> /dev/null & sleep 2
		head -c 1000000 /dev/zero | socat -u - TCP:127.0.0.1:7777; sleep 1; kill %2; wait %2
		cat /sys/class/net/lo/statistics/rx_packets")
	equal "packets by lo" 0 "$out"
	equal "the longest packet with its header" 1514 \
		"$(tcpdump -n -e -r "$TMP/pcap" 2> /dev/null | sed -n 's/.*, length \([0-9]*\): .*/\1/p' | sort -n | tail -n 1)"

	# 100,000 bytes at 800 kbit/s.
	times=$(date +%s%N)
	check "bytes at a rate" "$RUST_LO" run --rate 800kbit bash -c 'socat -u TCP-LISTEN:7777 OPEN:/dev/null & sleep 0.5
		head -c 100000 /dev/zero | socat -u - TCP:127.0.0.1:7777,retry=50,interval=0.1; wait'
	number "ms for them" $((($(date +%s%N) - times) / 1000000)) -ge 1000
	refused "a delay without a unit" "s, ms, us or ns is wanted" "$RUST_LO" run --delay 20 true
	refused "a loss without %" "0% to 100% is wanted" "$RUST_LO" run --loss 20 true
	refused "an MTU that is none" "67 is not in 68..=65536" "$RUST_LO" run --mtu 67 true
	check "without IPv6" "$RUST_LO" run --mtu 1000 ping -q -c 1 -W 5 127.0.0.1
}

# ends STATUS COMMAND...: rust-lo run ends with this status.
ends()
{
	local wanted=$1 rc=0
	shift

	"$RUST_LO" run "$@" > "$TMP/out" 2> "$TMP/err" || rc=$?
	equal "exit status of $*" "$wanted" "$rc"
}

status()
{
	setup
	ends 0 true
	ends 1 false
	ends 42 -- sh -c 'exit 42'
	ends 255 sh -c 'exit 255'
	ends 143 sh -c 'kill -TERM $$'
	ends 137 sh -c 'kill -KILL $$'
	ends 127 no-such-command
	matches "it says so" '^rust-lo: no-such-command: No such file' "$(cat "$TMP/err")"
	ends 126 /dev/null
	matches "it says so" '^rust-lo: /dev/null: Permission denied' "$(cat "$TMP/err")"
	ends 2
	ends 2 --delay
	ends 2 -n 1 true
	matches "it says so" 'netns is not for run' "$(cat "$TMP/err")"
	ends 0 printf '%s|' -j --delay '' 'a b'
	equal "arguments" "-j|--delay||a b|" "$(cat "$TMP/out")"
	equal "input" "some input" "$(echo "some input" | "$RUST_LO" run cat)"
	# Of head nobody reads on.
	# shellcheck disable=SC2016 # for the shell that is run
	ends 141 bash -c 'yes | head -n 1 > /dev/null; exit "${PIPESTATUS[0]}"'
}

signals()
{
	local n pid

	setup
	remember_namespaces
	ls /run/netns > "$TMP/before"
	# shellcheck disable=SC2016 # for the shell it starts
	"$RUST_LO" run bash -c 'for s in HUP USR1 TERM; do trap "echo $s >> '"$TMP"'/got" "$s"; done
		trap "exit 7" USR2; echo ready >> '"$TMP"'/got; while :; do sleep 0.1; done' &
	pid=$!
	wait_for grep -q ready "$TMP/got" || fail "it begins"
	for n in HUP USR1 TERM; do
		kill "-$n" "$pid"
		check "it gets $n" wait_for grep -q "^$n$" "$TMP/got"
	done
	kill -USR2 "$pid"
	n=0
	wait "$pid" || n=$?
	equal "its status" 7 "$n"

	"$RUST_LO" run --delay 100ms bash -c "ping -c 3 -W 1 127.0.0.1 > /dev/null; echo ready > $TMP/ready; exec sleep 1000" &
	pid=$!
	wait_for grep -q ready "$TMP/ready" || fail "it begins"
	equal "the process is the command" sleep "$(cat "/proc/$pid/comm")"
	kill -KILL "$pid"
	n=0
	wait "$pid" || n=$?
	equal "its status" 137 "$n"
	# In the middle of making it.
	for n in 1 2 3 4 5 6 7 8 9; do
		timeout -s KILL "0.0$n" "$RUST_LO" run --delay 1ms true || true
	done
	namespaces_freed "their namespaces"
	equal "names in /run/netns" "$(cat "$TMP/before")" "$(ls /run/netns)"
}

left_behind()
{
	local pid

	setup
	"$RUST_LO" run sh -c "sleep 1000 & echo \$! > $TMP/pid"
	pid=$(cat "$TMP/pid")
	matches "what was left has its localhost" '^127\.0\.0\.1 dev rust_lo0 ' "$("$RUST_LO" -n "$pid" status)"
	kill "$pid"
	unshare --pid --fork --kill-child --mount-proc "$RUST_LO" run sh -c \
		"sleep 1234 & ping -q -c 1 127.0.0.1; ls -d /proc/[0-9]* | wc -l" > "$TMP/out"
	matches "it works" ' 0% packet loss' "$(cat "$TMP/out")"
	number "processes to be seen" "$(tail -n 1 "$TMP/out")" -le 5
	check "nothing is left" bash -c '! pgrep -f "^sleep 1234$"'
}

# as_user COMMAND...: by nobody, without capabilities.
as_user()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all "$@"
}

user()
{
	local out

	setup
	need setpriv
	modprobe sch_netem
	cp "$RUST_LO" "$TMP/rust-lo"
	out=$(as_user "$TMP/rust-lo" run --delay 1ms --mtu 9000 sh -c "$ITS; id -u; id -g; grep CapEff /proc/self/status
		echo hello | socat - TCP:127.0.0.1:7777 2>&1; echo packets \$(its rust_lo0) \$(its lo)
		ip -o link show rust_lo0; ls /sys/class/net | xargs" 2>&1)
	equal "who it is" "65534 65534" "$(head -n 2 <<< "$out" | xargs)"
	matches "no capabilities" 'CapEff:	0000000000000000' "$out"
	matches "refused by the stack itself" 'Connection refused' "$out"
	equal "packets by it and by lo" "packets 2 0" "$(grep '^packets' <<< "$out")"
	matches "MTU" 'mtu 9000 qdisc netem' "$out"
	equal "its /sys" "lo rust_lo0" "$(tail -n 1 <<< "$out")"
	out=$(as_user unshare --map-root-user "$TMP/rust-lo" run sh -c \
		'id -u; ip address add 127.9.9.9/32 dev rust_lo0 && ping -q -c 1 127.9.9.9' 2>&1)
	equal "as root there" 0 "$(head -n 1 <<< "$out")"
	matches "which may do anything there" ' 0% packet loss' "$out"
}

refused_with()
{
	local what=$1 text=$2 rc=0 out
	shift 2

	out=$("$@" 2>&1) || rc=$?
	equal "$what: exit status" 125 "$rc"
	equal "$what: what it says" "$text" "$out"
}

no_localhost()
{
	setup
	cp "$RUST_LO" "$TMP/rust-lo"
	unload
	if ! modinfo rust_lo > /dev/null 2>&1; then
		refused_with "no module" \
			"rust-lo: rust_lo0: the kernel has no devices of that kind: modprobe rust_lo, or insmod rust_lo.ko" \
			"$RUST_LO" run true
	fi
	load
	echo 0 > /proc/sys/user/max_user_namespaces
	refused_with "no namespaces for users" \
		"rust-lo: a new namespace: no more of them are allowed (user.max_user_namespaces, max_net_namespaces)" \
		as_user "$TMP/rust-lo" run true
}

cleanup_hook()
{
	echo "${MAX_USER_NAMESPACES:-10000}" > /proc/sys/user/max_user_namespaces
}
MAX_USER_NAMESPACES=$(cat /proc/sys/user/max_user_namespaces)

run_tests "$@"
