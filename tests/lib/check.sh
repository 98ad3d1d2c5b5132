# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What a test point says and checks.

# shellcheck disable=SC2034 # of lib.sh
ksft_pass=0
ksft_fail=1
ksft_skip=4

# Of how many a test makes a crowd, and the time to wait for what takes a moment
# (seconds). KSFT_MACHINE_SLOW is what netdev's CI sets on debug kernels.
if [ -n "${KSFT_MACHINE_SLOW:-}" ]; then
	: "${CROWD:=20}" "${WAIT_TIMEOUT:=120}"
else
	: "${CROWD:=100}" "${WAIT_TIMEOUT:=20}"
fi

# say TEXT...: a diagnostic line for each line of TEXT.
say()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

skip()
{
	say "$*"
	exit "$ksft_skip"
}

fail()
{
	say "FAIL: $*"
	# Not a variable: this may be a subshell.
	: > "$TMP/failed"
}

# check WHAT COMMAND...: COMMAND succeeds.
check()
{
	local what=$1 out rc=0
	shift

	out=$("$@" 2>&1) || rc=$?
	if [ "$rc" -ne 0 ]; then
		fail "$what"
		say "  $*: exit status $rc"
		[ -z "$out" ] || say "  $out"
	elif [[ $out == *'# FAIL: '* ]]; then
		# A function with checks of its own: they have failed the point.
		say "$out"
	fi
}

# has_match REGEX TEXT: a line of TEXT has a match of the extended REGEX. As grep does it,
# but without starting it, which takes an emulated guest longer than all the rest of a check.
has_match()
{
	local line

	while IFS= read -r line; do
		[[ ! $line =~ $1 ]] || return 0
	done <<< "$2"
	return 1
}

# refused WHAT REGEX COMMAND...: COMMAND fails, with an output that has a
# match of the extended REGEX.
refused()
{
	local what=$1 regex=$2 out rc=0
	shift 2

	out=$("$@" 2>&1) || rc=$?
	if [ "$rc" -eq 0 ]; then
		fail "$what"
		say "  $*: succeeded"
	elif ! has_match "$regex" "$out"; then
		fail "$what"
		say "  $*: failed, but without '$regex':"
		say "  $out"
	fi
}

# equal WHAT WANTED FOUND: the two texts are equal.
equal()
{
	local what=$1 wanted=$2 found=$3

	[ "$wanted" != "$found" ] || return 0
	fail "$what"
	if [[ $wanted$found == *$'\n'* ]]; then
		say "$(diff <(echo "$wanted") <(echo "$found") | sed 's/^</  wanted:/; s/^>/  found: /' |
			head -n 40 || true)"
	else
		say "  wanted '$wanted', found '$found'"
	fi
}

# matches WHAT REGEX TEXT: TEXT has a match of the extended REGEX.
matches()
{
	local what=$1 regex=$2 text=$3

	! has_match "$regex" "$text" || return 0
	fail "$what"
	say "  no '$regex' in:"
	say "  $text"
}

# number WHAT FOUND OPERATOR LIMIT: as in number "packets" "$n" -gt 10.
number()
{
	local what=$1
	shift

	test "$@" && return
	fail "$what"
	say "  found $1, wanted $2 $3"
}

# wait_for COMMAND...: until COMMAND succeeds, but no longer than WAIT_TIMEOUT.
wait_for()
{
	local end=$((SECONDS + WAIT_TIMEOUT))

	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

need()
{
	local tool

	for tool; do
		command -v "$tool" > /dev/null || skip "there is no $tool"
	done
}
