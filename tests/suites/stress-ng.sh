#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# stress-ng's stressors that take an interface, with --verify. Where they find none that
# suits them they take lo without a word; of one that does they take 127.0.0.1 and ::1, not
# its addresses (a condition the wrong way round in stress_set_sockaddr_if()). So localhost
# is rust_lo0's, and lo must not carry a packet.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"interface: stressors that take an interface pass on rust_lo0 as on lo"
)

# Seconds for each, on one processor.
LENGTH=${STRESS_SECONDS:-5}

# A name and options a line; the device comes after -if.
list()
{
	local domain opts sched

	for domain in ipv4 ipv6; do
		for opts in random send sendmsg sendmmsg; do
			echo "sock,$domain,$opts --sock 1 --sock-domain $domain --sock-opts $opts --sock-if"
		done
		echo "udp,$domain --udp 1 --udp-domain $domain --udp-if"
		echo "udp,$domain,gro --udp 1 --udp-domain $domain --udp-gro --udp-if"
		echo "udp,$domain,lite --udp 1 --udp-domain $domain --udp-lite --udp-if"
		echo "udp-flood,$domain --udp-flood 1 --udp-flood-domain $domain --udp-flood-if"
		for sched in fcfs prio rr; do
			echo "sctp,$domain,$sched --sctp 1 --sctp-domain $domain --sctp-sched $sched --sctp-if"
		done
		echo "dccp,$domain --dccp 1 --dccp-domain $domain --dccp-if"
	done
	echo "rawudp --rawudp 1 --rawudp-if"
	echo "sockmany --sockmany 1 --sockmany-if"
}

# stressors WHICH [CASE...]
stressors()
{
	local which=$1 ns=$NS device=$DEVICE name options result before
	shift

	if [ "$which" = lo ]; then
		ns=$LO device=lo
	fi
	while read -r name options; do
		[ "$#" -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
		counters "$ns" "$device"
		before=$tx_packets
		echo "--- $name"
		# shellcheck disable=SC2086 # several
		on "$which" stress-ng --temp-path "$PWD/tmp" --verify --timeout "$LENGTH" --oom-avoid \
			$options "$device" > out 2>&1 || echo "exit status $?"
		cat out
		counters "$ns" "$device"
		# How many of each there are in its summary.
		result=$(awk '/ (skipped|passed|failed|metrics untrustworthy): [1-9]/ {
			sub(/.*\] /, ""); sub(/:.*/, ""); gsub(/ /, "-"); print }' out | paste -sd+)
		# While one that was skipped did nothing, the one before may still have sent.
		[[ $result != *passed* ]] || [ "$((tx_packets - before))" -gt 0 ] || result+=-without-packets
		echo "$name ${result:-nothing}" >> results
	done < <(list)
}

interface()
{
	begin "--sock-if, --udp-if, --udp-flood-if, --rawudp-if, --sockmany-if, --sctp-if, --dccp-if"
	modprobe -q sctp || true
	on_localhost
	compare "$(version stress-ng)" stressors 20
}

run_tests "$@"
