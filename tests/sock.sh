#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What sockets see of a rust_lo device: tests/sock, a program in Rust.
#
# usage: tests/sock.sh [-v] [WORD...]   only the tests whose names have one of the words

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=$PROGRAMS/sock
if [ ! -x "$program" ]; then
	echo "KTAP version 1"
	if [ -e "$TESTS_DIR/../rust_lo.rs" ]; then
		echo "Bail out! tests/sock is not built: make tools"
		exit 1
	fi
	echo "1..0 # SKIP there is no $program"
	exit "$ksft_skip"
fi
if ! loaded; then
	[ -e "$RUST_LO_KO" ] || { echo "1..0 # SKIP no rust_lo, neither loaded nor in $RUST_LO_KO"; exit "$ksft_skip"; }
	insmod "$RUST_LO_KO" || { echo "Bail out! $RUST_LO_KO cannot be loaded"; exit "$ksft_fail"; }
	trap 'rmmod rust_lo' EXIT
fi
"$program" "$@"
