#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An HTTP server in Node.js with curl.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("node: a page is fetched over each name of localhost")

node()
{
	localhost
	mkdir "$TMP/www"
	cat > "$TMP/server.js" <<- END
		require('http').createServer((request, response) => {
			require('fs').createReadStream('$TMP/www/page').pipe(response);
		}).listen(8000);
	END
	serve 8000 node "$TMP/server.js"
	fetch 8000
	stop 8000
	row "Node.js $(version nodejs)" curl "$((3 * REQUESTS)) requests, all 200 with the page"
}

run_tests "$@"
