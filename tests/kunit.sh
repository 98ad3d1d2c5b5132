#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The KUnit tests of the abstractions (net/tests). A kernel with KUnit runs them
# when the module is loaded, unless it was told not to (kunit.autorun=0): then
# they are run here. Each of their cases is a test point.
# Without it: an abstraction that breaks its own rules, found by the next
# driver.

set -euo pipefail

DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
RESULTS=/sys/kernel/debug/kunit
: "${RUST_LO_KO:=$DIR/../build/$(uname -r)/rust_lo.ko}"

echo "KTAP version 1"
[ -e $RESULTS ] || mount -t debugfs debugfs /sys/kernel/debug 2> /dev/null || true
if [ ! -e $RESULTS ]; then
	echo "1..0 # SKIP this kernel has no KUnit"
	exit 4
fi

loaded=
if [ ! -e /sys/module/rust_lo ]; then
	insmod "$RUST_LO_KO" numdevs=0
	loaded=y
fi

late=()
for suite in "$RESULTS"/rust_lo_*; do
	if ! grep -q '^# Totals:' "$suite/results"; then
		late+=("${suite##*/}")
		echo run > "$suite/run"
	fi
done

# A suite's results are KTAP of its own, with the cases one level down. What a
# case had to say about its failure is in the kernel log only.
out=$(cat $RESULTS/rust_lo_*/results)
# Outside of a checkout any will do.
suites=$(find "$DIR/../net/tests" -name '*.rs' -exec sed -n 's/^#\[kunit_tests(\(.*\))\]$/\1/p' {} + 2> /dev/null | sort || true)
ran=$(sed -n 's/^ *# Subtest: //p' <<< "$out" | sort)
cases=$(awk '
	/# Subtest:/ { suite = $NF; sub(/^rust_lo_/, "", suite) }
	/^    (not )?ok / {
		result = $1 == "not" ? "not ok" : "ok"
		sub(/^ *(not )?ok [0-9]+ */, "")
		print result, ++n, suite "." $0
	}' <<< "$out")

n=$(($(grep -c . <<< "$cases") + 1))
echo "1..$((n + 1))"
echo "$cases"
good=y
if [ -n "$suites" ] && [ "$suites" != "$ran" ]; then
	diff <(echo "$suites") <(echo "$ran") | sed 's/^/# /' || true
	echo "not ok $n all suites were run"
	good=
else
	echo "ok $n all suites were run"
fi
n=$((n + 1))
if grep -qw kunit.autorun=0 /proc/cmdline; then
	echo "ok $n the kernel ran them when the module was loaded # SKIP kunit.autorun=0"
elif [ "${#late[@]}" != 0 ]; then
	echo "# not run then: ${late[*]}"
	echo "not ok $n the kernel ran them when the module was loaded"
	good=
else
	echo "ok $n the kernel ran them when the module was loaded"
fi
if grep -q '^not ok' <<< "$cases"; then
	dmesg | grep -E '^\[[^]]*\] +# .*\.rs:' | sed 's/^[^#]*/# /' || true
fi
[ -z "$loaded" ] || rmmod rust_lo
! grep -q '^not ok' <<< "$cases" && [ -n "$good" ]
