#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device looks like lo, answers like lo, and has the settings of lo. Each
# comparison is made with the lo of a namespace of its own.
# Without it: programs that go by flags, MTU, features or sysctls and take the
# device for something else.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"expected: up and down as ip link and ip addr show lo"
	"link: ip -d link says the same, down, up and down again"
	"addr: addresses, multicast groups and routes are the same, whatever is added"
	"ethtool: features, time stamps, link and errors are the same"
	"driver: ethtool -i names the driver and its version"
	"sysfs: the attributes in sysfs are the same"
	"sysctl: the settings of IPv4 and IPv6 are the same, down and up"
	"sysctl_moved: they are those of the namespace after a move"
	"mtu: the same answers to MTU changes, and the same effect"
	"mac: the same answers to address changes"
	"updown: up and down 50 times leaves one of each address and route"
	"netconsole: the kernel log comes over it, sent with interrupts off"
)

CONFIGFS=/sys/kernel/config
# What the console shows, where that was changed.
LEVEL=

cleanup_hook()
{
	[ ! -d "$CONFIGFS/netconsole/rlo" ] || rmdir "$CONFIGFS/netconsole/rlo"
	[ ! -e /sys/class/net/rlnc0 ] || ip link del rlnc0
	ip addr flush dev lo to 10.78.0.1
	echo 0 > /proc/sys/net/ipv4/conf/lo/accept_local
	[ -z "$LEVEL" ] || echo "$LEVEL" > /proc/sys/kernel/printk
}

# In LO there is lo, in RL a rust_lo device rlo0.
setup_pair()
{
	setup_ns LO RL
	ip -n "$RL" link add rlo0 type rust_lo
}

# The name of the device, and what has to differ, taken out of a text.
neutral()
{
	sed -E 's/\b(rlo0|lo)\b/DEV/g; s/^[0-9]+:/N:/'
}

# same WHAT COMMAND...: the same output and exit status in both namespaces, DEV
# being the device.
same()
{
	local what=$1 lo rl
	shift

	lo=$(ip netns exec "$LO" "${@//DEV/lo}" 2>&1; echo "exit status $?")
	rl=$(ip netns exec "$RL" "${@//DEV/rlo0}" 2>&1; echo "exit status $?")
	equal "$what" "$(neutral <<< "$lo")" "$(neutral <<< "$rl")"
}

# same_batch WHAT < LINES: the same output of these ip commands.
same_batch()
{
	local lines lo rl

	lines=$(cat)
	lo=$(ip -n "$LO" -force -batch - <<< "${lines//DEV/lo}" 2>&1 || true)
	rl=$(ip -n "$RL" -force -batch - <<< "${lines//DEV/rlo0}" 2>&1 || true)
	equal "$1" "$(neutral <<< "$lo")" "$(neutral <<< "$rl")"
}

both()
{
	local line

	for line; do
		ip -n "$LO" -batch - <<< "${line//DEV/lo}"
		ip -n "$RL" -batch - <<< "${line//DEV/rlo0}"
	done
}

expected()
{
	local text

	setup_ns RL
	ip -n "$RL" link add rust_lo0 type rust_lo
	text=$(ip -n "$RL" -o link show rust_lo0)
	matches "made" ': <LOOPBACK> mtu 65536 qdisc noop state DOWN .*qlen 1000' "$text"
	matches "addresses" 'link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00$' "$text"
	ip -n "$RL" link set rust_lo0 up
	text=$(ip -n "$RL" -o link show rust_lo0)
	matches "up" ': <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN .*qlen 1000' "$text"
	matches "addresses" 'link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00$' "$text"
	text=$(ip -n "$RL" -o addr show dev rust_lo0)
	equal "number of addresses" 2 "$(wc -l <<< "$text")"
	matches "IPv4" 'inet 127.0.0.1/8 scope host rust_lo0' "$text"
	matches "IPv6" 'inet6 ::1/128 scope host ' "$text"
	text=$(ip -n "$RL" route show table local)
	matches "route" '^local 127.0.0.0/8 dev rust_lo0 .*scope host src 127.0.0.1 $' "$text"
	matches "route of a packet" '^local 127.0.0.1 dev lo ' "$(ip -n "$RL" route get 127.0.0.1)"
	matches "route of a packet" '^local 127.1.2.3 dev lo ' "$(ip -n "$RL" route get 127.1.2.3)"
	matches "route of a packet" '^local ::1 .*dev lo ' "$(ip -n "$RL" route get ::1)"
	ip -n "$RL" link set rust_lo0 down
	text=$(ip -n "$RL" -o link show rust_lo0)
	matches "down" ': <LOOPBACK> mtu 65536 qdisc noqueue state DOWN .*qlen 1000' "$text"
}

# The link as ip -d shows it, without what must differ.
link_json()
{
	ip -n "$1" -d -s -j link show "$2" | jq -S '.[0] | del(.ifindex, .ifname, .linkinfo, .stats64, ."netns-immutable")'
}

link()
{
	local state

	need jq
	setup_pair
	equal "made" "$(link_json "$LO" lo)" "$(link_json "$RL" rlo0)"
	for state in up down up; do
		both "link set DEV $state"
		equal "$state" "$(link_json "$LO" lo)" "$(link_json "$RL" rlo0)"
	done
	matches "kind" '"info_kind":"rust_lo"' "$(ip -n "$RL" -d -j link show rlo0)"
	both "link set DEV gso_max_size 300000 gso_ipv4_max_size 70000 gro_max_size 200000"
	equal "large GSO" "$(link_json "$LO" lo)" "$(link_json "$RL" rlo0)"
	same "too large GSO" ip link set DEV gso_max_size 600000
	same "promiscuous" ip link set DEV promisc on
	same "no ARP" ip link set DEV arp off
	same "carrier" ip link set DEV carrier off
	same "a qdisc" tc qdisc replace dev DEV root pfifo
	same "a VLAN" ip link add link DEV name v0 type vlan id 5
	same "a macvlan" ip link add link DEV name m0 type macvlan
	ip -n "$LO" link add bridge type bridge
	ip -n "$RL" link add bridge type bridge
	same "a bridge" ip link set DEV master bridge
	equal "after all that" "$(link_json "$LO" lo)" "$(link_json "$RL" rlo0)"
}

addr()
{
	local step

	setup_pair
	for step in "link set DEV up" "addr add 10.9.0.1/24 dev DEV" "addr add fd00::1/64 dev DEV" \
		"addr add 10.9.1.1 dev DEV" "link set DEV down" "link set DEV up" \
		"addr del 127.0.0.1/8 dev DEV" "link set DEV down" "link set DEV up"; do
		same_batch "after $step" <<- EOF
			$step
			-4 addr show dev DEV
			-6 addr show dev DEV
			-4 route show table all
			-6 route show table all
			maddr show dev DEV
			-4 netconf show dev DEV
			-6 netconf show dev DEV
		EOF
	done
}

ethtool()
{
	setup_pair
	both "link set DEV up"
	same "features" ethtool -k DEV
	same "time stamps" ethtool -T DEV
	# No PHY and no hardware could be asked for one: start_xmit() does not look.
	same "time stamps of hardware" ethtool --get-hwtimestamp-cfg DEV
	same "time stamps of hardware, switched on" ethtool --set-hwtimestamp-cfg DEV index 0 qualifier precise
	# "ip netns exec" has the sysfs of the namespace.
	check "no PHY" ip netns exec "$RL" sh -c 'cd /sys/class/net/rlo0 && [ ! -e phydev ]'
	same "settings" ethtool DEV
	same "rings" ethtool -g DEV
	# No interrupts, no channels. Not so the statistics and the private flags,
	# see ethtool.sh and flags.sh.
	same "channels" ethtool -l DEV
	same "coalescing" ethtool -c DEV
	same "pause" ethtool -a DEV
	same "permanent address" ethtool -P DEV
	same "TSO off" ethtool -K DEV tso off gso off gro off
	same "features then" ethtool -k DEV
	same "checksums off" ethtool -K DEV tx off rx off sg off
	same "features then" ethtool -k DEV
	matches "link" 'Link detected: yes' "$(ip netns exec "$RL" ethtool rlo0)"
	both "link set DEV down"
	same "settings, down" ethtool DEV
}

driver()
{
	local text version

	setup_pair
	text=$(ip netns exec "$RL" ethtool -i rlo0)
	version=$(sed -n 's/^version: //p' <<< "$text")
	matches "driver" '^driver: rust_lo$' "$text"
	matches "version" '^[0-9]+\.[0-9]+\.[0-9]+' "$version"
}

# Values, or the error when reading, and modes.
sysfs_values()
{
	# name_assign_type says who named it, ifindex and uevent which one it is.
	# shellcheck disable=SC2016
	ip netns exec "$1" bash -c '
		cd -P "/sys/class/net/$1" || exit
		find . -type f -printf "%p mode %m\n" | sort
		grep -Hr "" . 2>&1 | grep -Ev "^\./(ifindex|iflink|uevent|name_assign_type):|/power/" | sort
		' bash "$2" 2>&1 | neutral
}

sysfs()
{
	setup_pair
	equal "made" "$(sysfs_values "$LO" lo)" "$(sysfs_values "$RL" rlo0)"
	both "link set DEV up"
	equal "up" "$(sysfs_values "$LO" lo)" "$(sysfs_values "$RL" rlo0)"
	both "link set DEV down"
	equal "down" "$(sysfs_values "$LO" lo)" "$(sysfs_values "$RL" rlo0)"
	number "attributes" "$(sysfs_values "$RL" rlo0 | wc -l)" -gt 40
}

sysctl_values()
{
	# stable_secret cannot be read before it is set.
	in_ns "$1" bash -c "
		cd /proc/sys/net && grep -H . ipv4/conf/$2/* ipv6/conf/$2/* ipv4/neigh/$2/* \
			ipv6/neigh/$2/* mpls/conf/$2/* 2> /dev/null" | neutral
}

sysctl()
{
	setup_pair
	equal "made" "$(sysctl_values "$LO" lo)" "$(sysctl_values "$RL" rlo0)"
	both "link set DEV up"
	equal "up" "$(sysctl_values "$LO" lo)" "$(sysctl_values "$RL" rlo0)"
	both "link set DEV down"
	equal "down" "$(sysctl_values "$LO" lo)" "$(sysctl_values "$RL" rlo0)"
	number "settings" "$(sysctl_values "$RL" rlo0 | wc -l)" -gt 80
	matches "disable_policy" '^1$' "$(in_ns "$RL" cat /proc/sys/net/ipv4/conf/rlo0/disable_policy)"
}

sysctl_moved()
{
	setup_pair
	setup_ns OTHER
	ip -n "$OTHER" link add rlo1 up type rust_lo
	ip -n "$RL" link del rlo0
	in_ns "$OTHER" bash -c 'echo 3 > /proc/sys/net/ipv4/conf/rlo1/arp_ignore'
	ip -n "$OTHER" link set rlo1 netns "$RL" name rlo0
	equal "moved" "$(sysctl_values "$LO" lo)" "$(sysctl_values "$RL" rlo0)"
	both "link set DEV up"
	equal "moved and up" "$(sysctl_values "$LO" lo)" "$(sysctl_values "$RL" rlo0)"
}

mtu()
{
	local mtu state

	setup_pair
	for state in down up; do
		both "link set DEV $state"
		for mtu in 0 67 68 1279 1280 65535 65536 65537 1000000 2147483647 2147483648 -1; do
			echo "link set DEV mtu $mtu"
			echo "-4 addr show dev DEV"
			echo "-6 addr show dev DEV scope host"
		done | same_batch "MTU changes while $state"
		both "link set DEV mtu 65536"
	done
	same_batch "a small MTU and back" <<- EOF
		link set DEV mtu 67
		link set DEV mtu 65536
		-4 addr show dev DEV
		-6 addr show dev DEV scope host
		-4 route show table all
		-6 route show table all
	EOF
	ip -n "$RL" link set rlo0 mtu 1234
	matches "MTU" ' mtu 1234 ' "$(ip -n "$RL" -o link show rlo0)"
}

mac()
{
	local mac state

	setup_pair
	for state in down up; do
		both "link set DEV $state"
		for mac in 00:00:00:00:00:00 02:11:22:33:44:55 01:00:5e:00:00:01 ff:ff:ff:ff:ff:ff \
			02:11 02:11:22:33:44:55:66; do
			echo "link set DEV address $mac"
			echo "link show DEV"
			echo "link set DEV broadcast $mac"
			echo "link show DEV"
		done | same_batch "address changes while $state"
		same "address type while $state" cat /sys/class/net/DEV/addr_assign_type
	done
	matches "the unicast one" 'link/loopback 02:11:22:33:44:55' "$(ip -n "$RL" -o link show rlo0)"
}

updown()
{
	setup_pair
	for _ in {1..50}; do
		echo "link set rlo0 up"
		echo "link set rlo0 down"
	done > "$TMP/batch"
	check "up and down" ip -n "$RL" -batch "$TMP/batch"
	both "link set DEV up"
	same "addresses" ip -o addr show dev DEV to 0/0
	same "addresses" ip -o -6 addr show dev DEV scope host
	same "routes" ip route show table all
	same "routes" ip -6 route show table all
	equal "addresses" "127.0.0.1/8 ::1/128" "$(ip -n "$RL" -o addr show | awk '{ print $4 }' | xargs)"
	grown "$RL" rlo0 ping_once "$RL" 127.0.0.1
}

# enable_over DEVICE: netconsole goes over it, if the kernel lets it.
enable_over()
{
	local dir=$CONFIGFS/netconsole/rlo

	mkdir "$dir"
	echo "$1" > "$dir/dev_name"
	echo 10.78.0.1 > "$dir/local_ip"
	echo 10.78.0.1 > "$dir/remote_ip"
	echo 00:00:00:00:00:00 > "$dir/remote_mac"
	echo 1 > "$dir/enabled"
}

# said DEVICE: 20 lines that the kernel says arrive, in order, while netconsole
# goes over the device. Its packets have no route: input is to take them, from an
# address of this host, for the device by their header.
said()
{
	local i

	echo 1 > "/proc/sys/net/ipv4/conf/$1/accept_local"
	ip addr add 10.78.0.1/32 dev "$1"
	background socat -u UDP4-RECV:6666 "OPEN:$TMP/said.$1,creat,append"
	wait_for listening "" -u 6666
	enable_over "$1" || return
	for i in {1..20}; do
		echo "<5>said over $1: $i" > /dev/kmsg
	done
	wait_for grep -q "said over $1: 20" "$TMP/said.$1"
	rmdir "$CONFIGFS/netconsole/rlo"
	end_background
	ip addr del 10.78.0.1/32 dev "$1"
	equal "lines over $1" "$(seq 20)" "$(sed -n "s/.*said over $1: //p" "$TMP/said.$1")"
}

# It is of the initial namespace.
netconsole()
{
	modprobe -q netconsole || skip "there is no netconsole"
	mountpoint -q "$CONFIGFS" || mount -t configfs configfs "$CONFIGFS"
	[ -d "$CONFIGFS/netconsole" ] || skip "netconsole cannot be configured (CONFIG_NETCONSOLE_DYNAMIC)"
	# Lockdep has something against it there, over lo as well.
	[ ! -e /proc/lockdep ] || skip "lockdep objects to __netif_rx() by netpoll"
	ip link add rlnc0 type rust_lo
	ip link set rlnc0 up
	# What is of level 5 is printed.
	read -r LEVEL _ < /proc/sys/kernel/printk
	echo 6 > /proc/sys/kernel/printk
	check "over lo" said lo
	if grep -q ' PREEMPT_RT ' /proc/version; then
		# Locks sleep there, of which netpoll knows nothing (Adapter::setup, net/adapter.rs).
		refused "netpoll is kept away" 'error 524' enable_over rlnc0
		rmdir "$CONFIGFS/netconsole/rlo"
	else
		grown "" rlnc0 said rlnc0
	fi
	ip link del rlnc0
}

run_tests "$@"
