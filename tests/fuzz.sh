#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rtnetlink messages for the kind rust_lo, good and damaged: tests/fuzz, a
# program in Rust. FUZZ_COUNT messages (default: 2000) from FUZZ_SEED (default:
# 1, so that a run that failed can be had again; "any" for another one each time).
# Without it: a kernel that whoever may send rtnetlink messages can bring down.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"messages: rtnetlink answers and does the same as for a dummy"
	"again: the module can be unloaded afterwards, and loaded"
)

# There are dozens of namespaces to free.
WAIT_TIMEOUT=120

messages()
{
	local before seed=(--seed "${FUZZ_SEED:-1}")

	[ "${FUZZ_SEED:-}" != any ] || seed=()
	need_program fuzz
	remember_namespaces
	before=$(ip -o link | sort)
	# What it prints is diagnostics already.
	"$PROGRAM" --count "${FUZZ_COUNT:-2000}" "${seed[@]}" ||
		fail "fuzz found nothing"
	namespaces_freed "the namespaces of the fuzzer"
	equal "devices of the initial namespace" "$before" "$(ip -o link | sort)"
}

again()
{
	check "unloaded" unload
	check "loaded" load
	equal "devices of the module" rust_lo0 "$(rust_lo_links | xargs)"
}

run_tests "$@"
