#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Making devices with ip link add, and what is refused.
# Without it: `ip link add` that takes nonsense, or refuses without saying why.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"names: any number of devices in any namespace, with and without a name"
	"taken: a name that is taken is refused"
	"attributes: MTU, queue length, addresses and state can be given at once"
	"addresses: addresses of a wrong length or multicast are refused, with a reason"
	"queues: several queues, and traffic over them"
	"delete: a device can be deleted, up or down, and made again"
	"autoload: ip link add loads the module"
)

MODULES=/lib/modules/$(uname -r)

cleanup_hook()
{
	if [ -e "$TMP/mounted" ]; then
		umount "$MODULES"
	fi
}

names()
{
	setup_ns A B

	batch "$A" <<- EOF
		link add type rust_lo
		link add type rust_lo
		link add first type rust_lo
		link add name 123456789012345 type rust_lo
	EOF
	batch "$B" <<- EOF
		link add type rust_lo
		link add first type rust_lo
	EOF
	equal "devices of A" "123456789012345 first rust_lo0 rust_lo1" "$(rust_lo_links "$A" | sort | xargs)"
	equal "devices of B" "first rust_lo0" "$(rust_lo_links "$B" | sort | xargs)"
	check "one in the initial namespace" ip link add rlt0 type rust_lo
	matches "it is there" '^rlt0$' "$(rust_lo_links)"
	check "from outside" ip link add rlt1 netns "$A" type rust_lo
	matches "it is in A" '^rlt1$' "$(rust_lo_links "$A")"
	batch "$A" <<- EOF
		link property add dev first altname another-name-for-it
		link set another-name-for-it up
		link set 123456789012345 up
	EOF
	grown "$A" first ping_once "$A" 127.0.0.1
}

taken()
{
	setup_ns NS

	ip -n "$NS" link add rlo0 type rust_lo
	refused "rlo0 again" 'File exists' ip -n "$NS" link add rlo0 type rust_lo
	refused "lo" 'File exists' ip -n "$NS" link add lo type rust_lo
	equal "devices" rlo0 "$(rust_lo_links "$NS")"
}

attributes()
{
	setup_ns NS

	batch "$NS" <<- EOF
		link add rlo0 mtu 1500 txqueuelen 7 up address 02:11:22:33:44:55 broadcast ff:ff:ff:ff:ff:ff type rust_lo
		link add rlo1 address 00:00:00:00:00:00 type rust_lo
	EOF
	matches "rlo0" '<LOOPBACK,UP,LOWER_UP> mtu 1500 .* qlen 7.* 02:11:22:33:44:55 brd ff:ff:ff:ff:ff:ff' \
		"$(ip -n "$NS" -o link show rlo0)"
	matches "rlo1" 'link/loopback 00:00:00:00:00:00' "$(ip -n "$NS" -o link show rlo1)"
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
}

addresses()
{
	setup_ns NS

	add() {
		ip -n "$NS" link add rlo0 "$@" type rust_lo
	}
	refused "address, 3 bytes" '^Error: .*address has 3 bytes' add address 02:11:22
	refused "address, 7 bytes" '^Error: .*address has 7 bytes' add address 02:11:22:33:44:55:66
	refused "broadcast, 3 bytes" '^Error: .*broadcast address has 3 bytes' add broadcast ff:ff:ff
	refused "broadcast, 8 bytes" '^Error: .*broadcast address has 8 bytes' \
		add broadcast ff:ff:ff:ff:ff:ff:ff:ff
	refused "multicast address" '^Error: .*multicast' add address 01:00:5e:00:00:01
	refused "broadcast address as address" '^Error: .*multicast' add address ff:ff:ff:ff:ff:ff
	add address 01:00:5e:00:00:01 > "$TMP/out" 2>&1 || true
	equal "devices" "" "$(rust_lo_links "$NS")"
	check "a good one after them" add address 02:11:22:33:44:55 broadcast 33:33:00:00:00:01
}

queues()
{
	local entries

	setup_ns NS
	batch "$NS" <<- EOF
		link add rlo0 numtxqueues 4 numrxqueues 3 type rust_lo
		link add rlo1 type rust_lo
		link set rlo0 up
	EOF
	entries=$(ip netns exec "$NS" ls /sys/class/net/rlo0/queues)
	equal "queues of rlo0" "rx-0 rx-1 rx-2 tx-0 tx-1 tx-2 tx-3" "$(xargs <<< "$entries")"
	entries=$(ip netns exec "$NS" ls /sys/class/net/rlo1/queues)
	equal "queues of rlo1" "rx-0 tx-0" "$(xargs <<< "$entries")"
	matches "as ip shows them" 'numtxqueues 4 numrxqueues 3 ' "$(ip -n "$NS" -d -o link show rlo0)"
	echo_server "$NS" 7777
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	grown "$NS" rlo0 echoes "$NS" TCP:127.0.0.1:7777
	grown "$NS" rlo0 echoes "$NS" "TCP:[::1]:7777"
	grown "$NS" rlo0 in_ns "$NS" ping -q -n -f -c 50 127.0.0.1
	refused "no queues" . ip -n "$NS" link add rlo2 numtxqueues 0 type rust_lo
}

delete()
{
	local i

	setup_ns NS
	for i in {1..10}; do
		echo "link add rlo0 type rust_lo"
		[ "$((i % 2))" = 0 ] || echo "link set rlo0 up"
		echo "link del rlo0"
	done > "$TMP/batch"
	check "made and deleted ten times" ip -n "$NS" -batch "$TMP/batch"
	equal "devices" "" "$(rust_lo_links "$NS")"
	equal "addresses" "" "$(ip -n "$NS" -o addr show)"
	equal "routes" "" "$(ip -n "$NS" route show table all; ip -n "$NS" -6 route show table all)"
}

autoload()
{
	need depmod modprobe

	setup_ns NS
	unload
	# depmod would take minutes for all modules: hide all but this one.
	mkdir -p "$TMP/root/lib/modules/$(uname -r)"
	cp "$RUST_LO_KO" "$TMP/root/lib/modules/$(uname -r)/"
	depmod -b "$TMP/root" "$(uname -r)" 2> /dev/null
	mount --bind "$TMP/root$MODULES" "$MODULES"
	: > "$TMP/mounted"

	check "ip link add" ip -n "$NS" link add rlo0 type rust_lo
	check "loaded" loaded
	equal "devices" rlo0 "$(rust_lo_links "$NS")"
}

run_tests "$@"
