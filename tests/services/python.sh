#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Python's own web server with curl.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("python: a page is fetched over each name of localhost")

python()
{
	localhost
	mkdir "$TMP/www"
	serve 8000 python3 -m http.server --directory "$TMP/www" --bind :: 8000
	fetch 8000
	stop 8000
	row "python3 -m http.server $(version python3.13)" curl "$((3 * REQUESTS)) requests, all 200 with the page"
}

run_tests "$@"
