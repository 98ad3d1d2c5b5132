#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the driver's source promises.
# Without it: a driver with unsafe code of its own.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"safe: there is no unsafe in the driver"
)

safe()
{
	local source

	for source in rust_lo.rs steering.rs; do
		[ -e "$TESTS_DIR/../$source" ] || skip "there is no source beside the tests"
		equal "lines with unsafe in $source" 0 "$(grep -c unsafe "$TESTS_DIR/../$source" || true)"
	done
}

run_tests "$@"
