# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the suites of others share, besides tests/services/lib.sh. A suite is run twice:
# on lo, and on rust_lo; each of its cases has to come out the same. Its
# script has a function for that, which is called as FUNCTION WHICH [CASE...] in a
# directory of its own: all cases, or these, on WHICH, which is lo or rust_lo. It writes
# a line into the file results for each: its name, without spaces, and what came of
# it, "passed" if that is it.

# shellcheck source-path=SCRIPTDIR source=../services/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../services/lib.sh"

# What tests/suites/build has made, below the root. The guest can write there; nothing
# of it stays.
# shellcheck disable=SC2034
SUITES=/opt/suites
# How often what came out differently is run again, on both: some of it depends on the
# time things take.
AGAIN=${AGAIN:-3}
# How many names of cases a row has.
NAMES=12

# long: what takes longer than ten minutes is run only if that is wanted.
long()
{
	[ -z "${LONG:-}" ] || return 0
	# No row of its own, but nothing that has failed.
	[ -z "${ROWS:-}" ] || touch "$ROWS/$(basename "$0" .sh)"
	skip "takes longer than ten minutes, for --all"
}

# begin PART: its row, until there is a better one.
begin()
{
	PART=$1
	put_row - - '**failed** before there was a result' - - - -
}

# put_row COLUMN...: after those that say what it is, and before date and kernel. The
# file is for the script run.
put_row()
{
	local file columns

	[ -n "${ROWS:-}" ] || return 0
	file=$ROWS/$(basename "$0" .sh)
	columns=$(printf ' %s |' "$(basename "$0" .sh)" "$PART" "$@" "$(date -u +%F)" "$(uname -r)")
	touch "$file"
	grep -vF "| $(basename "$0" .sh) | $PART |" "$file" > "$file.new" || true
	echo "|$columns" >> "$file.new"
	mv "$file.new" "$file"
}

# on_localhost: the namespace NS, where localhost is rust_lo0's, and LO, which has but lo.
on_localhost()
{
	localhost
	setup_ns LO
	check "lo" ip -n "$LO" link set lo up
}

# on WHICH COMMAND...: in one of the two; RUN is the directory of the run.
on()
{
	local ns=$NS

	[ "$1" != lo ] || ns=$LO
	nsenter "--net=/run/netns/$ns" -- env TMPDIR="$RUN/tmp" "${@:2}"
}

# both NAME FUNCTION [CASE...]: at the same time, unless ONE_BY_ONE is set. Leaves
# NAME-lo/sorted and NAME-rust_lo/sorted.
both()
{
	local name=$1 function=$2 which rc pids=()
	shift 2

	for which in lo rust_lo; do
		mkdir -p "$TMP/$name-$which/tmp"
		(
			RUN=$TMP/$name-$which
			cd "$RUN"
			"$function" "$which" "$@"
		) > "$TMP/$name-$which/log" 2>&1 < /dev/null &
		pids+=("$!")
		echo "$!" >> "$TMP/pids"
		[ -z "${ONE_BY_ONE:-}" ] || wait "$!" || true
	done
	for which in lo rust_lo; do
		rc=0
		wait "${pids[0]}" || rc=$?
		pids=("${pids[@]:1}")
		[ "$rc" -eq 0 ] || {
			fail "the suite on $which comes to an end: exit status $rc"
			say "$(tail -n 20 "$TMP/$name-$which/log")"
		}
		touch "$TMP/$name-$which/results"
		sort -u "$TMP/$name-$which/results" > "$TMP/$name-$which/sorted"
	done
}

# outcomes WHICH CASE: of all times it was run.
outcomes()
{
	awk -v name="$2" '$1 == name { print $2 }' "$TMP"/*"-$1/sorted" | sort -u | xargs
}

# varies CASE: it came out the same after all, or passes on both at times.
varies()
{
	local lo rust_lo

	lo=$(outcomes lo "$1") rust_lo=$(outcomes rust_lo "$1")
	[ "$lo" = "$rust_lo" ] || [[ " $lo " == *" passed "* && " $rust_lo " == *" passed "* ]]
}

# packets: sets CARRIED, by rust_lo, BESIDE, by the lo beside it, and REFERENCE, where
# there is but lo.
packets()
{
	counters "$LO" lo
	REFERENCE=$rx_packets
	counters "$NS" lo
	BESIDE=$rx_packets
	counters "$NS" "$DEVICE"
	CARRIED=$rx_packets
	[ -n "${LO_TOO:-}" ] || silent "$NS" lo
}

# names FILE: for the table, with what was seen on both.
named()
{
	local name n=0

	while read -r name; do
		n=$((n + 1))
		[ "$n" -le "$NAMES" ] || { echo -n ' …'; break; }
		echo -n " $name ($(outcomes lo "$name") / $(outcomes rust_lo "$name"))"
	done < "$1" | sed 's/|/\\|/g'
}

# explained CASE: whether a case may differ, since lo itself does as rust_lo does, or
# the kernel's source says so. A suite that has such has its own; NOTE is what its row
# says of their number.
explained()
{
	return 1
}

# compare VERSION FUNCTION [MINIMUM]: all cases, of which there are more than MINIMUM.
compare()
{
	local version=$1 function=$2 i name cases summary same differing

	both all "$function"
	cases=$(cut -d ' ' -f 1 "$TMP"/all-*/sorted | sort -u | wc -l)
	number "cases" "$cases" -gt "${3:-0}"
	# What failed on both.
	comm -12 "$TMP/all-lo/sorted" "$TMP/all-rust_lo/sorted" | awk '$2 != "passed" && $2 != "skipped" { print "# as on lo: " $0 }'
	comm -3 "$TMP/all-lo/sorted" "$TMP/all-rust_lo/sorted" | awk '{ print $1 }' | sort -u > "$TMP/differ"
	cp "$TMP/differ" "$TMP/again"
	for ((i = 0; i < AGAIN; i++)); do
		[ -s "$TMP/again" ] || break
		mapfile -t names < "$TMP/again"
		say "again: ${#names[@]} that came out differently"
		both "again$i" "$function" "${names[@]}"
		for name in "${names[@]}"; do
			varies "$name" || echo "$name"
		done > "$TMP/again"
	done
	: > "$TMP/explained"
	: > "$TMP/differing"
	while read -r name; do
		if explained "$name"; then
			echo "$name" >> "$TMP/explained"
		else
			echo "$name" >> "$TMP/differing"
			fail "$name is the same: '$(outcomes lo "$name")' on lo, '$(outcomes rust_lo "$name")' on rust_lo"
			say "$(grep -h -F -A 30 -e "$name" "$TMP"/*-rust_lo/log | head -n 60 || true)"
		fi
	done < "$TMP/again"
	packets
	number "packets that rust_lo carried" "$CARRIED" -gt 0
	number "packets of the run without it" "$REFERENCE" -gt 0

	summary=$(awk '{ n[$2]++ } END { for (kind in n) print n[kind], kind }' "$TMP/all-rust_lo/sorted" | sort -rn |
		paste -sd, | sed 's/,/, /g')
	i=$(($(wc -l < "$TMP/differ") - $(wc -l < "$TMP/again")))
	same=$((cases - $(wc -l < "$TMP/again")))
	[ "$i" -eq 0 ] || same+=", $i of them not at each try"
	differing=$(wc -l < "$TMP/differing")
	[ "$differing" -eq 0 ] || differing="**$differing**:$(named "$TMP/differing")"
	[ ! -s "$TMP/explained" ] || differing+="; $(wc -l < "$TMP/explained") ${NOTE:-explained}:$(named "$TMP/explained")"
	say "$PART: $cases cases ($summary), $same the same, $differing differ; $CARRIED packets over rust_lo," \
		"$BESIDE over the lo beside it, $REFERENCE over lo"
	put_row "$version" "$cases: $summary" "$same" "$differing" "$CARRIED" "$BESIDE" "$REFERENCE"
}
