#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# PostgreSQL with psql and pgbench.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("postgresql: pgbench fills and uses a database")

# As the server, which refuses to be root's.
AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups env -C / HOME=/tmp)
CLIENTS=4
TRANSACTIONS=50

postgresql()
{
	local bin=/usr/lib/postgresql/17/bin host n=$((CLIENTS * TRANSACTIONS))

	[ -d "$bin" ] || bin=$(echo /usr/lib/postgresql/*/bin)
	localhost
	install -d -o postgres -m 700 "$TMP/data"
	check "a new database" "${AS_POSTGRES[@]}" "$bin/initdb" -D "$TMP/data" -A trust --no-sync --no-instructions
	# localhost is both families.
	serve 5432 "${AS_POSTGRES[@]}" "$bin/postgres" -D "$TMP/data" -c listen_addresses=localhost \
		-c unix_socket_directories= -c fsync=off
	over 127.0.0.1 "$bin/pgbench" -U postgres -h 127.0.0.1 -q -i postgres
	for host in 127.0.0.1 ::1 localhost; do
		over "$host" "$bin/pgbench" -U postgres -h "$host" -c "$CLIENTS" -t "$TRANSACTIONS" -n postgres
		matches "pgbench over $host" "actually processed: $n/$n" "$OUT"
	done
	over ::1 "$bin/psql" -U postgres -h ::1 -At -c 'select inet_server_addr(), count(*) from pgbench_history' postgres
	equal "transactions, asked over ::1" "::1|$((3 * n))" "$OUT"
	# Fast: clients are not waited for.
	stop 5432 INT
	row "PostgreSQL $(version postgresql-17)" "psql, pgbench" "$((3 * n)) transactions, all in the table"
}

run_tests "$@"
