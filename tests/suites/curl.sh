#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# curl's own tests (runtests.pl), each with a server of theirs on 127.0.0.1 or ::1.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"smtp: tests of SMTP, and of IPv6 over all protocols, are the same on lo and on rust_lo0"
	"ftp: tests of FTP, IMAP, POP3 and TFTP are the same on lo and on rust_lo0"
	"http: tests of HTTP are the same on lo and on rust_lo0"
)

# tests WHICH [CASE...]: those with one of the KEYWORDS. Their logs and the servers' files
# are in the directory of the tests, which is each run's own.
tests()
{
	local which=$1
	shift

	[ "$#" -ne 0 ] || set -- "${KEYWORDS[@]}"
	mkdir over
	# The guest's own files are an overlay, which cannot have the changes of another one.
	# shellcheck disable=SC2016 # for the shell inside to expand
	on "$which" unshare --mount sh -ec '
		mount -t tmpfs curl over
		mkdir over/upper over/work
		mount -t overlay -o "lowerdir=$0,upperdir=$PWD/over/upper,workdir=$PWD/over/work" curl "$0"
		cd "$0/tests"
		exec perl -I. ./runtests.pl -a -n -am -p -j2 "$@"' "$SUITES/curl" "$@" > out 2>&1 || true
	cat out
	grep -q '^TESTDONE:' out
	sed -n 's/^PASS: \([0-9]*\) .*/\1 passed/p; s/^FAIL: \([0-9]*\) .*/\1 failed/p' out >> results
}

# keywords WORD...
keywords()
{
	KEYWORDS=("$@")
	begin "runtests.pl $*"
	on_localhost
	compare "$(cat "$SUITES/curl/.version")" tests 10
}

smtp()
{
	keywords SMTP IPv6
}

ftp()
{
	long
	keywords FTP IMAP POP3 TFTP
}

http()
{
	long
	keywords HTTP
}

run_tests "$@"
