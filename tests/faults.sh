#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Errors on demand: each allocation of an operation fails in turn, and notifiers
# refuse. For kernels with fault injection (qemu/vm --kernel debug). What the
# kernel itself has to say to that is taken out of its log by faults.awk.
# Without it: a leak or a crash where memory runs out halfway through an
# operation.
#
# FAULTS_EVERY=N takes only each N-th allocation of insmod, which has most.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"load_faults: insmod numdevs=3 up=1, each allocation failing in turn"
	"newlink: ip link add, each allocation failing in turn"
	"open: ip link set up, each allocation failing in turn"
	"move: ip link set netns, each allocation failing in turn"
	"dellink: ip link del, each allocation failing in turn"
	"peer: the same four on a dummy device end as well"
	"freed: namespaces in which all that happened are freed"
	"register: a notifier refuses the device, before, between and after those of the module"
	"notifiers: a notifier refuses to let it up, its MTU, its name"
)

DEBUGFS=/sys/kernel/debug
MODPROBE=/proc/sys/kernel/modprobe
ACTIONS=$DEBUGFS/notifier-error-inject/netdev/actions

mark()
{
	echo "<6>rust_lo-tests: faults $1" > /dev/kmsg
}

cleanup_hook()
{
	local file

	if [ -s "$TMP/modprobe" ]; then
		cat "$TMP/modprobe" > "$MODPROBE"
		mark end
	fi
	for file in "$DEBUGFS"/fail*/reject-{start,end}; do
		[ ! -e "$file" ] || echo 0 > "$file"
	done
	for file in "$ACTIONS"/*/error; do
		[ ! -e "$file" ] || echo 0 > "$file"
	done
	[ ! -d /sys/module/netdev_notifier_error_inject/holders ] || rmmod netdev-notifier-error-inject
}

# spare SYMBOL: the allocations of that function of the kernel do not fail.
spare()
{
	local attribute range

	# Up to the symbol after it.
	range=$(sort /proc/kallsyms | awk -v name="$1" '
		start && !end { end = $1 }
		$3 == name { start = $1 }
		END { print "0x" start, "0x" end }')
	for attribute in failslab fail_page_alloc; do
		[ -e "$DEBUGFS/$attribute/reject-start" ] ||
			skip "the kernel cannot spare $1 (CONFIG_FAULT_INJECTION_STACKTRACE_FILTER)"
		echo 32 > "$DEBUGFS/$attribute/stacktrace-depth"
		echo "${range% *}" > "$DEBUGFS/$attribute/reject-start"
		echo "${range#* }" > "$DEBUGFS/$attribute/reject-end"
	done
}

# Past the point where it could be undone, __dev_change_net_namespace()
# (net/core/dev.c) renames the device in sysfs. Out of memory, that says
# WARN_ON() and leaves sysfs with the tag of the old namespace: used after free
# when that one is gone (kernfs_name_compare()), with any device.
move_allocations()
{
	[ ! -d "$DEBUGFS/failslab" ] || spare device_rename
	each_allocation move "$1"
}

# each_allocation ARGUMENT...: of failnth.
each_allocation()
{
	local attribute

	if [ ! -e /proc/self/fail-nth ] || [ ! -d "$DEBUGFS/failslab" ] || [ ! -d "$DEBUGFS/fail_page_alloc" ]; then
		skip "the kernel cannot let allocations fail (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC)"
	fi
	need_program failnth
	for attribute in failslab fail_page_alloc; do
		echo N > "$DEBUGFS/$attribute/ignore-gfp-wait"
		# A stack for each of thousands tells nothing.
		echo 0 > "$DEBUGFS/$attribute/verbose"
	done
	echo N > "$DEBUGFS/failslab/cache-filter"
	# Pages of user space, and of vmalloc(), whose failure is reported at length.
	echo Y > "$DEBUGFS/fail_page_alloc/ignore-gfp-highmem"
	echo 0 > "$DEBUGFS/fail_page_alloc/min-order"
	# Else a kind that is not there is looked for as a module each time.
	[ -s "$TMP/modprobe" ] || cat "$MODPROBE" > "$TMP/modprobe"
	echo > "$MODPROBE"
	mark begin
	"$PROGRAM" "$@" || fail "failnth $*: exit status $?"
}

load_faults()
{
	unload
	each_allocation --every "${FAULTS_EVERY:-1}" load rust_lo "$RUST_LO_KO" "numdevs=3 up=1"
	check "insmod" insmod "$RUST_LO_KO"
	setup_loopback NS
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
}

newlink()
{
	each_allocation newlink rust_lo
}

open()
{
	each_allocation open rust_lo
}

move()
{
	move_allocations rust_lo
}

dellink()
{
	each_allocation dellink rust_lo
}

peer()
{
	local operation

	modprobe dummy numdummies=0 2> /dev/null || true
	for operation in newlink open dellink; do
		each_allocation "$operation" dummy
	done
	move_allocations dummy
}

freed()
{
	remember_namespaces
	each_allocation open rust_lo
	move_allocations rust_lo
	check "rmmod" unload
	namespaces_freed
}

# injected ACTION: a notifier refuses that with ENOSPC, which nobody else says.
injected()
{
	echo -28 > "$ACTIONS/$1/error"
}

uninjected()
{
	echo 0 > "$ACTIONS/$1/error"
}

NOSPC='No space left on device'

# injector [PRIORITY]: the module that injects, if it is one.
injector()
{
	[ ! -d /sys/module/netdev_notifier_error_inject/holders ] || rmmod netdev-notifier-error-inject
	[ -d "$ACTIONS" ] || modprobe -q netdev-notifier-error-inject priority="$1" || true
	[ -d "$ACTIONS" ] || skip "the kernel has no error injection for notifiers of devices"
}

register()
{
	local priority action

	remember_namespaces
	setup_ns NS OTHER
	# Those of the module are at -9 and -11, around one of IPv6 at -10.
	for priority in 100 -9 -10 -11 -100; do
		injector "$priority"
		for action in NETDEV_POST_INIT NETDEV_REGISTER; do
			unload
			injected "$action"
			refused "insmod, $action at $priority" "$NOSPC" insmod "$RUST_LO_KO" numdevs=2
			check "nothing is left" test ! -e /sys/module/rust_lo -a ! -e /sys/class/net/rust_lo0
			check "insmod without devices" insmod "$RUST_LO_KO" numdevs=0
			refused "ip link add, $action at $priority" "$NOSPC" ip -n "$NS" link add rlo0 type rust_lo
			equal "devices" "" "$(rust_lo_links "$NS")"
			uninjected "$action"
			batch "$NS" <<- EOF
				link add rlo0 type rust_lo
				link set rlo0 up
			EOF
			grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
			grown "$NS" rlo0 ping_once "$NS" ::1
			# A move is past the point where it could be refused. What comes
			# later in the chain knows nothing of it, until the next one.
			injected "$action"
			check "move, $action at $priority" ip -n "$NS" link set rlo0 netns "$OTHER"
			uninjected "$action"
			check "and back" ip -n "$OTHER" link set rlo0 netns "$NS"
			check "up" ip -n "$NS" link set rlo0 up
			grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
			grown "$NS" rlo0 ping_once "$NS" ::1
			check "deleted" ip -n "$NS" link del rlo0
		done
		# Built in, it has one priority.
		[ -d /sys/module/netdev_notifier_error_inject/holders ] || break
	done
	ip netns del "$NS"
	ip netns del "$OTHER"
	namespaces_freed
}

notifiers()
{
	injector 0
	setup_loopback NS
	ip -n "$NS" link set rlo0 down

	injected NETDEV_PRE_UP
	refused "up" "$NOSPC" ip -n "$NS" link set rlo0 up
	matches "state" 'state DOWN' "$(ip -n "$NS" link show rlo0)"
	unload
	refused "insmod up=1" "$NOSPC" insmod "$RUST_LO_KO" numdevs=2 up=1
	check "nothing is left" test ! -e /sys/module/rust_lo -a ! -e /sys/class/net/rust_lo0
	uninjected NETDEV_PRE_UP
	check "insmod" insmod "$RUST_LO_KO" numdevs=2 up=1
	batch "$NS" <<- EOF
		link add rlo0 type rust_lo
		link set rlo0 up
	EOF
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1

	for action in NETDEV_PRECHANGEMTU NETDEV_CHANGEMTU; do
		injected "$action"
		refused "MTU, $action" "$NOSPC" ip -n "$NS" link set rlo0 mtu 1500
		matches "MTU, $action" 'mtu 65536' "$(ip -n "$NS" link show rlo0)"
		uninjected "$action"
	done
	check "MTU" ip -n "$NS" link set rlo0 mtu 1500
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1 -s 9000

	injected NETDEV_CHANGENAME
	refused "name" "$NOSPC" ip -n "$NS" link set rlo0 name other
	equal "name" rlo0 "$(rust_lo_links "$NS")"
	uninjected NETDEV_CHANGENAME
	check "name" ip -n "$NS" link set rlo0 name other
	grown "$NS" other ping_once "$NS" ::1
}

run_tests "$@"
