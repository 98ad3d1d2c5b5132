#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loopback devices beside lo (rust_lo): which of them carries a local packet,
# and what is left of a namespace that had one.
#
# What is not here is in lib.sh, which also calls the tests.
# shellcheck disable=SC2034,SC2154,SC2317

ALL_TESTS="
	carried_ipv4
	carried_ipv6
	mtu
	bind_ipv6
	any_ipv4
	down
	cached
	lo_down
	lo_never_up
	moved
	vrf
	rejected
	namespace_goes_deleted
	namespace_goes_moved
	namespace_goes
"

# shellcheck source=/dev/null
source "$(dirname "$(readlink -e "${BASH_SOURCE[0]}")")/lib.sh"

trap cleanup_all_ns EXIT

in_ns()
{
	ip netns exec "$NS" "$@"
}

received()
{
	ip -n "$NS" -s -j link show dev "$1" | jq '.[].stats64.rx.packets'
}

# other_ns: in NS, which is to be local, a namespace whose lo never was up.
other_ns()
{
	NS=ns-$(mktemp -u XXXXXX)
	NS_LIST+=("$NS")
	ip netns add "$NS"
}

new_lo1()
{
	ip -n "$NS" link add lo1 type rust_lo
	ip -n "$NS" addr add 10.0.0.1/32 dev lo1
	ip -n "$NS" addr add fd00::1/128 dev lo1 nodad
	ip -n "$NS" link set lo1 up
}

# carries DEVICE OTHER ADDRESS [OPTION...]: an echo, there and back, is two
# packets on the one and none on the other. All on one processor, as some routes
# are kept for each.
carries()
{
	local dev=$1 other=$2 address=$3
	local before before_other

	shift 3
	before=$(received "$dev")
	before_other=$(received "$other")
	in_ns taskset 1 ping -q -c 3 -i 0.1 -W 5 "$@" "$address" > /dev/null
	check_err $? "no answer from $address"
	[ "$(received "$dev")" = $((before + 6)) ]
	check_err $? "$dev has received $(($(received "$dev") - before)) packets to $address, not 6"
	[ "$(received "$other")" = "$before_other" ]
	check_err $? "$other has received packets to $address"
}

# fits SIZE MTU ADDRESS: one that is as long, and not one that is longer.
fits()
{
	in_ns ping -q -c 1 -W 5 -M "do" -s "$1" "$3" > /dev/null
	check_err $? "no answer from $3 to $2 bytes"
	! in_ns ping -q -c 1 -W 1 -M "do" -s $(($1 + 1)) "$3" > /dev/null 2>&1
	check_err $? "an answer from $3 to more than $2 bytes"
}

carried_ipv4()
{
	RET=0
	carries lo1 lo 10.0.0.1
	carries lo lo1 127.0.0.1
	in_ns ip route get 10.0.0.1 | grep -q 'dev lo1 '
	check_err $? "the route is not that of lo1"
	log_test "carried: IPv4"
}

carried_ipv6()
{
	RET=0
	carries lo1 lo fd00::1
	carries lo lo1 ::1
	log_test "carried: IPv6"
}

mtu()
{
	RET=0
	ip -n "$NS" link set lo1 mtu 1500
	fits 1472 1500 10.0.0.1
	fits 1452 1500 fd00::1
	ip -n "$NS" link set lo1 mtu 65536
	log_test "carried: with the MTU of the device"
}

# An unbound socket can be bound to an address that only lo1 has.
bind_ipv6()
{
	RET=0
	carries lo1 lo fd00::1 -I fd00::1
	log_test "carried: from an address of IPv6 that is bound to"
}

# any FROM: a datagram from there that is sent to 0.0.0.0.
any()
{
	in_ns python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.bind((sys.argv[1], 5000))
s.sendto(b"any", ("0.0.0.0", 5000))
s.recv(3)' "$1" 2> /dev/null
	check_err $? "what $1 sends to 0.0.0.0 does not arrive"
}

# That is sent without a lookup: it goes where it would if the address were written.
any_ipv4()
{
	local before before_lo

	RET=0
	before=$(received lo1)
	before_lo=$(received lo)
	any 10.0.0.1
	[ "$(received lo1)" = $((before + 1)) ]
	check_err $? "lo1 has not received what 10.0.0.1 sends to 0.0.0.0"
	any 127.0.0.1
	[ "$(received lo)" = $((before_lo + 1)) ]
	check_err $? "lo has not received what 127.0.0.1 sends to 0.0.0.0, and that alone"
	ip -n "$NS" link set lo down
	any 10.0.0.1
	ip -n "$NS" link set lo up
	log_test "carried: what is sent to 0.0.0.0"
}

down()
{
	RET=0
	ip -n "$NS" link set lo1 down
	carries lo lo1 10.0.0.1
	ip -n "$NS" link set lo1 up
	carries lo1 lo 10.0.0.1
	log_test "carried: by lo while the device is down"
}

# A route that was made while the device was down is not kept.
cached()
{
	RET=0
	ip -n "$NS" link set lo1 down
	ip -n "$NS" addr add fd00::2/128 dev lo1 nodad
	carries lo lo1 fd00::2
	carries lo lo1 10.0.0.1
	ip -n "$NS" link set lo1 up
	carries lo1 lo fd00::2
	carries lo1 lo 10.0.0.1
	ip -n "$NS" addr del fd00::2/128 dev lo1
	log_test "carried: what had a route while the device was down"
}

# IPv6 deletes the routes of lo then, so that lo1 has the first one to ::1.
lo_down()
{
	RET=0
	ip -n "$NS" link set lo down
	carries lo1 lo 10.0.0.1
	carries lo1 lo ::1
	ip -n "$NS" link set lo up
	carries lo1 lo 10.0.0.1
	carries lo lo1 127.0.0.1
	log_test "carried: while lo is down"
}

# Then it has no address, and no route that is older.
lo_never_up()
{
	local NS

	RET=0
	other_ns
	new_lo1
	carries lo1 lo 127.0.0.1
	carries lo1 lo ::1
	cleanup_ns "$NS"
	log_test "carried: localhost, where lo never was up"
}

# A loopback that is up when it is moved leaves its addresses, and gets others.
moved()
{
	local from=$NS NS

	RET=0
	ip -n "$from" link add lo4 type rust_lo
	ip -n "$from" addr add 10.0.4.1/32 dev lo4
	ip -n "$from" addr add fd04::1/128 dev lo4 nodad
	ip -n "$from" link set lo4 up
	NS=$from
	carries lo4 lo 10.0.4.1
	carries lo4 lo fd04::1
	other_ns
	ip -n "$from" link set lo4 netns "$NS"
	! ip netns exec "$from" ping -q -c 1 -W 1 10.0.4.1 > /dev/null 2>&1
	check_err $? "10.0.4.1 is still there"
	! ip netns exec "$from" ping -q -c 1 -W 1 fd04::1 > /dev/null 2>&1
	check_err $? "fd04::1 is still there"
	ip -n "$NS" link set lo up
	ip -n "$NS" addr add 10.0.4.2/32 dev lo4
	ip -n "$NS" addr add fd04::2/128 dev lo4 nodad
	ip -n "$NS" link set lo4 up
	carries lo4 lo 10.0.4.2
	carries lo4 lo fd04::2
	cleanup_ns "$NS"
	log_test "carried: by a loopback that was moved while it was up"
}

# Its members are carried by the VRF, whatever they are; ::1 of a member, which is of
# that device alone, by lo.
vrf()
{
	local NS

	RET=0
	other_ns
	ip -n "$NS" link set lo up
	ip -n "$NS" link add vrf1 type vrf table 10
	ip -n "$NS" link set vrf1 up
	ip -n "$NS" link add lo5 type rust_lo
	ip -n "$NS" link set lo5 master vrf1
	ip -n "$NS" addr add 10.0.5.1/32 dev lo5
	ip -n "$NS" addr add fd05::1/128 dev lo5 nodad
	ip -n "$NS" link set lo5 up
	carries vrf1 lo5 10.0.5.1 -I vrf1
	carries vrf1 lo5 fd05::1 -I vrf1
	ip -n "$NS" -6 route get ::1 oif lo5 | grep -q 'dev lo '
	check_err $? "the route to ::1 of a member is not that of lo"
	cleanup_ns "$NS"
	log_test "in a VRF, as any other device"
}

# says TEXT WHEN: what becomes of a packet to fd01::1.
says()
{
	local out

	! out=$(in_ns ping -n -q -c 1 -W 1 fd01::1 2>&1)
	check_err $? "an answer from fd01::1, $2"
	[[ $out = *"$1"* ]]
	check_err $? "fd01::1, $2: '$out', not '$1'"
}

# The entries that IPv6 answers with when there is no route, or a rule that says
# so, are those of the namespace whatever loopbacks come and go.
rejected()
{
	local rule text

	RET=0
	for rule in "" unreachable prohibit blackhole; do
		text="Network is unreachable"
		[ "$rule" != prohibit ] || text="Permission denied"
		[ "$rule" != blackhole ] || text="Invalid argument"
		[ -z "$rule" ] || ip -n "$NS" -6 rule add to fd01::/64 "$rule"
		says "$text" "rule '$rule'"
		ip -n "$NS" link add lo2 type rust_lo
		ip -n "$NS" link set lo2 up
		says "$text" "rule '$rule', with another loopback"
		ip -n "$NS" link del lo2
		says "$text" "rule '$rule', after that was deleted"
		[ -z "$rule" ] || ip -n "$NS" -6 rule del to fd01::/64
	done
	log_test "no route, beside another loopback and after it"
}

# gone: namespaces are cleaned up one after the other. So that of a later one,
# which takes its end of a veth along, says that the ones before it have gone.
gone()
{
	local later

	later=later-$(mktemp -u XXXXXX)
	NS_LIST+=("$later")
	ip netns add "$later"
	ip -n "$NS" link add veth0 type veth peer name veth0 netns "$later"
	ip netns del "$later"
	slowwait 30 no_veth
	check_err $? "it, or one before it, is still there"
}

no_veth()
{
	! ip -n "$NS" link show dev veth0 > /dev/null 2>&1
}

# A namespace with a loopback that was deleted, or moved away, or is still there
# when the namespace is deleted.
end_of_namespace()
{
	local what=$1 ns

	RET=0
	ns=ns-$(mktemp -u XXXXXX)
	NS_LIST+=("$ns")
	ip netns add "$ns"
	ip -n "$ns" link set lo up
	ip -n "$ns" link add lo3 type rust_lo
	ip -n "$ns" link set lo3 up
	case $what in
	deleted)
		ip -n "$ns" link del lo3
		;;
	moved)
		ip -n "$ns" link set lo3 netns "$NS"
		ip -n "$NS" link del lo3
		;;
	esac
	ip netns del "$ns"
	gone
	log_test "namespace goes${what:+, whose loopback was $what}"
}

namespace_goes_deleted()
{
	end_of_namespace deleted
}

namespace_goes_moved()
{
	end_of_namespace moved
}

namespace_goes()
{
	end_of_namespace ""
}

require_command jq
require_command python3
setup_ns NS || exit "$ksft_skip"
if ! ip -n "$NS" link add lo1 type rust_lo 2> /dev/null; then
	echo "SKIP: there is no rust_lo"
	exit "$ksft_skip"
fi
ip -n "$NS" link del lo1
new_lo1
tests_run
exit "$EXIT_STATUS"
