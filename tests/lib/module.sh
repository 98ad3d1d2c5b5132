# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The module, and what the kernel says of it.

loaded()
{
	[ -d /sys/module/rust_lo ]
}

unload()
{
	: > "$FILE_TMP/reload"
	! loaded || timeout $((WAIT_TIMEOUT * 3)) rmmod rust_lo
}

# load [PARAMETER...]: the module afresh. Whatever a test leaves is put right
# at the end of its file.
load()
{
	unload
	insmod "$RUST_LO_KO" "$@"
}

# rust_lo_links [NS]: names of the devices.
rust_lo_links()
{
	ip ${1:+-n "$1"} -o link show type rust_lo | awk -F': ' '{ print $2 }'
}

# log_mark, log_since: what the kernel says between.
log_mark()
{
	LOG_MARK="rust_lo-tests: mark $$ $RANDOM$RANDOM"
	echo "<6>$LOG_MARK" > /dev/kmsg
}

log_since()
{
	dmesg | sed "1,/$LOG_MARK/d"
}
