#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# CPython's own network tests: each of their methods is a case.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"socketserver: test_socketserver is the same on lo and on rust_lo0"
	"socket: test_socket is the same on lo and on rust_lo0"
	"ssl: test_ssl is the same on lo and on rust_lo0"
	"asyncio: modules of test_asyncio about sockets are the same on lo and on rust_lo0"
	"clients: tests of clients and servers of protocols are the same on lo and on rust_lo0"
	"managers: multiprocessing's connections and managers are the same on lo and on rust_lo0"
	"asyncio_all: all of test_asyncio is the same on lo and on rust_lo0"
)

# tests WHICH [CASE...]: of MODULES. Without -u network localhost would not be used either.
tests()
{
	local which=$1 case only=() rc=0
	shift

	for case; do
		only+=(-m "$case")
	done
	on "$which" python3 "$TESTS_DIR/suites/results.py" results --tempdir "$PWD/tmp" --timeout 3600 -u network \
		"${only[@]}" "${MODULES[@]}" || rc=$?
	# 2: some tests failed; which, is to be seen.
	[ "$rc" -eq 0 ] || [ "$rc" -eq 2 ]
}

# modules PART MODULE...
modules()
{
	MODULES=("${@:2}")
	begin "$1"
	on_localhost
	compare "$(version python3.13)" tests 10
}

socketserver()
{
	modules test_socketserver test_socketserver
}

socket()
{
	modules test_socket test_socket
}

ssl()
{
	modules test_ssl test_ssl
}

asyncio()
{
	modules "test_asyncio: buffered_proto, events, sendfile, server, sock_lowlevel, streams" \
		test.test_asyncio.test_{buffered_proto,events,sendfile,server,sock_lowlevel,streams}
}

clients()
{
	local modules=(ftplib smtplib poplib imaplib httplib httpservers urllib2_localnet urllib xmlrpc docxmlrpc wsgiref
		robotparser logging timeout selectors epoll)

	modules "test_ ${modules[*]}" "${modules[@]/#/test_}"
}

# That of fork, as spawn and forkserver start an interpreter for each process.
managers()
{
	long
	modules "test_multiprocessing_fork: manager, misc" test.test_multiprocessing_fork.test_{manager,misc}
}

asyncio_all()
{
	long
	modules "test_asyncio" test_asyncio
}

run_tests "$@"
