#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Connections that were opened over a device carry on over lo when the device
# goes down, away or to another namespace.
# Without it: connections that hang when their device goes down or away.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"down: the device goes down"
	"down_up: the device goes down and comes back"
	"deleted: the device is deleted"
	"moved: the device is moved to another namespace"
	"prefix: a prefix beside lo, the device goes down or is deleted"
	"removed: the module is removed"
)

# Two connections over rlo0, which was there before lo.
setup_connections()
{
	setup_loopback NS
	ip -n "$NS" link set lo up
	echo_server "$NS" 7777
	grown "$NS" rlo0 open_and_use four "TCP:127.0.0.1:7777"
	grown "$NS" rlo0 open_and_use six "TCP:[::1]:7777"
	silent "$NS" lo
}

open_and_use()
{
	open_connection "$1" "$NS" "$2" && still_open "$1"
}

over_lo()
{
	local name

	for name in four six; do
		grown "$NS" lo still_open "$name"
	done
	grown "$NS" lo ping_once "$NS" 127.0.0.1
	grown "$NS" lo ping_once "$NS" ::1
	grown "$NS" lo echoes "$NS" TCP:127.0.0.1:7777
	grown "$NS" lo echoes "$NS" "TCP:[::1]:7777"
}

down()
{
	setup_connections
	ip -n "$NS" link set rlo0 down
	over_lo
	untouched "$NS" rlo0 still_open four
}

down_up()
{
	setup_connections
	ip -n "$NS" link set rlo0 down
	over_lo
	ip -n "$NS" link set rlo0 up
	check "IPv4" still_open four
	check "IPv6" still_open six
	check "a new one" echoes "$NS" TCP:127.0.0.1:7777
}

deleted()
{
	setup_connections
	ip -n "$NS" link del rlo0
	over_lo
}

moved()
{
	setup_connections
	setup_ns OTHER
	ip -n "$NS" link set rlo0 netns "$OTHER"
	over_lo
	ip -n "$OTHER" link set rlo0 up
	grown "$OTHER" rlo0 ping_once "$OTHER" 127.0.0.1
	check "IPv4" still_open four
}

prefix()
{
	local how

	for how in "set rlo0 down" "del rlo0"; do
		setup_ns NS
		batch "$NS" <<- EOF
			link set lo up
			link add rlo0 type rust_lo
			link set rlo0 up
			addr add 127.66.0.1/16 dev rlo0
		EOF
		echo_server "$NS" 7777
		grown "$NS" rlo0 open_and_use "${how// /-}" TCP:127.66.0.1:7777
		silent "$NS" lo
		# shellcheck disable=SC2086
		ip -n "$NS" link $how
		grown "$NS" lo still_open "${how// /-}"
		grown "$NS" lo ping_once "$NS" 127.66.0.1
	done
}

removed()
{
	setup_connections
	unload
	over_lo
}

run_tests "$@"
