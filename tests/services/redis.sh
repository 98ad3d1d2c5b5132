#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Redis with redis-cli and redis-benchmark.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("redis: redis-benchmark, and a value read by redis-cli over the other family")

N=1000

redis()
{
	local host

	localhost
	serve 6379 redis-server --bind 127.0.0.1 ::1 --port 6379 --save '' --dir "$TMP"
	for host in 127.0.0.1 ::1 localhost; do
		over "$host" redis-benchmark -h "$host" -c 10 -n "$N" -t ping_mbulk,set,get,lpush -q
		equal "kinds of requests over $host" 4 "$(tr '\r' '\n' <<< "$OUT" | grep -c 'requests per second')"
	done
	over 127.0.0.1 redis-cli -h 127.0.0.1 set key "value $RANDOM"
	equal "set" OK "$OUT"
	over ::1 redis-cli -h ::1 info commandstats
	# lpush may be there by another name.
	for host in set get lpush; do
		number "$host commands" "$(sed -n "s/^cmdstat_$host:calls=\([0-9]*\).*/\1/p" <<< "$OUT")" -ge $((3 * N))
	done
	stop 6379
	row "Redis $(version redis-server)" "redis-benchmark, redis-cli" "$((12 * N)) requests, all answered"
}

run_tests "$@"
