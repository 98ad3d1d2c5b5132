#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What sockets see of a rust_lo device: tests/sock, a program in Rust.
#
# usage: tests/sock.sh [-v] [WORD...]   only the tests whose names have one of the words

set -euo pipefail

dir=$(dirname "${BASH_SOURCE[0]}")
program=$dir/../target/release/sock
if [ ! -x "$program" ]; then
	# Copied into a kernel tree.
	program=$dir/bin/sock
fi
if [ ! -x "$program" ]; then
	echo "KTAP version 1"
	if [ -e "$dir/../rust_lo.rs" ]; then
		echo "Bail out! tests/sock is not built: make tools"
		exit 1
	fi
	echo "1..0 # SKIP there is no $program"
	exit 4
fi
exec "$program" "$@"
