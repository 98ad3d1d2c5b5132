#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# memcached with the tools of libmemcached.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("memcached: memcslap, and the protocol's own tests")

memcached()
{
	local host

	localhost
	serve 11211 memcached -u memcache -l 127.0.0.1,::1 -p 11211
	over 127.0.0.1 memccapable -a -h 127.0.0.1 -p 11211
	equal "tests of the protocol that failed" 0 "$(grep -c 'FAIL' <<< "$OUT" || true)"
	for host in 127.0.0.1 localhost; do
		over "$host" memcslap --servers="$host:11211" --concurrency=4 --execute-number=100 --test=set
	done
	over ::1 memcping --servers='[::1]:11211'
	over 127.0.0.1 memcstat --servers=127.0.0.1:11211
	number "values stored" "$(sed -n 's/.*cmd_set: *\([0-9]*\).*/\1/p' <<< "$OUT" | head -n 1)" -ge 800
	stop 11211
	row "memcached $(version memcached)" "memccapable, memcslap, memcping, memcstat" \
		"$(sed -n 's/.*cmd_set: *\([0-9]*\).*/\1/p' <<< "$OUT" | head -n 1) values stored, the protocol's tests passed"
}

run_tests "$@"
