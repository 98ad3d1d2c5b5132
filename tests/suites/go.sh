#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of Go's own network packages, which tests/suites/build has compiled; each
# is a case, and so is each of its subtests.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"net: tests of net are the same on lo and on rust_lo0"
	"rpc: tests of net/rpc, net/smtp, net/http/httputil and more are the same on lo and on rust_lo0"
	"tls: tests of crypto/tls are the same on lo and on rust_lo0"
	"http: tests of net/http are the same on lo and on rust_lo0"
)

# tests WHICH [CASE...]: of PACKAGES, each in the directory of its source, where its data
# is. A case is PACKAGE:TEST/SUBTEST; it is run again with its whole test. Without a PATH
# there is no Go to build more with.
tests()
{
	local which=$1 package only rc
	shift

	for package in "${PACKAGES[@]}"; do
		only=.
		if [ "$#" -ne 0 ]; then
			only=$(printf '%s\n' "$@" | sed -n "s|^$package:\([^/]*\).*|\1|p" | sort -u | paste -sd '|')
			[ -n "$only" ] || continue
			only="^($only)\$"
		fi
		rc=0
		(
			cd "/usr/share/go-1.24/src/$package"
			on "$which" env PATH=/bin GO_BUILDER_NAME= "$SUITES/go/${package//\//-}.test" -test.v -test.short \
				-test.timeout 60m -test.run "$only"
		) > out 2>&1 || rc=$?
		cat out
		sed -n "s|^ *--- PASS: \([^ ]*\) .*|$package:\1 passed|p; s|^ *--- FAIL: \([^ ]*\) .*|$package:\1 failed|p
			s|^ *--- SKIP: \([^ ]*\) .*|$package:\1 skipped|p" out >> results
		# 1: some failed.
		[ "$rc" -le 1 ] || return "$rc"
	done
}

# packages_are NAME...
packages_are()
{
	PACKAGES=("$@")
	begin "$*"
	on_localhost
	compare "$(version golang-1.24-src)" tests 10
}

net()
{
	packages_are net
}

rpc()
{
	packages_are net/rpc net/rpc/jsonrpc net/smtp net/textproto net/http/httptest net/http/httputil net/http/fcgi \
		net/http/cookiejar internal/poll
}

tls()
{
	packages_are crypto/tls
}

http()
{
	long
	packages_are net/http
}

run_tests "$@"
