#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# PHP's own web server with curl.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("php: a page is fetched over each name of localhost")

php()
{
	localhost
	mkdir "$TMP/www"
	echo "<?php readfile('$TMP/www/page');" > "$TMP/router.php"
	serve 8000 php -S '[::]:8000' "$TMP/router.php"
	fetch 8000
	stop 8000 INT
	row "php -S $(command php -r 'echo PHP_VERSION;')" curl "$((3 * REQUESTS)) requests, all 200 with the page"
}

run_tests "$@"
