#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What localhost is for those who use it: names, closed ports, who can reach whom.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"resolve: localhost is both families, and connected to over both"
	"refusal: a connection to a closed port is refused at once"
	"wildcard: a second namespace reaches a server on 0.0.0.0, but not one on 127.0.0.1"
)

resolve()
{
	local family

	localhost
	echo_server "$NS" 7777 || fail "the echo server listens"
	equal "addresses of localhost" "127.0.0.1 ::1" \
		"$(in_ns "$NS" getent ahosts localhost | awk '{ print $1 }' | sort -u | xargs)"
	for family in 4 6; do
		over localhost bash -c "echo hello | timeout 60 socat -t 30 - TCP$family:localhost:7777"
		equal "an echo over TCP and IPv$family" hello "$OUT"
		over localhost bash -c "echo hello | timeout 60 socat -t 5 - UDP$family:localhost:7777"
		equal "an echo over UDP and IPv$family" hello "$OUT"
	done
	row "a dual-stack echo server (socat $(version socat))" "getent, socat" \
		"127.0.0.1 and ::1; answers over both, TCP and UDP"
}

refusal()
{
	local host

	localhost
	for host in 127.0.0.1 '[::1]' localhost 127.255.255.254; do
		over "$host" bash -c "curl -gsS --max-time 60 http://$host:9 2>&1; test \$? = 7"
	done
	row "a closed port" curl "connection refused, each time"
}

wildcard()
{
	local port

	localhost
	setup_ns OTHER
	batch "$NS" <<- END
		link add wire0 type veth peer name wire0 netns $OTHER
		addr add 192.0.2.1/24 dev wire0
		link set wire0 up
	END
	batch "$OTHER" <<- END
		addr add 192.0.2.2/24 dev wire0
		link set wire0 up
	END
	mkdir "$TMP/www"
	echo "hello" > "$TMP/www/page"
	serve 8000 python3 -m http.server --directory "$TMP/www" --bind 0.0.0.0 8000
	serve 8001 python3 -m http.server --directory "$TMP/www" --bind 127.0.0.1 8001
	for port in 8000 8001; do
		over 127.0.0.1 curl -sS --fail --max-time 60 "http://127.0.0.1:$port/page"
		equal "at home, port $port" hello "$OUT"
	done
	equal "from the other namespace, 0.0.0.0" hello \
		"$(in_ns "$OTHER" curl -sS --fail --max-time 60 http://192.0.2.1:8000/page)"
	refused "from the other namespace, 127.0.0.1" 'curl: \(7\)' \
		in_ns "$OTHER" curl -sS --max-time 60 http://192.0.2.1:8001/page
	# Not even if it sends it there: the address is no one's on a wire.
	check "a route" ip -n "$OTHER" route add 127.0.0.1 via 192.0.2.1 src 192.0.2.2
	refused "from the other namespace, by a route for 127.0.0.1" 'curl: \((7|28)\)' \
		in_ns "$OTHER" curl -sS --max-time 5 http://127.0.0.1:8001/page
	row "python3 -m http.server $(version python3.13), on 0.0.0.0 and on 127.0.0.1" "curl, here and in a second namespace" \
		"both pages here; there the first one's page, the second refused"
}

run_tests "$@"
