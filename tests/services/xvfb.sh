#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# X over a TCP socket: Xvfb and its clients.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("xvfb: clients of X over each name of localhost")

xvfb()
{
	local host

	localhost
	serve 6007 Xvfb :7 -listen tcp -nolisten unix -nolisten local -ac -noreset -screen 0 800x600x24
	for host in 127.0.0.1 '[::1]' localhost; do
		over "$host" env DISPLAY="$host:7" xdpyinfo
		matches "xdpyinfo over $host" 'dimensions: +800x600' "$OUT"
		over "$host" env DISPLAY="$host:7" xprop -root -f RUST_LO 8s -set RUST_LO "by $host"
		over "$host" env DISPLAY=127.0.0.1:7 xprop -root RUST_LO
		equal "a property set over $host" "RUST_LO(STRING) = \"by $host\"" "$OUT"
	done
	stop 6007
	row "Xvfb $(version xvfb)" "xdpyinfo, xprop" "9 clients, all answered"
}

run_tests "$@"
