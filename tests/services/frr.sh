#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A router of FRR that announces the addresses on its loopbacks by BGP, with the
# files of examples/frr, and the router next to it.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("frr: addresses of services on lo1 and lo2 are announced, reached, counted and withdrawn")

FRR=$TESTS_DIR/../examples/frr
DEVICE=lo1

# router NS NAME: the daemons in this namespace, with NAME.conf of the examples.
router()
{
	local ns=$1 daemon

	install -d -o frr -g frr -m 775 "/var/run/frr/$2" "/etc/frr/$2"
	for daemon in zebra bgpd; do
		background in_ns "$ns" "/usr/lib/frr/$daemon" -N "$2" -f /dev/null --log stdout
		wait_for vty "$2" -d "$daemon" -c 'show version' || { fail "$daemon starts"; say "$(tail -n 20 "$TMP/log")"; }
	done
	check "FRR takes $2.conf" vty "$2" -f "$FRR/$2.conf"
}

vty()
{
	vtysh -N "$1" "${@:2}"
}

# learned: what the peer got from the router, without gateways, a line for each family.
learned()
{
	local family

	for family in 4 6; do
		ip -n "$PEER" "-$family" route show proto bgp | awk '{ print $1 }' | sort | xargs
	done
}

has_learned()
{
	[ "$(learned)" = "$1" ]
}

# announced WHAT V4 V6: these and no others.
announced()
{
	wait_for has_learned "$2"$'\n'"$3" || equal "the peer's routes: $1" "$2"$'\n'"$3" "$(learned)"
}

# from_peer ADDRESS: pages of the service, as the peer gets them, each by a
# connection of its own.
from_peer()
{
	local urls=() i

	for ((i = 0; i < REQUESTS; i++)); do
		urls+=("http://$1:8000/page?$i")
	done
	in_ns "$PEER" curl -gsS --fail --fail-early --max-time 60 --http1.0 "${urls[@]}"
}

# transmitted DEVICE: as ip -s link shows it.
transmitted()
{
	ip -n "$NS" -s -j link show dev "$1" | jq '.[0].stats64.tx.packets'
}

frr()
{
	local page host before

	need jq vtysh
	setup_ns NS PEER
	ip -n "$NS" link set lo up
	cp "$FRR/loopbacks.batch" "$TMP/"
	[ "${PREFER:-}" != n ] || sed -i 's/type rust_lo/type dummy/' "$TMP/loopbacks.batch"
	check "the loopbacks" ip -n "$NS" -batch "$TMP/loopbacks.batch"
	# What is used for this without rust_lo.
	batch "$NS" <<- END
		link add dummy0 type dummy
		link set dummy0 up
		address add 192.0.2.3/32 dev dummy0
		address add 2001:db8:1::3/128 dev dummy0
		link add eth0 type veth peer name eth0 netns $PEER
		address add 198.51.100.0/31 dev eth0
		address add 2001:db8::/127 dev eth0 nodad
		link set eth0 up
	END
	batch "$PEER" <<- END
		link set lo up
		address add 198.51.100.1/31 dev eth0
		address add 2001:db8::1/127 dev eth0 nodad
		link set eth0 up
	END
	router "$NS" router
	router "$PEER" peer
	announced "all services" "192.0.2.1 192.0.2.2 192.0.2.3" "2001:db8:1::1 2001:db8:1::2 2001:db8:1::3"
	say "$(ip -n "$PEER" route show proto bgp; ip -n "$PEER" -6 route show proto bgp)"

	mkdir "$TMP/www"
	page="the page of the service"
	echo "$page" > "$TMP/www/page"
	serve 8000 python3 -m http.server --directory "$TMP/www" --bind :: 8000
	for host in 192.0.2.1 192.0.2.2 192.0.2.3 '[2001:db8:1::1]' '[2001:db8:1::2]' '[2001:db8:1::3]'; do
		equal "$host: $REQUESTS answers to the peer" "$REQUESTS $page" "$(from_peer "$host" | sort | uniq -c | xargs)"
	done
	equal "what comes in by a wire is no traffic of a loopback" "0 0" "$(transmitted lo1) $(transmitted lo2)"
	check "what is for lo1 through lo1" tc -n "$NS" -batch "$FRR/count-remote.batch"
	for host in 192.0.2.1 '[2001:db8:1::1]'; do
		before=$(transmitted lo1)
		equal "$host through lo1: $REQUESTS answers to the peer" "$REQUESTS $page" \
			"$(from_peer "$host" | sort | uniq -c | xargs)"
		# A connection has three packets at least that come in.
		number "packets of the peer counted by lo1" $(($(transmitted lo1) - before)) -ge $((3 * REQUESTS))
	done
	equal "lo2, meanwhile" 0 "$(transmitted lo2)"

	ADDRESSES=''
	for host in 192.0.2.1 '[2001:db8:1::1]'; do
		over "$host" curl -gsS --fail --max-time 60 "http://$host:8000/page"
		equal "a client on the router, $host" "$page" "$OUT"
	done
	grown "$NS" lo2 in_ns "$NS" curl -sS --fail --max-time 60 http://192.0.2.2:8000/page
	ADDRESSES='192.0.2.1, 192.0.2.2, 2001:db8:1::1, 2001:db8:1::2'
	row "FRR $(version frr): BGP, addresses of a service on lo1 and lo2" "a second router, curl" \
		"6 routes learned; $((8 * REQUESTS)) pages to the peer; packets are of lo1"
	# This is carried by lo, and the dummy shows nothing.
	untouched "$NS" dummy0 in_ns "$NS" curl -sS --fail --max-time 60 http://192.0.2.3:8000/page
	say "$(ip -n "$NS" -s link show lo1)"

	ip -n "$NS" link set lo2 down
	announced "lo2 is down" "192.0.2.1 192.0.2.3" "2001:db8:1::1 2001:db8:1::3"
	ip -n "$NS" link del lo1
	announced "lo1 is gone" "192.0.2.3" "2001:db8:1::3"
	check "both again" ip -n "$NS" -batch - <<- END
		link set lo2 up
		address add 2001:db8:1::2/128 dev lo2
		link add lo1 type rust_lo
		link set lo1 up
		address add 192.0.2.1/32 dev lo1
	END
	announced "they are back" "192.0.2.1 192.0.2.2 192.0.2.3" "2001:db8:1::2 2001:db8:1::3"
	stop 8000
}

run_tests "$@"
