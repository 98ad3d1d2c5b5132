#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Containers, each with a rust_lo device of its own, and the same ports.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("containers: two of them, the same services on the same addresses and ports")

# What process 1 does there: two services, until it is told to end. Without the
# trap it would not hear of that, being process 1.
container_init()
{
	cat <<- 'END'
		set -eu
		hostname "$1"
		hostname > "$2/page"
		trap 'exit 0' TERM
		redis-server --bind 127.0.0.1 ::1 --port 6379 --save '' --dir "$2" &
		python3 -m http.server --directory "$2" --bind :: 80 &
		wait
	END
}

# Like a container of systemd-nspawn, but for its file system.
container()
{
	mkdir "$TMP/$1"
	container_init > "$TMP/init"
	NS=$2
	serve 80 unshare --pid --fork --kill-child --mount-proc --mount --uts --ipc -- bash "$TMP/init" "$1" "$TMP/$1"
	wait_for listening "$NS" -t 6379 || fail "redis in $1"
	UNSHARES+=("$SERVICE")
}

# end_containers NS...: all, and their ports in these namespaces are closed.
end_containers()
{
	local pid

	for pid in "${UNSHARES[@]}"; do
		pkill -P "$pid"
		wait_for dead "$pid" || fail "a container ends"
	done
	for NS; do
		wait_for closed 80 || fail "port 80 is closed"
		wait_for closed 6379 || fail "port 6379 is closed"
	done
}

containers()
{
	local name host one two UNSHARES=()

	localhost
	one=$NS
	setup_ns TWO
	two=$TWO
	prefer_rust_lo0 "$two"
	container first "$one"
	container second "$two"
	for name in first second first; do
		NS=$one
		[ "$name" != second ] || NS=$two
		for host in 127.0.0.1 '[::1]' localhost; do
			over "$host" curl -gsS --fail --max-time 120 "http://$host:80/page"
			equal "who answers on port 80 of $host in $name" "$name" "$OUT"
			over "$host" redis-cli -h "$(tr -d '[]' <<< "$host")" append key "$name "
		done
	done
	NS=$two
	over ::1 redis-cli -h ::1 get key
	equal "what the second redis has" "second second second" "$(xargs <<< "$OUT")"
	NS=$one
	over ::1 redis-cli -h ::1 get key
	equal "what the first redis has" "first first first first first first" "$(xargs <<< "$OUT")"
	end_containers "$two" "$one"
	row "a web server and Redis, twice (util-linux $(version util-linux): unshare)" "curl, redis-cli" \
		"20 requests on ports 80 and 6379 of both, each answered by its own"
	NS=$two
	row "the second of them" "curl, redis-cli" "see above"
}

run_tests "$@"
