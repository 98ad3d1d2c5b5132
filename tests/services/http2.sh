#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# HTTP/2: nghttpd with nghttp and h2load.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("http2: a page by nghttp, and hundreds of streams by h2load")

http2()
{
	local host n=$((10 * REQUESTS))

	localhost
	mkdir "$TMP/www"
	head -c 40000 /dev/urandom | base64 > "$TMP/www/page"
	serve 8080 nghttpd --no-tls --htdocs "$TMP/www" 8080
	for host in 127.0.0.1 '[::1]' localhost; do
		over "$host" nghttp --timeout 120 "http://$host:8080/page"
		equal "the page over $host" "$(cat "$TMP/www/page")" "$OUT"
		over "$host" h2load --requests "$n" --clients 4 --max-concurrent-streams 10 "http://$host:8080/page"
		matches "requests over $host" "^requests: $n total, $n started, $n done, $n succeeded" "$OUT"
	done
	stop 8080
	row "nghttpd $(version nghttp2-server)" "nghttp, h2load" "$((3 * n + 3)) requests on streams of HTTP/2, all answered"
}

run_tests "$@"
