# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash source-path=SCRIPTDIR source-path=SCRIPTDIR/..
#
# What the tests of rust_lo share. A test file sources this, lists its test
# points and ends with run_tests "$@":
#
#	TESTS=(
#		"ping: ping finds 127.0.0.1"
#	)
#	ping()
#	{
#		setup_ns NS
#		check "brought up" ip -n "$NS" link set rust_lo0 up
#	}
#	run_tests "$@"
#
# Each test point is run in a subshell, in which a command that fails ends it
# (set -e), and after which everything that setup_ns, background and load made
# is gone. With arguments only the points of these names are run.
#
# Here is how points are run; what they are made of is in lib/: check.sh (what is
# said and checked), device.sh (namespaces, devices, counters), traffic.sh (servers,
# connections, captures), memory.sh (packets and namespaces that are not freed),
# module.sh (rust_lo, and what the kernel says).

set -euo pipefail

TESTS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

# In a checkout. In a kernel tree they are in bin/ (qemu/in-tree), unless the
# module is installed, or part of that tree.
: "${RUST_LO_KO:=$TESTS_DIR/../build/$(uname -r)/rust_lo.ko}"
PROGRAMS=$TESTS_DIR/../target/release
if [ ! -e "$TESTS_DIR/../rust_lo.rs" ]; then
	PROGRAMS=$TESTS_DIR/bin
	[ -e "$RUST_LO_KO" ] || RUST_LO_KO=$(modinfo -n rust_lo 2> /dev/null || echo "$RUST_LO_KO")
fi

# Links to busybox, which qemu/guest-init makes: it is linked to no library, so that it is
# started in a third of the time.
[ ! -d /run/quick ] || PATH=/run/quick:$PATH

# shellcheck source=lib/check.sh
. "$TESTS_DIR/lib/check.sh"
# shellcheck source=lib/device.sh
. "$TESTS_DIR/lib/device.sh"
# shellcheck source=lib/traffic.sh
. "$TESTS_DIR/lib/traffic.sh"
# shellcheck source=lib/memory.sh
. "$TESTS_DIR/lib/memory.sh"
# shellcheck source=lib/module.sh
. "$TESTS_DIR/lib/module.sh"

# need_program NAME: one of the tests' own in Rust; its path in PROGRAM.
need_program()
{
	PROGRAM=$PROGRAMS/$1
	[ ! -x "$PROGRAM" ] || return 0
	[ ! -e "$TESTS_DIR/../rust_lo.rs" ] || { fail "$PROGRAM is not built: make tools"; exit "$ksft_fail"; }
	skip "there is no $PROGRAM"
}

# __delete_namespaces FILE: those named there.
__delete_namespaces()
{
	[ -s "$1" ] || return 0
	# What servers have forked; without a loopback it would stay.
	sed 's/^/netns pids /' "$1" | ip -force -batch - 2> /dev/null | xargs -r kill -9 2> /dev/null
	# Some may be gone already.
	sed 's/^/netns del /' "$1" | ip -force -batch - > /dev/null 2>&1
}

__cleanup()
{
	local status=$1 ns

	trap - EXIT ERR
	set +e
	end_background
	cleanup_hook
	__delete_namespaces "$TMP/namespaces"
	for ns in $(rust_lo_links); do
		[ "$ns" = rust_lo0 ] || ip link del "$ns"
	done
	rm -rf "$TMP"
	exit "$status"
}

# At the end of a test file, whose points may share namespaces:
# TMP=$FILE_TMP setup_ns VARIABLE...
__file_cleanup()
{
	__delete_namespaces "$FILE_TMP/namespaces" || true
	rm -rf "$FILE_TMP"
}

# For what a test file has to put right itself.
cleanup_hook()
{
	:
}

__run()
{
	TMP=$(mktemp -d)
	# A point before may have come to a bad end.
	loaded || insmod "$RUST_LO_KO"
	POINT=$BASHPID
	# Not in what was just forked and is ended by a signal before it is another program.
	trap 'rc=$?; [ "$BASHPID" != "$POINT" ] || __cleanup "$rc"' EXIT
	# Not in a command substitution, where it would become output.
	trap '[ "$BASHPID" != "$POINT" ] || say "line $LINENO: \"$BASH_COMMAND\" failed"' ERR
	set -E
	"$1"
	trap - ERR
	[ ! -e "$TMP/failed" ] || exit "$ksft_fail"
	exit "$ksft_pass"
}

# load_or_end: after the first line of the KTAP.
load_or_end()
{
	if [ ! -e "$RUST_LO_KO" ]; then
		echo "1..0 # SKIP no rust_lo, neither loaded nor in $RUST_LO_KO"
		exit "$ksft_skip"
	elif ! insmod "$RUST_LO_KO"; then
		echo "Bail out! $RUST_LO_KO cannot be loaded"
		exit "$ksft_fail"
	fi
}

run_tests()
{
	local entry name points=() was_loaded='' rc n=0 any_failed=0 any_passed=0 start

	for name; do
		# Or a misspelt one would pass for a skipped one.
		if [[ " ${TESTS[*]%%:*} " != *" $name "* ]]; then
			echo "Bail out! there is no test point '$name'"
			exit "$ksft_fail"
		fi
	done
	for entry in "${TESTS[@]}"; do
		name=${entry%%:*}
		if [ "$#" -eq 0 ] || [[ " $* " == *" $name "* ]]; then
			points+=("$entry")
		fi
	done

	echo "KTAP version 1"
	[ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP root is needed"; exit "$ksft_skip"; }

	FILE_TMP=$(mktemp -d)
	trap __file_cleanup EXIT
	if loaded; then
		was_loaded=y
	else
		load_or_end
	fi

	echo "1..${#points[@]}"
	for entry in "${points[@]}"; do
		n=$((n + 1))
		name=${entry%%:*}
		start=$SECONDS
		# Not as a part of a condition, where set -e would have no effect.
		set +e
		(set -e; __run "$name")
		rc=$?
		set -e
		[ "$((SECONDS - start))" -lt 20 ] || say "$name took $((SECONDS - start)) s"
		case $rc in
		"$ksft_pass") echo "ok $n $name: ${entry#*: }"; any_passed=1 ;;
		"$ksft_skip") echo "ok $n $name: ${entry#*: } # SKIP" ;;
		*) echo "not ok $n $name: ${entry#*: }"; any_failed=1 ;;
		esac
	done

	if [ -z "$was_loaded" ]; then
		unload
	elif [ -e "$FILE_TMP/reload" ]; then
		load
	fi
	[ "$any_failed" -eq 0 ] || exit "$ksft_fail"
	[ "$any_passed" -eq 1 ] || exit "$ksft_skip"
	exit "$ksft_pass"
}
