#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# QUIC and HTTP/3: the server and the client of ngtcp2.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("quic: pages over HTTP/3, by ngtcp2")

quic()
{
	local host

	localhost
	mkdir "$TMP/www" "$TMP/got"
	head -c 500000 /dev/urandom > "$TMP/www/page"
	check "a certificate" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
		-keyout "$TMP/key" -out "$TMP/certificate"
	# At all addresses: each answer has to come from the address that was asked.
	background nsenter "--net=/run/netns/$NS" -- gtlsserver --quiet --htdocs "$TMP/www" '*' 4433 "$TMP/key" "$TMP/certificate"
	SERVICE=$!
	check "gtlsserver listens" wait_for listening "$NS" -u 4433
	for host in 127.0.0.1 ::1 localhost; do
		rm -f "$TMP/got/page"
		over "$host" gtlsclient --quiet --exit-on-all-streams-close --timeout 120s --download "$TMP/got" "$host" 4433 \
			https://localhost/page
		check "the page over $host" cmp "$TMP/www/page" "$TMP/got/page"
		over "$host" gtlsclient --quiet --exit-on-all-streams-close --timeout 120s --nstreams "$REQUESTS" "$host" 4433 \
			https://localhost/page
	done
	kill "$SERVICE"
	check "the service ends by SIGTERM" wait_for dead "$SERVICE"
	row "gtlsserver $(version ngtcp2-server)" "gtlsclient" "$((3 * REQUESTS + 3)) requests over HTTP/3, of 500000 bytes each"
}

run_tests "$@"
