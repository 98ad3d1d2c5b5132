# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A page of docs/ with a table, made by tests: what tests/services/run and
# tests/suites/run share. The caller sets DIR, where the tests are, PAGE and ALL,
# their names in the order of the table, has a function heading, which prints the
# page up to the rows, and one failed_row NAME, and then calls make_page NAME....
# Each test leaves its rows in $ROWS/NAME (row); in the page the rows of what was not
# run stay.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# shellcheck disable=SC2153 # of the caller
make_page()
{
	local name status=0

	case ${1:-} in
	-h | --help)
		awk 'NR > 2 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
		return
		;;
	esac
	for name; do
		if [[ " ${ALL[*]} " != *" $name "* ]]; then
			echo "${DIR#"$TOP/"}/run: '$name' is none of: ${ALL[*]}" >&2
			return 1
		fi
	done
	[ "$#" -ne 0 ] || set -- "${ALL[@]}"

	# A file of rows for each, until they are in the table: what a run that was
	# ended has left there is for the next one.
	ROWS=$TOP/build/$(basename "$PAGE" .md)
	if [ "${PREFER:-}" = n ]; then
		ROWS=$(mktemp -d)
		trap 'rm -rf "$ROWS"' EXIT
	fi
	export ROWS
	mkdir -p "$ROWS"
	(cd "$ROWS" && rm -f -- "$@")
	TESTS_IN=$DIR "$TOP/tests/run" "$@" || status=$?

	for name; do
		[ -e "$ROWS/$name" ] || failed_row "$name" > "$ROWS/$name"
	done
	{
		heading
		for name in "${ALL[@]}"; do
			rows "$name"
		done
	} > "$ROWS/.table"
	for name; do
		cat "$ROWS/$name"
	done
	if [ "${PREFER:-}" != n ]; then
		cp "$ROWS/.table" "$TOP/$PAGE"
		rm -r "$ROWS"
		echo "written: $PAGE"
	fi
	return "$status"
}

# rows NAME: those of this run, or those that the page has.
rows()
{
	if [ -e "$ROWS/$1" ]; then
		cat "$ROWS/$1"
	else
		grep "^| $1 |" "$TOP/$PAGE" 2> /dev/null || true
	fi
}
