#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# nginx with curl.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("nginx: a page is fetched over each name of localhost")

nginx()
{
	localhost
	mkdir "$TMP/www"
	cat > "$TMP/nginx.conf" <<- END
		daemon off;
		user www-data;
		pid $TMP/nginx.pid;
		error_log stderr;
		events {}
		http {
			access_log $TMP/access;
			server {
				listen 127.0.0.1:80;
				listen [::1]:80;
				root $TMP/www;
			}
		}
	END
	serve 80 nginx -c "$TMP/nginx.conf"
	fetch 80
	stop 80 QUIT
	equal "requests that nginx logged" $((3 * REQUESTS)) "$(grep -c '"GET /page?.*" 200 50000 ' "$TMP/access")"
	row "nginx $(version nginx)" curl "$((3 * REQUESTS)) requests, all 200 with the page"
}

run_tests "$@"
