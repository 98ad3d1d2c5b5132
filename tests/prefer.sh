#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rust-lo prefer, unprefer and status. Run as root with tools/rust-lo built.
# Everything happens in network namespaces of its own. Prints KTAP.
# Without it: a host whose localhost is cut off by the tool that was to move it.
#
# RUST_LO_KO	the module to load if it is not loaded
# RUST_LO	the tool, tools/rust-lo of this checkout by default
# TURNS		how often to prefer and unprefer, 20 by default, 5 on a slow machine
# KILLS		how often to interrupt it, 40 by default, 12 on a slow machine

set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
module=${RUST_LO_KO:-$here/build/$(uname -r)/rust_lo.ko}
tool=${RUST_LO:-$here/tools/rust-lo}
# Copied into a kernel tree.
[[ -x $tool ]] || tool=$(dirname "$0")/bin/rust-lo
# netdev's CI sets KSFT_MACHINE_SLOW on debug kernels.
[[ -z ${KSFT_MACHINE_SLOW:-} ]] || : "${TURNS:=5}" "${KILLS:=12}"
turns=${TURNS:-20}
kills=${KILLS:-40}
ns=rust-lo-prefer-$$
ns2=$ns-2
dir=$(mktemp -d)
dev=rust_lo0
other=rust_lo1
bound=()
number=0
failed=0

cleanup() {
	# A signal may come to what was just forked, before it has become another program: it would
	# run this as well.
	[[ $BASHPID == "$$" ]] || return 0
	# shellcheck disable=SC2086 # none or one
	kill ${helper:-} "${bound[@]}" 2>/dev/null
	ip netns del "$ns" 2>/dev/null
	ip netns del "$ns2" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

skip() {
	echo "KTAP version 1"
	echo "1..0 # SKIP $*"
	exit 4
}

# ok RESULT NAME: one line of the result
ok() {
	number=$((number + 1))
	if (($1 == 0)); then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=$((failed + 1))
	fi
}

say() { printf '# %s\n' "${*//$'\n'/$'\n'# }"; }

# same NAME A B: both texts are equal
same() {
	if [[ $2 == "$3" ]]; then
		ok 0 "$1"
	else
		diff <(echo "$2") <(echo "$3") | sed 's/^/# /'
		ok 1 "$1"
	fi
}

in_ns() { ip netns exec "$ns" "$@"; }
rlo() { "$tool" -n "$ns" "$@"; }

# tables [NAMESPACE]: all that has to be as before
tables() {
	local n=${1:-$ns}
	printf 'route show table all\naddr show\n' | ip -n "$n" -d -batch -
	ip -n "$n" -6 -d route show table all
}

# packets DEVICE: how many it has received
packets() { in_ns cat "/sys/class/net/$1/statistics/rx_packets"; }

# fails NAME STATUS PATTERN COMMAND...: it fails so, with one line on stderr
fails() {
	local name=$1 status=$2 pattern=$3 got text
	shift 3
	text=$("$@" 2>&1 >/dev/null)
	got=$?
	# shellcheck disable=SC2053 # a pattern is meant
	if ((got == status)) && [[ $text == $pattern ]]; then
		ok 0 "$name"
	else
		say "exit status $got: $text"
		ok 1 "$name"
	fi
}

# A helper in the namespace: two TCP connections that stay open, and new ones on demand.
cat >"$dir/helper.py" <<'EOF'
import socket, sys, threading

V4, V6 = socket.AF_INET, socket.AF_INET6

def serve(listener):
    def echo(conn):
        while data := conn.recv(65536):
            conn.sendall(data)
        conn.close()
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

def listen(family, address):
    s = socket.socket(family)
    s.bind((address, 0))
    s.listen()
    threading.Thread(target=serve, args=(s,), daemon=True).start()
    return s.getsockname()[1]

def connect(family, address, port):
    s = socket.socket(family)
    s.settimeout(10)
    s.connect((address, port))
    return s

def exchange(s, size=3000):
    data = bytes(i % 251 for i in range(size))
    s.sendall(data)
    got = b""
    while len(got) < size:
        part = s.recv(65536)
        if not part:
            raise OSError("closed")
        got += part
    if got != data:
        raise OSError("wrong data")

def udp(family, address):
    server, client = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
    server.settimeout(10)
    server.bind((address, 0))
    client.connect(server.getsockname()[:2])
    client.send(b"x")
    if server.recv(10) != b"x":
        raise OSError("wrong datagram")

ports = {V4: listen(V4, "127.0.0.1"), V6: listen(V6, "::1")}
old = [connect(V4, "127.0.0.1", ports[V4]), connect(V6, "::1", ports[V6])]
print("ready", flush=True)
for line in sys.stdin:
    try:
        if line.strip() == "old":
            for s in old:
                exchange(s)
        else:
            exchange(connect(V4, "127.0.0.1", ports[V4]))
            exchange(connect(V6, "::1", ports[V6]))
            exchange(connect(V4, "127.9.9.9", listen(V4, "127.9.9.9")))
            exchange(connect(V6, "::1", listen(V6, "::1")))
            udp(V4, "127.0.0.1")
            udp(V6, "::1")
        print("ok", flush=True)
    except Exception as e:
        print("failed:", line.strip(), repr(e), flush=True)
EOF

# Sockets that are bound to lo, each given as PROTOCOL/ADDRESS/PORT. They send back what they get, and the address it
# came from.
cat >"$dir/bound.py" <<'EOF'
import socket, sys, threading

def answer(data, peer):
    return data + b" " + peer[0].removeprefix("::ffff:").encode()

def tcp(s):
    s.listen()
    while True:
        conn, peer = s.accept()
        conn.sendall(answer(conn.recv(100), peer))
        conn.close()

def udp(s):
    while True:
        data, peer = s.recvfrom(100)
        s.sendto(answer(data, peer), peer)

def raw(s):
    while True:
        data, peer = s.recvfrom(100)
        s.sendto(answer(data[20:], peer), peer)

KINDS = {"tcp": (tcp, socket.SOCK_STREAM), "udp": (udp, socket.SOCK_DGRAM), "raw": (raw, socket.SOCK_RAW)}

for spec in sys.argv[1:]:
    protocol, address, port = spec.split("/")
    serve, kind = KINDS[protocol]
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind, int(port) if protocol == "raw" else 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    s.bind((address, int(port)))
    threading.Thread(target=serve, args=(s,)).start()
print("ready", flush=True)
EOF

# Their client: prints the address that it had for each of them, or none.
cat >"$dir/client.py" <<'EOF'
import socket, sys

for spec in sys.argv[2:]:
    protocol, address, port = spec.replace("::ffff:", "").split("/")
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "raw": socket.SOCK_RAW}[protocol]
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind, int(port) if protocol == "raw" else 0)
    s.settimeout(int(sys.argv[1]))
    try:
        s.connect((address, int(port)))
        s.send(b"hello")
        data = s.recv(100)[20 if protocol == "raw" else 0:].decode().split()
        print(spec, data[1] if data[0] == "hello" else data)
    except OSError:
        print(spec, "none")
EOF

# ask WHAT: the helper's answer is ok
ask() {
	local answer
	echo "$1" >&"$to"
	read -r -t 60 answer <&"$from" || answer="no answer"
	[[ $answer == ok ]] || { say "$1: $answer"; return 1; }
}

((EUID == 0)) || skip "not root"
if [[ ! -d /sys/module/rust_lo ]]; then
	[[ -e $module ]] || skip "no rust_lo, neither loaded nor in $module"
	insmod "$module" || { echo "Bail out! $module cannot be loaded"; exit 1; }
fi
[[ -x $tool ]] || skip "$tool is not built"
command -v python3 >/dev/null || skip "no python3"

echo "KTAP version 1"
echo "1..87"

ip netns add "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" link add "$dev" type rust_lo
ip -n "$ns" link set "$dev" up
sleep 0.2
before=$(tables)

# --- one device -------------------------------------------------------------------------------------------------

want="127.0.0.0/8 dev lo order lo $dev
127.0.0.1 dev lo order lo $dev
::1 dev lo order lo $dev"
same "status: lo carries localhost at first" "$want" "$(rlo status)"
same "unprefer does nothing before prefer" "$dev: not preferred" "$(rlo unprefer "$dev")"
same "... and changes nothing" "$before" "$(tables)"

coproc HELPER { exec ip netns exec "$ns" python3 "$dir/helper.py"; }
# Duplicates of our own: bash forgets a coprocess among many other children, and
# closes what it knows of it.
helper=$HELPER_PID
exec {from}<&"${HELPER[0]}" {to}>&"${HELPER[1]}"
read -r -t 60 _ <&"$from"
ask old && ask new
ok $? "localhost works before"

lo0=$(packets lo)
same "prefer says what it did" "$dev: preferred" "$(rlo prefer "$dev")"
lo1=$(packets lo) dev1=$(packets "$dev")
want="127.0.0.0/8 dev $dev order $dev lo preferred $dev
127.0.0.1 dev $dev order $dev lo preferred $dev
::1 dev $dev order $dev lo preferred $dev"
same "status: $dev carries localhost" "$want" "$(rlo status)"
for address in 127.0.0.1 127.9.9.9 ::1; do
	at=$(packets "$dev")
	in_ns ping -q -c2 -i0.2 -W5 "$address" >/dev/null && (($(packets "$dev") - at == 4))
	ok $? "ping $address goes through $dev"
done
ask old
ok $? "connections opened before carry on"
ask new
ok $? "servers bound to 127.0.0.1 and [::1], old and new ones, answer"
say "lo: $lo0 packets before, $lo1 after prefer, $(packets lo) now; $dev: $dev1, $(packets "$dev") now"
(($(packets lo) == lo1))
ok $? "lo carried none of that"
in_ns ip route get 127.255.255.255 | grep -q "dev $dev "
ok $? "the broadcast address leads there too"

preferred=$(tables)
same "prefer again says so" "$dev: already preferred" "$(rlo prefer "$dev")"
same "... and changes nothing" "$preferred" "$(tables)"
same "unprefer says what it did" "$dev: no longer preferred" "$(rlo unprefer "$dev")"
same "all tables and addresses are as before" "$before" "$(tables)"
at=$(packets "$dev")
ask old && ask new && (($(packets "$dev") == at))
ok $? "localhost works, through lo"

wrong=0
for ((i = 0; i < turns; i++)); do
	rlo prefer "$dev" >/dev/null && ask old && ask new || wrong=1
	[[ $(tables) == "$preferred" ]] || { say "turn $i: not as after the first prefer"; wrong=1; }
	rlo unprefer "$dev" >/dev/null && ask old || wrong=1
	[[ $(tables) == "$before" ]] || { say "turn $i: not as before"; wrong=1; }
done
ok $wrong "$turns times the same, open connections carry on"

for family in -4 -6; do
	rlo $family prefer "$dev" >/dev/null
	carried=$(rlo status | awk -v d="$dev" '$3 == d { printf "%s ", $1 }')
	[[ $family == -4 ]] && want="127.0.0.0/8 127.0.0.1 " || want="::1 "
	same "prefer $family is about that family alone" "$want" "$carried"
	rlo unprefer "$dev" >/dev/null
done
same "... and undone exactly" "$before" "$(tables)"

# --- interrupted ------------------------------------------------------------------------------------------------

# torn SIGNAL COMMAND: start it, end it at some moment
torn() {
	local pid k
	# Background jobs of a script ignore SIGINT otherwise.
	env --default-signal=INT "$tool" -n "$ns" "$2" "$dev" >/dev/null 2>&1 &
	pid=$!
	for ((k = RANDOM % moments; k > 0; k--)); do :; done
	kill "-$1" $pid 2>/dev/null
	wait $pid 2>/dev/null
	# Moments move to where about half of the runs are still ended.
	if (($? > 128)); then
		hit=$((hit + 1))
		moments=$((moments + moments / 3 + 1))
	else
		moments=$((moments - moments / 4 + 1))
	fi
}

# The time that two runs take here, in turns of the loop above.
moments=1000
t0=${EPOCHREALTIME/[.,]/}
for ((k = 0; k < moments; k++)); do :; done
t1=${EPOCHREALTIME/[.,]/}
env --default-signal=INT "$tool" -n "$ns" prefer "$dev" >/dev/null
rlo unprefer "$dev" >/dev/null
t2=${EPOCHREALTIME/[.,]/}
moments=$((moments * (t2 - t1) / (t1 - t0 + 1) + 1))

for signal in KILL INT; do
	wrong=0 hit=0
	for ((i = 0; i < kills; i++)); do
		command=prefer
		((i % 2)) && command=unprefer
		torn $signal $command
		if ! ask old || ! ask new; then
			say "localhost is gone after $command"
			wrong=1
		fi
		[[ $(tables) == "$before" || $(tables) == "$preferred" ]] || { say "half done: $(tables)"; wrong=1; }
		case $((i % 4)) in
		0) rlo unprefer "$dev" >/dev/null && [[ $(tables) == "$before" ]] || wrong=1 ;;
		2) rlo prefer "$dev" >/dev/null && [[ $(tables) == "$preferred" ]] || wrong=1 ;;
		esac
	done
	rlo unprefer "$dev" >/dev/null
	say "$hit of $kills ended by SIG$signal"
	ok $wrong "SIG$signal at $kills moments: nothing half done, localhost answers, the next run is exact"
	same "... and undone exactly" "$before" "$(tables)"
done

# Halves that no run leaves, made by hand.
rlo prefer "$dev" >/dev/null
ip -n "$ns" route del local 127.0.0.1 dev "$dev" proto 127 table local
rlo prefer "$dev" >/dev/null
same "prefer adds a route that is missing" "$preferred" "$(tables)"
ip -n "$ns" route del local 127.0.0.0/8 dev "$dev" proto 127 table local
ip -n "$ns" addr del ::1/128 dev "$dev"
ip -n "$ns" addr add ::1/128 dev "$dev" proto kernel_lo
ip -n "$ns" -6 route del ::1/128 dev "$dev" table main
sleep 0.2
rlo unprefer "$dev" >/dev/null
same "unprefer copes with what is missing" "$before" "$(tables)"

# --- two devices ------------------------------------------------------------------------------------------------

ip -n "$ns" link add "$other" type rust_lo
ip -n "$ns" link set "$other" up
sleep 0.2
both=$(tables)
rlo prefer "$dev" >/dev/null
first=$(tables)
rlo prefer "$other" >/dev/null
same "the last one preferred is first" "$other $dev lo" "$(rlo -6 status | sed 's/.*order \(.*\) preferred.*/\1/')"
ask old && ask new
ok $? "localhost works through it"
rlo unprefer "$other" >/dev/null
same "unprefer of the second gives back what was before" "$first" "$(tables)"
rlo prefer "$other" >/dev/null
rlo unprefer "$dev" >/dev/null
same "unprefer of the first leaves the second first" "$other lo $dev" \
	"$(rlo -6 status | sed 's/.*order \(.*\) preferred.*/\1/')"
rlo unprefer "$other" >/dev/null
same "... and then of the second: as before" "$both" "$(tables)"

wrong=0
for ((i = 0; i < 10; i++)); do
	rlo prefer "$dev" >/dev/null &
	one=$!
	rlo prefer "$other" >/dev/null &
	wait $! && wait $one || wrong=1
	[[ $(rlo -j status) == *'"preferred":["rust_lo'?'","rust_lo'?'"]'* ]] || { say "$(rlo status)"; wrong=1; }
	rlo unprefer "$dev" >/dev/null &
	one=$!
	rlo unprefer "$other" >/dev/null &
	wait $! && wait $one || wrong=1
	[[ $(tables) == "$both" ]] || { say "turn $i: not as before"; wrong=1; }
done
ok $wrong "two at the same time do not get into each other's way"
ip -n "$ns" link del "$other"

# --- sockets that are bound to lo -------------------------------------------------------------------------------

# bind_to_lo SPEC...: such sockets, until unbind
bind_to_lo() {
	local ready
	exec {ready}< <(exec ip netns exec "$ns" python3 "$dir/bound.py" "$@")
	bound+=($!)
	read -r -t 60 -u "$ready" _ || say "not all of these are there: $*"
	exec {ready}<&-
}
unbind() {
	kill "${bound[@]}"
	# They are no children of this shell for every version of it.
	while kill -0 "${bound[@]}" 2>/dev/null; do sleep 0.1; done
	bound=()
}
# clients SPEC...: what they are answered
clients() { in_ns python3 "$dir/client.py" "${KSFT_MACHINE_SLOW:+1}2" "$@"; }
# kept: the addresses that have routes for this
kept() { ip -n "$ns" route show table local proto 127 dev lo | awk '{ printf "%s%s", sep, $2; sep = " " }'; }

# Sockets of IPv6 may have addresses of IPv4.
left=(tcp/127.0.0.53/53 udp/127.0.0.53/53 tcp/::ffff:127.0.0.54/53 udp/::ffff:127.0.0.54/53 raw/127.0.0.55/253)
deaf=(udp/0.0.0.0/67 udp/127.0.0.1/323 tcp/::/22 raw/::/58 tcp/::1/5432 udp/::1/53)
about_left="left with lo: 127.0.0.53 (tcp 53, udp 53), 127.0.0.54 (tcp 53, udp 53), 127.0.0.55 (raw 253)"
about_deaf="rust-lo: $dev: sockets bound to lo hear nothing of it:"
bind_to_lo "${left[@]}"
answers=$(printf '%s 127.0.0.1\n' "${left[@]}")
same "sockets bound to lo answer before" "$answers" "$(clients "${left[@]}")"
same "prefer -6 has nothing to leave" "$dev: preferred" "$(rlo -6 prefer "$dev" 2>&1)"
rlo unprefer "$dev" >/dev/null
same "prefer leaves their addresses with lo, and says so" "$dev: preferred; $about_left" "$(rlo prefer "$dev" 2>&1)"
lo0=$(packets lo) dev0=$(packets "$dev")
same "they answer, and see the addresses they saw" "$answers" "$(clients "${left[@]}")"
((lo0 < $(packets lo) && dev0 == $(packets "$dev")))
ok $? "... over lo"
lo0=$(packets lo)
ask old && ask new && ((lo0 == $(packets lo)))
ok $? "all the rest goes through $dev"
want="127.0.0.0/8 dev $dev order $dev lo preferred $dev
127.0.0.1 dev $dev order $dev lo preferred $dev
::1 dev $dev order $dev lo preferred $dev
127.0.0.53 dev lo order lo kept
127.0.0.54 dev lo order lo kept
127.0.0.55 dev lo order lo kept"
same "status shows them" "$want" "$(rlo status)"
with_kept=$(tables)
same "prefer again says the same" "$dev: already preferred; $about_left" "$(rlo prefer "$dev" 2>&1)"
same "... and changes nothing" "$with_kept" "$(tables)"

ip -n "$ns" addr add 127.0.0.56/32 dev lo
later=(udp/127.0.0.56/53 udp/127.0.0.57/53)
bind_to_lo "${later[@]}"
same "of those that come later one answers at an address of lo's own" "udp/127.0.0.56/53 127.0.0.56
udp/127.0.0.57/53 none" "$(clients "${later[@]}")"
same "prefer again finds them" "$dev: preferred; $about_left, 127.0.0.56 (udp 53), 127.0.0.57 (udp 53)" \
	"$(rlo prefer "$dev" 2>&1)"
same "... so that they answer" "udp/127.0.0.56/53 127.0.0.56
udp/127.0.0.57/53 127.0.0.1" "$(clients "${later[@]}")"
same "where lo has a route as long none is added" "127.0.0.53 127.0.0.54 127.0.0.55 127.0.0.57" "$(kept)"
unbind
same "what was left with lo stays there while they are away" \
	"$dev: already preferred; left with lo: 127.0.0.53, 127.0.0.54, 127.0.0.55, 127.0.0.57" "$(rlo prefer "$dev" 2>&1)"
bind_to_lo "${left[@]}"
same "... and they answer when they are back" "$answers" "$(clients "${left[@]}")"

ip -n "$ns" link add "$other" type rust_lo
ip -n "$ns" link set "$other" up
sleep 0.2
first=$(tables)
rlo prefer "$other" >/dev/null
same "they answer when another device is preferred as well" "$answers" "$(clients "${left[@]}")"
rlo unprefer "$other" >/dev/null
same "unprefer of that one gives back what was before" "$first" "$(tables)"
rlo prefer "$other" >/dev/null
same "unprefer of the first says what is still left" \
	"$dev: no longer preferred; left with lo: 127.0.0.53, 127.0.0.54, 127.0.0.55, 127.0.0.57" "$(rlo unprefer "$dev")"
same "... and they answer" "$answers" "$(clients "${left[@]}")"
same "unprefer of the last says nothing of the kind" "$other: no longer preferred" "$(rlo unprefer "$other")"
ip -n "$ns" link del "$other"
ip -n "$ns" addr del 127.0.0.56/32 dev lo
same "... and all is as before" "$before" "$(tables)"

bind_to_lo "${deaf[@]}"
same "prefer warns of those that it cannot spare" \
	"$about_deaf 0.0.0.0 (udp 67), 127.0.0.1 (udp 323), :: (raw 58, tcp 22), ::1 (tcp 5432, udp 53)
$dev: preferred; $about_left" "$(rlo prefer "$dev" 2>&1)"
same "... with -4 of those that IPv4 is missing to" "$about_deaf 0.0.0.0 (udp 67), 127.0.0.1 (udp 323), :: (tcp 22)" \
	"$(rlo -4 prefer "$dev" 2>&1 >/dev/null)"
same "... with -6 of the others" "$about_deaf :: (raw 58, tcp 22), ::1 (tcp 5432, udp 53)" \
	"$(rlo -6 prefer "$dev" 2>&1 >/dev/null)"
# json EXPRESSION: a Python expression of the output j
json() { python3 -c "import json, sys; j = json.load(sys.stdin); print($1)"; }
same "-j prefer says what is left" "127.0.0.53 ['tcp 53', 'udp 53']
127.0.0.54 ['tcp 53', 'udp 53']
127.0.0.55 ['raw 253']" "$(rlo -j prefer "$dev" 2>/dev/null |
	json "*(l['dst'] + ' ' + str(l['sockets']) for l in j[0]['left']), sep='\n'")"
same "-j status shows what is kept" "127.0.0.53 lo ['lo'] [] True" "$(rlo -j status | json '*j[3].values()')"
same "prefer --all leaves nothing with lo" "$about_deaf 0.0.0.0 (udp 67), 127.0.0.1 (udp 323), \
127.0.0.53 (tcp 53, udp 53), 127.0.0.54 (tcp 53, udp 53), 127.0.0.55 (raw 253), \
:: (raw 58, tcp 22), ::1 (tcp 5432, udp 53)
$dev: preferred" "$(rlo prefer --all "$dev" 2>&1)"
same "... so that they do not answer" "$(printf '%s none\n' "${left[@]}")" "$(clients "${left[@]}")"
same "... and is as if there were no such sockets" "$preferred" "$(tables)"
rlo prefer "$dev" >/dev/null 2>&1
same "prefer without it leaves their addresses with lo again" "$with_kept" "$(tables)"
rlo unprefer "$dev" >/dev/null
same "... and unprefer takes it back" "$before" "$(tables)"
unbind

# --- options and errors -----------------------------------------------------------------------------------------

same "-j status is JSON" "::1 lo ['lo', '$dev'] [] False False" \
	"$(rlo -j status "$dev" | json '*j[2].values()')"
same "-j prefer is JSON" "[{'dev': '$dev', 'changed': True, 'left': []}]" "$(rlo -j prefer "$dev" | json j)"
same "-n takes a path and a process" "$(rlo status)
$(rlo status)" "$("$tool" status -n "/run/netns/$ns"
	"$tool" status -n "$helper")"
rlo unprefer "$dev" >/dev/null

ip -n "$ns" link add dum0 type dummy
fails "no such device" 1 "rust-lo: nix0: no such device" rlo prefer nix0
fails "another kind" 1 "rust-lo: dum0: not a rust_lo device*dummy" rlo unprefer dum0
fails "the loopback device" 1 "rust-lo: lo: not a rust_lo device*" rlo prefer lo
fails "no such namespace" 1 "rust-lo: namespace nix: no such namespace" "$tool" -n nix status
fails "wrong usage" 2 "*" rlo prefer
fails "no permission" 1 "rust-lo: $dev: *CAP_NET_ADMIN" \
	in_ns setpriv --bounding-set=-net_admin "$tool" prefer "$dev"
ip -n "$ns" -6 route add 2001:db8::/64 dev lo src ::1
fails "a route that would lose its source" 1 "rust-lo: $dev: *::1 as its source*" rlo prefer "$dev"
ip -n "$ns" -6 route del 2001:db8::/64 dev lo
ip -n "$ns" link del dum0
same "nothing was changed by all that" "$before" "$(tables)"

# --- other beginnings -------------------------------------------------------------------------------------------

ip netns add "$ns2"
ip -n "$ns2" link add "$dev" type rust_lo
fails "a device that is down" 1 "rust-lo: $dev: not up*" "$tool" -n "$ns2" prefer "$dev"
ip -n "$ns2" link set lo name plain0
ip -n "$ns2" link set "$dev" name lo
ip -n "$ns2" link set lo up
ip -n "$ns2" link set plain0 up
ip -n "$ns2" addr del ::1/128 dev plain0
fails "the loopback device has no ::1" 1 "rust-lo: lo: plain0 has no ::1*" "$tool" -n "$ns2" prefer lo
ip -n "$ns2" addr add ::1/128 dev plain0 metric 77 proto 99 valid_lft 9000 preferred_lft forever 2>/dev/null ||
	ip -n "$ns2" addr add ::1/128 dev plain0 metric 77 proto 99
sleep 0.2
# It came up first, so it is first; unprefer puts it behind, and from then on prefer and unprefer are exact.
"$tool" -n "$ns2" unprefer lo >/dev/null
same "a device first by itself is put behind; lo has another name" "plain0 lo" \
	"$("$tool" -n "$ns2" -6 status | sed 's/.*order //')"
# Seconds left of a lifetime run on meanwhile.
before2=$(tables "$ns2" | sed 's/[0-9]*sec//g')
"$tool" -n "$ns2" prefer lo >/dev/null
"$tool" -n "$ns2" unprefer lo >/dev/null
same "metric, protocol, lifetime and prefix route of the address come back" "$before2" \
	"$(tables "$ns2" | sed 's/[0-9]*sec//g')"
ip netns exec "$ns2" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
fails "IPv6 is disabled: a notice" 0 "rust-lo: lo: IPv6 is disabled*" "$tool" -n "$ns2" prefer lo
fails "... and an error with -6" 1 "rust-lo: lo: IPv6 is disabled*" "$tool" -n "$ns2" -6 prefer lo
ip -n "$ns2" link set plain0 down
ip -n "$ns2" link set lo up
fails "nobody would carry localhost" 1 "rust-lo: lo: plain0 is down*" "$tool" -n "$ns2" unprefer lo

# --- who carries it -----------------------------------------------------------------------------------------------

ip netns del "$ns2"
ip netns add "$ns2"
ip -n "$ns2" link set lo up
ip -n "$ns2" link add "$dev" type rust_lo
ip -n "$ns2" link set "$dev" up
sleep 0.2
# carrier NAME WANTED: status says that this device has all of localhost, and it has the packets
carrier() {
	local says at
	says=$("$tool" -n "$ns2" status | awk '{ printf "%s ", $3 }')
	at=$(ip netns exec "$ns2" cat "/sys/class/net/$2/statistics/rx_packets")
	ip netns exec "$ns2" ping -q -c1 -W5 127.0.0.1 >/dev/null
	ip netns exec "$ns2" ping -q -c1 -W5 ::1 >/dev/null
	at=$(($(ip netns exec "$ns2" cat "/sys/class/net/$2/statistics/rx_packets") - at))
	say "status: $says, $at packets by $2"
	[[ $says == "$2 $2 $2 " ]] && ((at == 4))
	ok $? "$1"
}
carrier "lo has what it came first for" lo
ip -n "$ns2" link set lo down
carrier "where it is down another one carries that" "$dev"
ip -n "$ns2" link set lo up
"$tool" -n "$ns2" prefer "$dev" >/dev/null
carrier "it does as well when preferred" "$dev"
ip netns exec "$ns2" ethtool --set-priv-flags "$dev" l3-master on
carrier "... also as an L3 master" "$dev"

say "Totals: pass:$((number - failed)) fail:$failed"
((failed == 0 && number == 87))
