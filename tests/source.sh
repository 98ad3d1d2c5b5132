#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the driver's source promises.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"safe: there is no unsafe in rust_lo.rs"
)

safe()
{
	local source=$TESTS_DIR/../rust_lo.rs

	[ -e "$source" ] || skip "there is no source beside the tests"
	equal "lines with unsafe" 0 "$(grep -c unsafe "$source" || true)"
}

run_tests "$@"
