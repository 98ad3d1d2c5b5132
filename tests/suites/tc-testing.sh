#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's tests of queueing disciplines, filters and actions
# (tools/testing/selftests/tc-testing): those that use $DUMMY, with a dummy as they are,
# and with a rust_lo device for it. What then comes out differently is run with the
# kernel's own lo for it.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../kselftests/compare.sh
. "$TESTS_DIR/kselftests/compare.sh"

TESTS=(
	"dummy: cases that use \$DUMMY come out the same with a dummy and with rust_lo, or as with lo"
)

# The names of the devices begin with this.
declare -A NAME=([lo]=dummy1 [rust_lo]=rust1 [real]=real1)

# tree WHICH: tc-testing with this kind of device in the place of the dummy. After a case
# that fails in its setup tdc skips the rest of its batch, and a process that takes another
# batch then has names that are too long; so they are small, and each has a process.
tree()
{
	cp -r "$SUITES/tc-testing" tc
	cd tc
	sed -i 's/n + 32\]/n + 8]/; s/, 32)\]/, 8)]/; s/Pool(args.mp)/Pool(args.mp, maxtasksperchild=1)/
		s/p.map(__mp_runner, batches)/p.map(__mp_runner, batches, chunksize=1)/' tdc.py
	echo "EXTRA_NAMES = {'DUMMY': '${NAME[$1]}'}" > tdc_config_local.py
	case $1 in
	rust_lo)
		[ "${PREFER:-}" != n ] || return 0
		sed -i "s/kind='dummy'/kind='rust_lo'/; s/type dummy/type rust_lo/" plugin-lib/nsPlugin.py
		find tc-tests -name '*.json' -exec sed -i 's/type dummy/type rust_lo/' {} +
		;;
	real)
		sed -i "s/ip.link('add', ifname=dummy, kind='dummy')/ip.link('set', index=1, ifname=dummy)/" plugin-lib/nsPlugin.py
		;;
	esac
}

# ids: of the cases that use $DUMMY, all in namespaces of tdc's own.
ids()
{
	python3 - <<- 'END'
		import glob, json
		for file in glob.glob("tc-tests/**/*.json", recursive=True):
		    for case in json.load(open(file)):
		        if "$DUMMY" in json.dumps(case):
		            print(case["id"])
	END
}

# tdc ID...: where process 1 and /run/netns are its own, as tdc uses both.
tdc()
{
	unshare --net --mount --pid --fork --mount-proc sh -ec '
		mount -t tmpfs tmpfs /run/netns
		ip link set lo up
		exec ./tdc.py -J 2 --outfile tap -e "$@"' tdc "$@" || [ "$?" -eq 1 ]
}

# What was skipped after another is run again.
cases()
{
	local left

	tree "$1"
	shift
	if [ "$#" -ne 0 ]; then
		left=("$@")
	else
		mapfile -t left < <(ids)
	fi
	while [ "${#left[@]}" -ne 0 ]; do
		rm -f tap
		tdc "${left[@]}"
		sed -n '/# skipped - skipped - previous/d
			s/^not ok [0-9]* \([0-9a-f]*\) - .*/\1 failed/p
			/# skipped/s/^ok [0-9]* \([0-9a-f]*\) - .*/\1 skipped/p
			s/^ok [0-9]* \([0-9a-f]*\) - .*/\1 passed/p' tap > now
		[ -s now ] || return 1
		cat now >> ../results
		mapfile -t left < <(printf '%s\n' "${left[@]}" | grep -vxFf <(cut -d ' ' -f 1 now) || true)
	done
}

# As lo itself, which is run once for all of them: with its MTU sfq and qfq have other
# limits, and what a ping sends comes back through the qdisc's device, where a dummy
# swallows it.
explained()
{
	local names

	if [ ! -e "$TMP/real-real" ]; then
		mkdir "$TMP/real-real"
		mapfile -t names < "$TMP/again"
		(
			cd "$TMP/real-real"
			cases real "${names[@]}"
		) > "$TMP/real-real/log" 2>&1 < /dev/null
		sort -u "$TMP/real-real/results" > "$TMP/real-real/sorted"
	fi
	[ "$(outcomes real "$1")" = "$(outcomes rust_lo "$1")" ]
}

# A dummy calls no netif_rx().
packets()
{
	BESIDE=0
	CARRIED=$(TRACE=$TRACING/netif_rx carried "${NAME[rust_lo]}.*")
	REFERENCE=$(TRACE=$TRACING/net_dev_xmit carried "${NAME[lo]}.*")
	TRACE=$TRACING/netif_rx end_count
	TRACE=$TRACING/net_dev_xmit end_count
}

dummy()
{
	long
	begin "cases with \$DUMMY"
	NOTE="are as with lo itself in the place of the dummy"
	modprobe -a dummy ifb veth
	TRACE=$TRACING/netif_rx count
	TRACE=$TRACING/net_dev_xmit count
	compare "Linux $(cat "$SUITES/tc-testing/.version")" cases 400
}

TRACING=/sys/kernel/tracing/events/net
run_tests "$@"
