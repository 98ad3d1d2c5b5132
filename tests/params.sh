#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The parameters of the module, and what is there once it is loaded.
# Without it: modprobe with a typing error in it that is taken without a word.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"default: one device, down, without parameters"
	"info: modinfo names parameters, alias and licence"
	"count: numdevs makes that many, named in order"
	"most: numdevs may be 1024"
	"up: up brings the devices up with addresses and routes"
	"namespace: the devices are in the initial namespace"
	"sysfs: the parameters can be read in sysfs, and not written"
	"range: a numdevs out of range is refused and leaves nothing"
	"switch: an up that is neither on nor off is refused"
	"halfway: a name that is taken leaves nothing behind"
	"halfway_up: nor with devices that were up"
	"memory: what was made and removed is freed"
	"again: loaded and removed ten times"
)

cleanup_hook()
{
	ip link del rust_lo2 2> /dev/null
}

default()
{
	load
	equal "devices" "rust_lo0" "$(rust_lo_links)"
	matches "state of rust_lo0" '<LOOPBACK> .* state DOWN ' "$(ip -o link show rust_lo0)"
	equal "addresses of rust_lo0" "" "$(ip -o addr show dev rust_lo0)"
	equal "routes of rust_lo0" "" "$(ip route show table all dev rust_lo0; ip -6 route show table all dev rust_lo0)"
	unload
	equal "devices after rmmod" "" "$(ip -o link show | grep rust_lo || true)"
}

info()
{
	local info
	info=$(modinfo "$RUST_LO_KO")
	matches "numdevs" '^parm: +numdevs:.*\(.*default 1\).*\(uint\)' "$info"
	matches "up" '^parm: +up:.*\(.*default off\).*\(bool\)' "$info"
	matches "alias" '^alias: +rtnl-link-rust_lo$' "$info"
	matches "licence" '^license: +GPL$' "$info"
	matches "description" '^description: +.' "$info"
}

count()
{
	load numdevs=0
	equal "devices with numdevs=0" "" "$(rust_lo_links)"
	check "the kind is there" ip link add rlt0 type rust_lo
	load numdevs=3
	equal "devices with numdevs=3" $'rust_lo0\nrust_lo1\nrust_lo2' "$(rust_lo_links)"
	load numdevs=0x2
	equal "devices with numdevs=0x2" $'rust_lo0\nrust_lo1' "$(rust_lo_links)"
}

most()
{
	load numdevs=1024
	equal "number of devices" 1024 "$(rust_lo_links | wc -l)"
	equal "the last one" rust_lo1023 "$(rust_lo_links | tail -n 1)"
	unload
	equal "devices after rmmod" "" "$(ip -o link show | grep rust_lo || true)"
}

up()
{
	local dev value

	load numdevs=2 up=1
	for dev in rust_lo0 rust_lo1; do
		matches "state of $dev" '<LOOPBACK,UP,LOWER_UP> .* state UNKNOWN ' "$(ip -o link show "$dev")"
		matches "IPv4 address of $dev" 'inet 127.0.0.1/8 scope host ' "$(ip -o addr show dev "$dev")"
		matches "IPv6 address of $dev" 'inet6 ::1/128 scope host ' "$(ip -o addr show dev "$dev")"
		matches "IPv4 route of $dev" '^local 127.0.0.0/8 .*scope host src 127.0.0.1' \
			"$(ip route show table local dev "$dev")"
		matches "IPv6 route of $dev" '^local ::1 ' "$(ip -6 route show table local dev "$dev")"
	done
	for value in up up=y up=on; do
		load "$value"
		matches "state with $value" '<LOOPBACK,UP,LOWER_UP>' "$(ip -o link show rust_lo0)"
	done
	for value in up=0 up=n; do
		load "$value"
		matches "state with $value" '<LOOPBACK>' "$(ip -o link show rust_lo0)"
	done
}

namespace()
{
	setup_ns NS
	unload
	check "insmod in another namespace" in_ns "$NS" insmod "$RUST_LO_KO" numdevs=2
	equal "devices of the initial namespace" $'rust_lo0\nrust_lo1' "$(rust_lo_links)"
	equal "devices of the other namespace" "" "$(rust_lo_links "$NS")"
}

sysfs()
{
	local dir=/sys/module/rust_lo/parameters

	load
	equal "defaults" "1 N" "$(cat "$dir/numdevs" "$dir/up" | xargs)"
	load numdevs=3 up=1
	equal "values" "3 Y" "$(cat "$dir/numdevs" "$dir/up" | xargs)"
	equal "modes" "444 444" "$(stat -c %a "$dir/numdevs" "$dir/up" | xargs)"
}

range()
{
	local value

	unload
	for value in 1025 4294967297 99999999999 -1 x "" 1.5 "1 "; do
		log_mark
		# insmod says "Invalid parameters" for EINVAL.
		refused "numdevs=$value" 'Invalid (parameters|argument)' insmod "$RUST_LO_KO" "numdevs=\"$value\""
		equal "devices after numdevs=$value" "" "$(ip -o link show | grep rust_lo || true)"
		check "not loaded after numdevs=$value" [ ! -e /sys/module/rust_lo ]
		matches "the log names numdevs=$value" "rust_lo: .*numdevs=$value: .*0 to 1024" "$(log_since)"
		! loaded || rmmod rust_lo
	done
	refused "numdevs without a value" 'Invalid (parameters|argument)' insmod "$RUST_LO_KO" numdevs
	check "the next insmod" load
}

switch()
{
	unload
	refused "up=2" 'Invalid (parameters|argument)' insmod "$RUST_LO_KO" up=2
	check "not loaded" [ ! -e /sys/module/rust_lo ]
}

halfway()
{
	unload
	log_mark
	ip link add rust_lo2 type dummy
	# The kernel makes EBUSY of an EEXIST that a module's init returns.
	refused "rust_lo2 is taken" 'File exists|resource busy' insmod "$RUST_LO_KO" numdevs=5 "$@"
	matches "the log names rust_lo2" 'rust_lo: .*rust_lo2.*EEXIST' "$(log_since)"
	equal "what is left" "rust_lo2" "$(ip -o link show | awk -F': ' '$2 ~ /^rust_lo/ { print $2 }')"
	check "not loaded" [ ! -e /sys/module/rust_lo ]
	equal "addresses of 127.0.0.1" "1" "$(ip -o addr show to 127.0.0.1 | wc -l)"
	refused "the kind is gone" 'Unknown device type|not supported' ip link add rlt0 type rust_lo
	ip link del rust_lo2
	check "the next insmod" insmod "$RUST_LO_KO" numdevs=5 "$@"
	equal "devices of the next insmod" 5 "$(rust_lo_links | wc -l)"
}

halfway_up()
{
	halfway up=1
}

# Memory of the kernel that cannot be reclaimed, in KiB.
kernel_memory()
{
	local slab

	for slab in /sys/kernel/slab/kmalloc-*/shrink; do
		echo 1 > "$slab"
	done
	awk '/^(SUnreclaim|Percpu):/ { sum += $2 } END { print sum }' /proc/meminfo
}

# little_more BEFORE KIB
little_more()
{
	[ $(($(kernel_memory) - $1)) -lt "$2" ]
}

memory()
{
	local before

	[ -w /sys/kernel/slab/kmalloc-4k/shrink ] || skip "slabs cannot be shrunk"
	# What is made at the first time only is made now.
	load numdevs=256
	unload
	before=$(kernel_memory)
	for _ in 1 2 3 4; do
		load numdevs=256
		unload
	done
	# A device takes some 3 KiB, and its counters and sysfs entries the same. The last
	# ones are freed by RCU and its like, when they have the time.
	wait_for little_more "$before" 1500 ||
		number "KiB more after 1024 devices" "$(($(kernel_memory) - before))" -lt 1500
}

again()
{
	local i

	for i in {1..10}; do
		load numdevs=4 "up=$((i % 2))"
	done
	equal "devices" 4 "$(rust_lo_links | wc -l)"
	unload
	equal "devices after rmmod" "" "$(ip -o link show | grep rust_lo || true)"
	equal "addresses after rmmod" "" "$(ip -o addr show | grep rust_lo || true)"
}

run_tests "$@"
