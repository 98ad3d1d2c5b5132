#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# CPython's own network tests, on lo and on rust_lo0 at the same time, each in a
# namespace of its own: each test method has to come out the same.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"socketserver: test_socketserver is the same on lo and on rust_lo0"
	"socket: test_socket is the same on lo and on rust_lo0"
	"ssl: test_ssl is the same on lo and on rust_lo0"
	"asyncio: modules of test_asyncio about sockets are the same on lo and on rust_lo0"
)

# How often a test that came out differently is run again, on both: some depend on
# the time things take.
AGAIN=${AGAIN:-3}

# python_tests NS NAME ARGUMENT...: in the background; results are in NAME/results,
# what is printed in NAME/log. Without -u network localhost would not be used either.
python_tests()
{
	mkdir "$TMP/$2"
	(
		cd "$TMP/$2"
		exec nsenter "--net=/run/netns/$1" -- python3 "$TESTS_DIR/services/results.py" results --tempdir "$TMP/$2" \
			--timeout 3600 -u network "${@:3}"
	) > "$TMP/$2/log" 2>&1 < /dev/null &
	echo "$!" >> "$TMP/pids"
}

# both NAME ARGUMENT...: on lo and on rust_lo0.
both()
{
	local lo rust_lo rc name

	python_tests "$LO" "$1-lo" "${@:2}"
	lo=$!
	python_tests "$NS" "$1-rust_lo" "${@:2}"
	rust_lo=$!
	for name in lo rust_lo; do
		rc=0
		wait "${!name}" || rc=$?
		# 2: some tests failed; which, is to be seen.
		[ "$rc" -eq 0 ] || [ "$rc" -eq 2 ] || {
			fail "the tests on $name come to an end: exit status $rc"
			say "$(tail -n 20 "$TMP/$1-$name/log")"
		}
		sort "$TMP/$1-$name/results" > "$TMP/$1-$name/sorted"
	done
}

# outcomes FILE TEST: of all times it was run.
outcomes()
{
	awk -v test="$2" '$1 == test { print $2 }' "$TMP"/*"-$1/sorted" | sort -u | xargs
}

# again TEST MODULE: it came out differently, but on both it passes at times.
again()
{
	local i lo rust_lo

	for ((i = 0; i < AGAIN; i++)); do
		both "again$RANDOM$i" -m "$1" "$2"
	done
	lo=$(outcomes lo "$1") rust_lo=$(outcomes rust_lo "$1")
	say "$1: '$lo' on lo, '$rust_lo' on rust_lo0, in $((AGAIN + 1)) runs each"
	[ "$lo" = "$rust_lo" ] || [[ " $lo " == *" passed "* && " $rust_lo " == *" passed "* ]]
}

# compare MODULE [ARGUMENT...]: WHAT is its name in the table, if not MODULE.
compare()
{
	local module=$1 test differ=0 varied=0 summary

	localhost
	setup_ns LO
	check "lo" ip -n "$LO" link set lo up
	both all "$@"
	number "tests run on lo" "$(wc -l < "$TMP/all-lo/results")" -gt 10
	counters "$LO" lo
	number "packets over lo where there is but lo" "$rx_packets" -gt 0
	# What failed on both.
	comm -12 "$TMP/all-lo/sorted" "$TMP/all-rust_lo/sorted" |
		awk '$2 ~ /errors|failures|unexpected/ { print "# as on lo: " $0 }'
	comm -3 "$TMP/all-lo/sorted" "$TMP/all-rust_lo/sorted" | awk '{ print $1 }' | sort -u > "$TMP/differ"
	while read -r test; do
		# The name of its module for regrtest: without "test.", class and method.
		if again "$test" "$(sed 's/^test\.//; s/\.[^.]*\.[^.]*$//' <<< "$test")"; then
			varied=$((varied + 1))
		else
			fail "$test is the same"
			say "$(grep -h -A 30 "^\(FAIL\|ERROR\): .*${test##*.}" "$TMP"/*-rust_lo/log | head -n 60 || true)"
			differ=$((differ + 1))
		fi
	done < "$TMP/differ"
	summary=$(awk '{ n[$2]++ } END { for (kind in n) print n[kind], kind }' "$TMP/all-rust_lo/results" | sort -rn |
		paste -sd, | sed 's/,/, /g')
	[ "$differ" -eq 0 ] && summary+=": as on lo" || summary+=": $differ differ from lo"
	[ "$varied" -eq 0 ] || summary+="; $varied more vary from run to run, on lo too"
	ADDRESSES='as the tests say'
	row "CPython $(version python3.13), ${WHAT:-$module}" "itself" "$summary"
}

socketserver()
{
	compare test_socketserver
}

socket()
{
	compare test_socket
}

ssl()
{
	compare test_ssl
}

# Of its modules those that are most about sockets of IP: as a whole it did not end
# in 40 minutes on half an emulated processor.
asyncio()
{
	local name patterns=() modules=(buffered_proto events sendfile server sock_lowlevel streams)

	for name in "${modules[@]}"; do
		patterns+=(-m "test.test_asyncio.test_$name.*")
	done
	WHAT="test_asyncio (${modules[*]})"
	compare test_asyncio "${patterns[@]}"
}

run_tests "$@"
