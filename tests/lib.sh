# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of rust_lo share. A test file sources this, lists its test
# points and ends with run_tests "$@":
#
#	TESTS=(
#		"ping: ping finds 127.0.0.1"
#	)
#	ping()
#	{
#		setup_ns NS
#		check "brought up" ip -n "$NS" link set rust_lo0 up
#	}
#	run_tests "$@"
#
# Each test point is run in a subshell, in which a command that fails ends it
# (set -e), and after which everything that setup_ns, background and load made
# is gone. With arguments only the points of these names are run.

set -euo pipefail

ksft_pass=0
ksft_fail=1
ksft_skip=4

TESTS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# In a checkout. In a kernel tree they are in bin/ (qemu/in-tree), unless the
# module is installed, or part of that tree.
: "${RUST_LO_KO:=$TESTS_DIR/../build/$(uname -r)/rust_lo.ko}"
PROGRAMS=$TESTS_DIR/../target/release
if [ ! -e "$TESTS_DIR/../rust_lo.rs" ]; then
	PROGRAMS=$TESTS_DIR/bin
	[ -e "$RUST_LO_KO" ] || RUST_LO_KO=$(modinfo -n rust_lo 2> /dev/null || echo "$RUST_LO_KO")
fi

# Of how many a test makes a crowd, and the time to wait for what takes a moment
# (seconds). KSFT_MACHINE_SLOW is what netdev's CI sets on debug kernels.
if [ -n "${KSFT_MACHINE_SLOW:-}" ]; then
	: "${CROWD:=20}" "${WAIT_TIMEOUT:=120}"
else
	: "${CROWD:=100}" "${WAIT_TIMEOUT:=20}"
fi

##############################################################################
# Checks

# say TEXT...: a diagnostic line for each line of TEXT.
say()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

skip()
{
	say "$*"
	exit "$ksft_skip"
}

fail()
{
	say "FAIL: $*"
	# Not a variable: this may be a subshell.
	: > "$TMP/failed"
}

# check WHAT COMMAND...: COMMAND succeeds.
check()
{
	local what=$1 out rc=0
	shift

	out=$("$@" 2>&1) || rc=$?
	if [ "$rc" -ne 0 ]; then
		fail "$what"
		say "  $*: exit status $rc"
		[ -z "$out" ] || say "  $out"
	fi
}

# refused WHAT REGEX COMMAND...: COMMAND fails, with an output that has a
# match of the extended REGEX.
refused()
{
	local what=$1 regex=$2 out rc=0
	shift 2

	out=$("$@" 2>&1) || rc=$?
	if [ "$rc" -eq 0 ]; then
		fail "$what"
		say "  $*: succeeded"
	elif ! grep -Eq -e "$regex" <<< "$out"; then
		fail "$what"
		say "  $*: failed, but without '$regex':"
		say "  $out"
	fi
}

# equal WHAT WANTED FOUND: the two texts are equal.
equal()
{
	local what=$1 wanted=$2 found=$3

	[ "$wanted" != "$found" ] || return 0
	fail "$what"
	if [[ $wanted$found == *$'\n'* ]]; then
		say "$(diff <(echo "$wanted") <(echo "$found") | sed 's/^</  wanted:/; s/^>/  found: /' |
			head -n 40 || true)"
	else
		say "  wanted '$wanted', found '$found'"
	fi
}

# matches WHAT REGEX TEXT: TEXT has a match of the extended REGEX.
matches()
{
	local what=$1 regex=$2 text=$3

	grep -Eq -e "$regex" <<< "$text" && return
	fail "$what"
	say "  no '$regex' in:"
	say "  $text"
}

# number WHAT FOUND OPERATOR LIMIT: as in number "packets" "$n" -gt 10.
number()
{
	local what=$1
	shift

	test "$@" && return
	fail "$what"
	say "  found $1, wanted $2 $3"
}

# wait_for COMMAND...: until COMMAND succeeds, but no longer than WAIT_TIMEOUT.
wait_for()
{
	local end=$((SECONDS + WAIT_TIMEOUT))

	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

need()
{
	local tool

	for tool; do
		command -v "$tool" > /dev/null || skip "there is no $tool"
	done
}

# need_program NAME: one of the tests' own in Rust; its path in PROGRAM.
need_program()
{
	PROGRAM=$PROGRAMS/$1
	[ ! -x "$PROGRAM" ] || return 0
	[ ! -e "$TESTS_DIR/../rust_lo.rs" ] || { fail "$PROGRAM is not built: make tools"; exit "$ksft_fail"; }
	skip "there is no $PROGRAM"
}

##############################################################################
# Namespaces and devices

# setup_ns VARIABLE...: a new namespace for each, its name in the variable. In
# it lo is down.
setup_ns()
{
	local variable

	for variable; do
		printf -v "$variable" '%s' "rlo-$(mktemp -u XXXXXX)-$variable"
		ip netns add "${!variable}"
		echo "${!variable}" >> "$TMP/namespaces"
	done
}

# in_ns NS COMMAND...: run in the namespace, in the initial one if NS is "".
# /sys stays that of the caller.
in_ns()
{
	local ns=$1
	shift

	if [ -n "$ns" ]; then
		nsenter "--net=/run/netns/$ns" -- "$@"
	else
		"$@"
	fi
}

# batch NS < LINES: ip commands in the namespace, the first that fails ends it.
batch()
{
	if [ -n "$1" ]; then
		ip -n "$1" -batch -
	else
		ip -batch -
	fi
}

# setup_loopback VARIABLE...: as setup_ns, with a rust_lo device rlo0 that is
# up beside the lo that is down.
setup_loopback()
{
	local variable

	setup_ns "$@"
	for variable; do
		batch "${!variable}" <<- EOF
			link add rlo0 type rust_lo
			link set rlo0 up
		EOF
	done
}

# counters NS DEVICE: sets rx_packets, tx_packets, rx_bytes, … of the device.
# shellcheck disable=SC2034
counters()
{
	local line
	line=$(in_ns "$1" grep -E "^ *$2:" /proc/net/dev) || { fail "no device $2"; return 1; }
	read -r rx_bytes rx_packets rx_errors rx_dropped _ _ _ _ \
		tx_bytes tx_packets tx_errors tx_dropped _ <<< "${line#*:}"
}

# statistics NS DEVICE: the driver's own counters, a line with name and value each.
statistics()
{
	in_ns "$1" ethtool -S "$2" | sed -n 's/^ *\([a-z_]*\): \([0-9]*\)$/\1 \2/p'
}

# statistic NS DEVICE NAME: the value of one.
statistic()
{
	statistics "$1" "$2" | awk -v name="$3" '$1 == name { print $2 }'
}

# Not in a subshell as check does it, so that what the function sets stays.
run_here()
{
	local dev=$1 rc=0
	shift

	"$@" > "$TMP/output" 2>&1 || rc=$?
	if [ "$rc" -ne 0 ]; then
		fail "$* in a namespace with $dev: exit status $rc"
		say "$(sed 's/^/  /' "$TMP/output")"
	fi
}

# grown NS DEVICE COMMAND...: COMMAND succeeds, and the device has then sent
# and received packets, as many each way. Sets grown_packets and grown_bytes.
grown()
{
	local ns=$1 dev=$2 packets bytes
	shift 2

	counters "$ns" "$dev"
	packets=$rx_packets bytes=$rx_bytes
	run_here "$dev" "$@"
	counters "$ns" "$dev"
	grown_packets=$((rx_packets - packets))
	# shellcheck disable=SC2034
	grown_bytes=$((rx_bytes - bytes))
	number "packets over $dev: $*" "$grown_packets" -gt 0
	equal "$dev received what it sent" "$tx_packets packets, $tx_bytes bytes" \
		"$rx_packets packets, $rx_bytes bytes"
}

# untouched NS DEVICE COMMAND...: COMMAND succeeds, and the device has not sent
# nor received a packet meanwhile.
untouched()
{
	local ns=$1 dev=$2 before
	shift 2

	counters "$ns" "$dev"
	before="$rx_packets $tx_packets"
	run_here "$dev" "$@"
	counters "$ns" "$dev"
	equal "packets over $dev: $*" "$before" "$rx_packets $tx_packets"
}

# silent NS DEVICE: the device has never sent nor received anything.
silent()
{
	counters "$1" "$2"
	equal "packets received and sent over $2" "0 0" "$rx_packets $tx_packets"
}

ping_once()
{
	in_ns "$1" ping -n -q -c 1 -W 2 "${@:2}"
}

listening()
{
	[ -n "$(in_ns "$1" ss -Hln "$2" "sport = :$3")" ]
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

# objects SLAB: how many are in use.
objects()
{
	local slab=/sys/kernel/slab/$1

	[ -e "$slab" ] || { echo 0; return; }
	echo 1 > "$slab/shrink"
	awk '{ print $1 }' "$slab/objects"
}

PACKET_SLAB=skbuff_head_cache

need_packet_slab()
{
	[ -e "/sys/kernel/slab/$PACKET_SLAB" ] || skip "no slab of its own for packets"
}

# few_packets: not many more are in memory than there were, in $PACKETS: each
# processor keeps some.
few_packets()
{
	# shellcheck disable=SC2153 # of the test
	[ "$(objects "$PACKET_SLAB")" -le $((PACKETS + 200)) ]
}

# A namespace that is used by nothing is freed in the background: first its
# devices are unregistered, which waits for the last reference to each of them;
# its memory is given back when the next namespace has come to its end.
# Meanwhile no other namespace is cleaned up.
SLAB=/sys/kernel/slab/net_namespace

# namespaces SECONDS: number of namespaces in memory, this time after one more
# has gone.
namespaces()
{
	local name=rlo-canary-$$

	ip netns add "$name"
	ip netns del "$name"
	sleep "$1"
	echo 1 > "$SLAB/shrink"
	awk '$1 == "net_namespace" { print $2 }' /proc/slabinfo
}

# remember_namespaces: how many there are before the test. namespaces_freed
# checks that there are no more of them.
remember_namespaces()
{
	local n

	[ -w "$SLAB/shrink" ] || skip "there is no $SLAB/shrink"
	NAMESPACES=$(namespaces 0.3)
	for _ in 1 2 3; do
		n=$(namespaces 0.3)
		[ "$n" -ge "$NAMESPACES" ] || NAMESPACES=$n
	done
}

no_more_namespaces()
{
	[ "$(namespaces 0.7)" -le "$NAMESPACES" ]
}

namespaces_freed()
{
	if ! wait_for no_more_namespaces; then
		fail "${1:-namespaces} are freed"
		say "  $NAMESPACES namespaces before, $(namespaces 1) left after $WAIT_TIMEOUT s"
		say "$(dmesg | grep 'unregister_netdevice: waiting' | tail -n 3)"
	fi
}

##############################################################################
# The module

loaded()
{
	[ -d /sys/module/rust_lo ]
}

unload()
{
	: > "$FILE_TMP/reload"
	! loaded || timeout $((WAIT_TIMEOUT * 3)) rmmod rust_lo
}

# load [PARAMETER...]: the module afresh. Whatever a test leaves is put right
# at the end of its file.
load()
{
	unload
	insmod "$RUST_LO_KO" "$@"
}

# rust_lo_links [NS]: names of the devices.
rust_lo_links()
{
	ip ${1:+-n "$1"} -o link show type rust_lo | awk -F': ' '{ print $2 }'
}

# log_mark, log_since: what the kernel says between.
log_mark()
{
	LOG_MARK="rust_lo-tests: mark $$ $RANDOM$RANDOM"
	echo "<6>$LOG_MARK" > /dev/kmsg
}

log_since()
{
	dmesg | sed "1,/$LOG_MARK/d"
}

##############################################################################
# Running

# __delete_namespaces FILE: those named there.
__delete_namespaces()
{
	[ -s "$1" ] || return 0
	# What servers have forked; without a loopback it would stay.
	sed 's/^/netns pids /' "$1" | ip -force -batch - 2> /dev/null | xargs -r kill -9 2> /dev/null
	# Some may be gone already.
	sed 's/^/netns del /' "$1" | ip -force -batch - > /dev/null 2>&1
}

__cleanup()
{
	local status=$1 ns

	trap - EXIT ERR
	set +e
	end_background
	cleanup_hook
	__delete_namespaces "$TMP/namespaces"
	for ns in $(rust_lo_links); do
		[ "$ns" = rust_lo0 ] || ip link del "$ns"
	done
	rm -rf "$TMP"
	exit "$status"
}

# At the end of a test file, whose points may share namespaces:
# TMP=$FILE_TMP setup_ns VARIABLE...
__file_cleanup()
{
	__delete_namespaces "$FILE_TMP/namespaces" || true
	rm -rf "$FILE_TMP"
}

# For what a test file has to put right itself.
cleanup_hook()
{
	:
}

__run()
{
	TMP=$(mktemp -d)
	# A point before may have come to a bad end.
	loaded || insmod "$RUST_LO_KO"
	POINT=$BASHPID
	# Not in what was just forked and is ended by a signal before it is another program.
	trap 'rc=$?; [ "$BASHPID" != "$POINT" ] || __cleanup "$rc"' EXIT
	# Not in a command substitution, where it would become output.
	trap '[ "$BASHPID" != "$POINT" ] || say "line $LINENO: \"$BASH_COMMAND\" failed"' ERR
	set -E
	"$1"
	trap - ERR
	[ ! -e "$TMP/failed" ] || exit "$ksft_fail"
	exit "$ksft_pass"
}

# load_or_end: after the first line of the KTAP.
load_or_end()
{
	if [ ! -e "$RUST_LO_KO" ]; then
		echo "1..0 # SKIP no rust_lo, neither loaded nor in $RUST_LO_KO"
		exit "$ksft_skip"
	elif ! insmod "$RUST_LO_KO"; then
		echo "Bail out! $RUST_LO_KO cannot be loaded"
		exit "$ksft_fail"
	fi
}

run_tests()
{
	local entry name points=() was_loaded='' rc n=0 any_failed=0 any_passed=0 start

	for name; do
		# Or a misspelt one would pass for a skipped one.
		if [[ " ${TESTS[*]%%:*} " != *" $name "* ]]; then
			echo "Bail out! there is no test point '$name'"
			exit "$ksft_fail"
		fi
	done
	for entry in "${TESTS[@]}"; do
		name=${entry%%:*}
		if [ "$#" -eq 0 ] || [[ " $* " == *" $name "* ]]; then
			points+=("$entry")
		fi
	done

	echo "KTAP version 1"
	[ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP root is needed"; exit "$ksft_skip"; }

	FILE_TMP=$(mktemp -d)
	trap __file_cleanup EXIT
	if loaded; then
		was_loaded=y
	else
		load_or_end
	fi

	echo "1..${#points[@]}"
	for entry in "${points[@]}"; do
		n=$((n + 1))
		name=${entry%%:*}
		start=$SECONDS
		# Not as a part of a condition, where set -e would have no effect.
		set +e
		(set -e; __run "$name")
		rc=$?
		set -e
		[ "$((SECONDS - start))" -lt 20 ] || say "$name took $((SECONDS - start)) s"
		case $rc in
		"$ksft_pass") echo "ok $n $name: ${entry#*: }"; any_passed=1 ;;
		"$ksft_skip") echo "ok $n $name: ${entry#*: } # SKIP" ;;
		*) echo "not ok $n $name: ${entry#*: }"; any_failed=1 ;;
		esac
	done

	if [ -z "$was_loaded" ]; then
		unload
	elif [ -e "$FILE_TMP/reload" ]; then
		load
	fi
	[ "$any_failed" -eq 0 ] || exit "$ksft_fail"
	[ "$any_passed" -eq 1 ] || exit "$ksft_skip"
	exit "$ksft_pass"
}
