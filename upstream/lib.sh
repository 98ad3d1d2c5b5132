# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What upstream/test and upstream/inside share.

# shellcheck source-path=SCRIPTDIR source=../qemu/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../qemu/lib.sh"
# shellcheck disable=SC2034 # for who reads this
DIR=$CACHE/series IMAGE=$CACHE/series/vmlinuz-rust-lo-series
SERIES=$TOP/build/series

# diff_of PATCH: without what is another one each time it is made.
diff_of() {
	sed -n '/^diff --git/,$p' "$1"
}

# series: its patches, in order, without the cover letter.
series() {
	find "$SERIES" -name '0*.patch' ! -name '0000-*' | sort
}
