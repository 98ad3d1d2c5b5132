#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What sockets see of a rust_lo device: tests/sock, a program in Rust.
# Without it: time stamps, offloads, budgets, errors and lengths of sockets that
# differ from those on lo.
#
# usage: tests/sock.sh [-v] [WORD...]   only the tests whose names have one of the words

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=$PROGRAMS/sock
if [ ! -x "$program" ]; then
	echo "KTAP version 1"
	if [ -e "$TESTS_DIR/../rust_lo.rs" ]; then
		echo "Bail out! tests/sock is not built: make tools"
		exit "$ksft_fail"
	fi
	echo "1..0 # SKIP there is no $program"
	exit "$ksft_skip"
fi
# The first line is the program's, unless it is not run.
if ! loaded; then
	rc=0
	why=$(load_or_end) || rc=$?
	[ "$rc" -eq 0 ] || { printf 'KTAP version 1\n%s\n' "$why"; exit "$rc"; }
	trap 'rmmod rust_lo' EXIT
fi
"$program" "$@"
