#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# MariaDB with its client and mysqlslap.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("mariadb: queries of the client, and many of mysqlslap")

QUERIES=200
# The certificate is the server's own; by that name the client would not have it.
CLIENT=(--no-defaults --protocol=tcp --user=root --disable-ssl-verify-server-cert)

mariadb()
{
	local host

	localhost
	install -d -o mysql "$TMP/data"
	check "a new database" mariadb-install-db --no-defaults --user=mysql --datadir="$TMP/data" \
		--auth-root-authentication-method=normal --skip-test-db
	serve 3306 mariadbd --no-defaults --user=mysql --datadir="$TMP/data" --socket="$TMP/data/socket" \
		--bind-address=127.0.0.1,::1 --innodb-flush-log-at-trx-commit=0
	over 127.0.0.1 mariadb "${CLIENT[@]}" -h 127.0.0.1 -N -e \
		'create database t; create table t.t (n int); insert into t.t values (1), (2), (3); select sum(n) from t.t'
	equal "a sum" 6 "$OUT"
	for host in 127.0.0.1 ::1 localhost; do
		over "$host" mariadb-slap "${CLIENT[@]}" -h "$host" --concurrency=4 \
			--number-of-queries="$QUERIES" --auto-generate-sql --auto-generate-sql-load-type=mixed
		matches "mysqlslap over $host" 'Number of clients running queries: 4' "$OUT"
	done
	over ::1 mariadb "${CLIENT[@]}" -h ::1 -N -e \
		"select variable_value >= $((3 * QUERIES)) from information_schema.global_status where variable_name = 'QUESTIONS'"
	equal "the server has seen all queries" 1 "$OUT"
	stop 3306
	row "MariaDB $(version mariadb-server)" "mariadb, mysqlslap" "$((3 * QUERIES)) queries and a few, all answered"
}

run_tests "$@"
