# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Namespaces, devices and their counters.

# setup_ns VARIABLE...: a new namespace for each, its name in the variable. In
# it lo is down.
setup_ns()
{
	local variable

	for variable; do
		printf -v "$variable" 'rlo-%s-%05d-%s' "$BASHPID" "$RANDOM" "$variable"
		ip netns add "${!variable}"
		echo "${!variable}" >> "$TMP/namespaces"
	done
}

# in_ns NS COMMAND...: run in the namespace, in the initial one if NS is "".
# /sys stays that of the caller.
NSENTER=(nsenter)
# This one would take a ping of its own, but for a path.
[ ! -d /run/quick ] || NSENTER=(busybox nsenter)
in_ns()
{
	local ns=$1
	shift

	if [ -n "$ns" ]; then
		# Where bash finds it, without a subshell to say so.
		hash -- "$1" 2> /dev/null || true
		"${NSENTER[@]}" "--net=/run/netns/$ns" -- "${BASH_CMDS[$1]:-$1}" "${@:2}"
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
	local dev=$1 rc=0 line said=''
	shift

	"$@" > "$TMP/output" 2>&1 || rc=$?
	if [ "$rc" -ne 0 ]; then
		fail "$* in a namespace with $dev: exit status $rc"
		say "$(sed 's/^/  /' "$TMP/output")"
		return
	fi
	while IFS= read -r line; do
		said+="  $line"$'\n'
		[[ $line != '# FAIL: '* ]] || rc=1
	done < "$TMP/output"
	[ "$rc" -eq 0 ] || say "${said%$'\n'}"
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
