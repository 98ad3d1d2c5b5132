# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests that type what a page shows, beside tests/lib.sh: the blocks of DOCUMENT,
# a file of this checkout. README.md if not set.

DOCUMENT=${DOCUMENT:-README.md}

# Where a command is typed: in NS, which is "" for the initial one. With the /sys of
# that namespace.
at_prompt()
{
	if [ -n "$NS" ]; then
		ip netns exec "$NS" "$@"
	else
		"$@"
	fi
}

# typed COMMAND: its output in $TMP/typed.
typed()
{
	local rc=0

	# What an earlier one left in the background goes on writing into its own.
	rm -f "$TMP/typed"
	at_prompt bash -c "$1" > "$TMP/typed" 2>&1 < /dev/null || rc=$?
	if [ "$rc" -ne 0 ]; then
		fail "$1: exit status $rc"
		say "$(sed 's/^/  /' "$TMP/typed")"
	fi
}

# Numbers that are others each time, and how many spaces.
plain()
{
	sed -E 's/time [0-9]+ms/time/; s/^[0-9]+: //; s/[[:space:]]+/ /g; s/^ //; s/ $//'
}

# run_block SECTION N: what is printed is printed. Where there is a function
# before or after it is called with each command; before may run it itself.
run_block()
{
	local line n=0

	while IFS= read -r line <&3; do
		if [[ $line == '$ '* ]]; then
			line=${line#'$ '}
			n=$((n + 1))
			before "$line" || continue
			typed "$line"
			after "$line"
		elif ! grep -Fqx -e "$(plain <<< "${line#> }")" <(plain < "$TMP/typed"); then
			fail "as $DOCUMENT shows it: ${line#> }"
			say "$(sed 's/^/  /' "$TMP/typed")"
		fi
	done 3< <(README=$TESTS_DIR/../$DOCUMENT "$TESTS_DIR/readme/extract" block "$@")
	number "commands in the block" "$n" -gt 0
}

before()
{
	:
}

after()
{
	:
}
