#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What sockets see of a rust_lo device: tests/sock, a program in Rust.
#
# usage: tests/sock.sh [-v] [WORD...]   only the tests whose names have one of the words

set -euo pipefail

program=$(dirname "${BASH_SOURCE[0]}")/../target/release/sock
[ -x "$program" ] || {
	echo "Bail out! $program is not built: make tools"
	exit 1
}
exec "$program" "$@"
