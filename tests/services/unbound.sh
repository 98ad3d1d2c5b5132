#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Unbound on addresses of lo1.

# shellcheck source-path=SCRIPTDIR source=names.sh
. "$(dirname "$0")/names.sh"

TESTS=(
	"addresses_dummy: interface: each address of a dummy"
	"addresses: of a rust_lo device"
	"automatic_dummy: interface-automatic: yes, a socket on :: that answers from the address asked, on a dummy"
	"automatic: on a rust_lo device"
)

# serve_names TYPE WHAT LINE...: with these lines in the configuration.
serve_names()
{
	lo1_is "$1"
	forwarder
	cat > "$TMP/unbound.conf" <<- END
		server:
		  $(printf '%s\n  ' "${@:3}")
		  outgoing-interface: ${ADDRESSES4[0]}
		  outgoing-interface: ${ADDRESSES6[0]}
		  access-control: 0.0.0.0/0 allow
		  access-control: ::/0 allow
		  module-config: iterator
		  num-threads: 1
		  do-daemonize: no
		  use-syslog: no
		  username: ""
		  chroot: ""
		  directory: "$TMP"
		  pidfile: ""
		  local-data: "here.example. A 203.0.113.1"
		forward-zone:
		  name: v4.example
		  forward-addr: $FORWARDER4
		forward-zone:
		  name: v6.example
		  forward-addr: $FORWARDER6
		remote-control:
		  control-enable: no
	END
	serve 53 unbound -c "$TMP/unbound.conf"
	ask_all
	ask_forwarder
	names_row "Unbound $(version unbound), $2"
	ask_from_wire
	stop 53
}

addresses_on()
{
	serve_names "$1" "on four addresses" "${ADDRESSES4[@]/#/interface: }" "${ADDRESSES6[@]/#/interface: }"
}

addresses_dummy()
{
	addresses_on dummy
}

addresses()
{
	addresses_on rust_lo
}

automatic_dummy()
{
	serve_names dummy "interface-automatic" "interface-automatic: yes"
}

automatic()
{
	serve_names rust_lo "interface-automatic" "interface-automatic: yes"
}

run_tests "$@"
