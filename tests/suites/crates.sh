#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of crates that come with them, which tests/suites/build has compiled.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"tokio: tests of tokio's sockets are the same on lo and on rust_lo0"
	"quinn: tests of quinn and quinn-udp are the same on lo and on rust_lo0"
)

# tests WHICH [CASE...]: the programs of CRATES; a case is PROGRAM:TEST.
tests()
{
	local which=$1 crate program only rc
	shift

	for crate in "${CRATES[@]}"; do
		for program in "$SUITES/crates/$crate"/*; do
			only=()
			if [ "$#" -ne 0 ]; then
				mapfile -t only < <(printf '%s\n' "$@" | sed -n "s|^${program##*/}:||p")
				[ "${#only[@]}" -ne 0 ] || continue
				only=(--exact "${only[@]}")
			fi
			rc=0
			echo "--- ${program##*/}"
			on "$which" timeout 900 "$program" "${only[@]}" > out 2>&1 || rc=$?
			cat out
			sed -n "s|^test \([^ ]*\).* \.\.\. ok$|${program##*/}:\1 passed|p; s|^test \([^ ]*\).* \.\.\. FAILED$|${program##*/}:\1 failed|p
				s|^test \([^ ]*\).* \.\.\. ignored.*|${program##*/}:\1 skipped|p" out >> results
			# 101: some failed.
			[ "$rc" -eq 0 ] || [ "$rc" -eq 101 ] || echo "${program##*/}:exit status-$rc" >> results
		done
	done
}

# crates_are CRATE...
crates_are()
{
	local crate versions=''

	CRATES=("$@")
	for crate; do
		versions+="${versions:+, }$(cat "$SUITES/crates/.version-$crate")"
	done
	begin "$*"
	on_localhost
	compare "$versions" tests 10
}

tokio()
{
	crates_are tokio
}

quinn()
{
	crates_are quinn quinn-udp
}

run_tests "$@"
