#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's tests of drivers (tools/testing/selftests/drivers/net), with NETIF: a rust_lo
# device, and lo. Their other host, which a loopback device does not reach, is the same
# one by another address.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"netif: scripts of drivers/net come out the same with NETIF=lo1, a rust_lo device, and NETIF=lo"
	"hw: scripts of drivers/net/hw do"
)

# scripts WHICH [CASE...]: of DIR; a case is SCRIPT.FUNCTION, and SCRIPT:exit. It is run
# again with its whole script. /sys has to be that of the namespace. gro.py is left out: it
# wants another machine, and hardly comes to an end on lo.
scripts()
{
	local which=$1 ns=$NS device=lo1 script rc
	shift

	if [ "$which" = lo ]; then
		ns=$LO device=lo
	fi
	for script in "$SUITES/drivers-net/tools/testing/selftests/drivers/net$DIR"/*.py; do
		script=$(basename "$script" .py)
		[ "$script" != gro ] || continue
		[ "$#" -eq 0 ] || [[ " $*" == *" $script"[.:]* ]] || continue
		rc=0
		echo "--- $script"
		ip netns exec "$ns" env -C "$SUITES/drivers-net/tools/testing/selftests/drivers/net$DIR" \
			NETIF="$device" LOCAL_V4=192.0.2.1 REMOTE_V4=192.0.2.2 LOCAL_V6=2001:db8:1::1 REMOTE_V6=2001:db8:1::2 \
			REMOTE_TYPE=netns REMOTE_ARGS="$ns" timeout 300 python3 "./$script.py" > out 2>&1 || rc=$?
		cat out
		sed -n 's/^not ok [0-9]* \([^ ]*\).*/\1 failed/p; s/^ok [0-9]* \([^ ]*\).*# SKIP.*/\1 skipped/p; t
			s/^ok [0-9]* \([^ ]*\).*# XFAIL.*/\1 expected-to-fail/p; t; s/^ok [0-9]* \([^ ]*\).*/\1 passed/p' out >> results
		case $rc in
		0) rc=passed ;;
		4) rc=skipped ;;
		*) rc=failed-$rc ;;
		esac
		echo "$script:exit $rc" >> results
	done
}

# What lo cannot do and a rust_lo device can is no fault. A case is skipped on lo, which
# has no counters by queue, and passes here. Three scripts do not skip for what is missing
# there, but fail or end: counters by queue (rss_ctx, tso), and an answer to `ethtool -i`
# (devlink_rate_tc_bw; ethtool_get_drvinfo(), net/ethtool/ioctl.c).
explained()
{
	case "$1 $(outcomes lo "$1"),$(outcomes rust_lo "$1")" in
	*' skipped,passed') ;;
	'tso.'*' ,skipped' | 'tso:exit failed-1,passed') ;;
	'rss_ctx.test_rss_key_indir failed,skipped') ;;
	'devlink_rate_tc_bw.test_no_tc_mapping_bandwidth failed,skipped' | 'devlink_rate_tc_bw:exit failed-1,passed') ;;
	*) return 1 ;;
	esac
}

# below DIR
below()
{
	DIR=$1 NOTE="lo cannot do"
	begin "drivers/net$DIR with NETIF="
	setup_ns NS LO
	TYPE=rust_lo DEVICE=lo1 LOCALHOST=off
	[ "${PREFER:-}" != n ] || TYPE=dummy
	ip -n "$NS" link set lo up
	ip -n "$LO" link set lo up
	loopback "$NS" lo1
	device_has "$NS" lo1
	device_has "$LO" lo
	compare "Linux $(cat "$SUITES/drivers-net/.version")" scripts 10
}

# device_has NS DEVICE: the addresses.
device_has()
{
	batch "$1" <<- END
		address add 192.0.2.1/32 dev $2
		address add 192.0.2.2/32 dev $2
		address add 2001:db8:1::1/128 dev $2
		address add 2001:db8:1::2/128 dev $2
	END
}

netif()
{
	below ""
}

hw()
{
	below /hw
}

run_tests "$@"
