#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dnsmasq on addresses of lo1.

# shellcheck source-path=SCRIPTDIR source=names.sh
. "$(dirname "$0")/names.sh"

TESTS=(
	"wildcard_dummy: a socket on :: that answers from the address asked, on a dummy"
	"wildcard: on a rust_lo device"
	"bind_dummy: --bind-interfaces --interface=lo1, a dummy"
	"bind: a rust_lo device"
	"dynamic_dummy: --bind-dynamic, a dummy"
	"dynamic: a rust_lo device"
)

# serve_names TYPE OPTION... Where an --interface is given, eth0 has to be as well:
# dnsmasq looks at the one that a question of PEER's came in by (over IPv6 even with
# --bind-interfaces).
serve_names()
{
	lo1_is "$1"
	shift
	forwarder
	serve 53 dnsmasq -k -C /dev/null -u root -x "$TMP/dnsmasq.pid" --no-resolv --no-hosts "$@" \
		--host-record=here.example,203.0.113.1 \
		--server="/v4.example/$FORWARDER4@${ADDRESSES4[0]}" --server="/v6.example/$FORWARDER6@${ADDRESSES6[0]}"
	ask_all
	ask_forwarder
	names_row "dnsmasq $(version dnsmasq-base), ${*:-wildcard}"
	ask_from_wire
	stop 53
}

wildcard_dummy()
{
	serve_names dummy
}

wildcard()
{
	serve_names rust_lo
}

bind_dummy()
{
	serve_names dummy --bind-interfaces --interface=lo1 --interface=eth0
}

bind()
{
	serve_names rust_lo --bind-interfaces --interface=lo1 --interface=eth0
}

dynamic_dummy()
{
	serve_names dummy --bind-dynamic --interface=lo1 --interface=eth0
}

dynamic()
{
	serve_names rust_lo --bind-dynamic --interface=lo1 --interface=eth0
}

run_tests "$@"
