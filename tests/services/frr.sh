#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A router of FRR that announces the addresses on its loopbacks by BGP, with the
# files of examples/frr, and the router next to it. Then sessions between loopbacks.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/frr.sh
. "$TESTS_DIR/lib/frr.sh"

TESTS=(
	"frr: addresses of services on lo1 and lo2 are announced, reached, counted and withdrawn"
	"sessions_dummy: BGP between loopbacks, update-source lo1, which is a dummy, and by address"
	"sessions: a rust_lo device"
)

FRR=$TESTS_DIR/../examples/frr
DEVICE=lo1

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
	END
	wire
	start_router "$NS" router "$FRR/router.conf" bgpd
	start_router "$PEER" peer "$FRR/peer.conf" bgpd
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

# bgp ROUTER-ID PREFIX4 PREFIX6: of a configuration that announces these prefixes.
bgp()
{
	cat <<- END
		router bgp 65001
		 bgp router-id $1
		 timers bgp 3 9
		 no bgp default ipv4-unicast
		 no bgp network import-check
		 address-family ipv4 unicast
		  network $2
		 exit-address-family
		 address-family ipv6 unicast
		  network $3
		 exit-address-family
	END
}

# neighbor ADDRESS SOURCE [passive]: more of it.
neighbor()
{
	local family=ipv4

	[[ $1 != *:* ]] || family=ipv6
	cat <<- END
		 neighbor $1 remote-as 65001
		 neighbor $1 update-source $2
		 neighbor $1 timers connect 2
		 ${3:+neighbor $1 $3}
		 address-family $family unicast
		  neighbor $1 activate
		 exit-address-family
	END
}

# session NAME NEIGHBOR: its state, its two addresses, and whether it was this side that connected.
session()
{
	vty "$1" -c "show bgp neighbors $2 json" |
		jq -r '.[] | "\(.bgpState) \(.hostLocal) \(.hostForeign) \(.portForeign == 179)"'
}

has_session()
{
	[ "$(session "$1" "$3")" = "Established $2 $3 true" ]
}

# connected WHAT NAME SOURCE NEIGHBOR: this router has connected to its neighbour from there.
connected()
{
	wait_for has_session "${@:2}" || equal "$1" "Established $3 $4 true" "$(session "$2" "$4")"
}

# learned_from NS: prefixes that the router in this namespace has from another one.
learned_from()
{
	ip -n "$1" route show proto bgp
	ip -n "$1" -6 route show proto bgp
}

has_learned_both()
{
	[ "$(learned_from "$1" | awk '{ print $1 }' | xargs)" = "$2" ]
}

# lo1 of both routers is of this type. One connects by name, then the other by
# address. A speaker of BGP on the first router's host connects to it as well.
sessions_on()
{
	local name ns prefixes

	need jq vtysh
	WAIT_TIMEOUT=60
	# As the loopbacks of routers are; FRR passes over 127.0.0.1 in any case.
	LOCALHOST=off
	lo1_is "$1"
	loopback "$NS" lo2
	loopback "$PEER" lo1
	batch "$NS" <<- END
		address del 192.0.2.2/32 dev lo1
		address del 2001:db8:1::2/128 dev lo1
		address add 192.0.2.2/32 dev lo2
		address add 2001:db8:1::2/128 dev lo2
		route add 100.64.0.1 via 198.51.100.1
		route add 2001:db8:2::1 via 2001:db8::1
	END
	batch "$PEER" <<- END
		address add 100.64.0.1/32 dev lo1
		address add 2001:db8:2::1/128 dev lo1
	END
	{
		bgp 192.0.2.1 198.18.1.0/24 2001:db8:11::/48
		neighbor 100.64.0.1 lo1
		neighbor 2001:db8:2::1 lo1
		# FRR takes no address of its own host as a neighbour, but as one that calls.
		cat <<- END
			 neighbor SPEAKER peer-group
			 neighbor SPEAKER remote-as 65001
			 bgp listen range 192.0.2.2/32 peer-group SPEAKER
			 bgp listen range 2001:db8:1::2/128 peer-group SPEAKER
			 address-family ipv4 unicast
			  neighbor SPEAKER activate
			 exit-address-family
			 address-family ipv6 unicast
			  neighbor SPEAKER activate
			 exit-address-family
		END
	} > "$TMP/here.conf"
	{
		bgp 100.64.0.1 198.18.2.0/24 2001:db8:12::/48
		neighbor 192.0.2.1 100.64.0.1 passive
		neighbor 2001:db8:1::1 2001:db8:2::1 passive
	} > "$TMP/there.conf"
	{
		bgp 192.0.2.2 198.18.3.0/24 2001:db8:13::/48
		neighbor 192.0.2.1 192.0.2.2
		neighbor 2001:db8:1::1 2001:db8:1::2
	} > "$TMP/speaker.conf"
	start_router "$NS" speaker "$TMP/speaker.conf" bgpd --no_zebra --bgp_port 0
	start_router "$NS" here "$TMP/here.conf" bgpd
	start_router "$PEER" there "$TMP/there.conf" bgpd

	connected "update-source lo1, IPv4" here 192.0.2.1 100.64.0.1
	connected "update-source lo1, IPv6" here 2001:db8:1::1 2001:db8:2::1
	connected "to the router on the same host, IPv4" speaker 192.0.2.2 192.0.2.1
	connected "to the router on the same host, IPv6" speaker 2001:db8:1::2 2001:db8:1::1
	for name in "here $NS 198.18.2.0/24 2001:db8:12::/48" "there $PEER 198.18.1.0/24 2001:db8:11::/48"; do
		read -r name ns prefixes <<< "$name"
		wait_for has_learned_both "$ns" "$prefixes" ||
			equal "what $name has learned" "$prefixes" "$(learned_from "$ns")"
	done

	# The other one's turn.
	check "here waits" vty here -c 'configure terminal' -c 'router bgp 65001' \
		-c 'neighbor 100.64.0.1 passive' -c 'neighbor 2001:db8:2::1 passive'
	check "there connects" vty there -c 'configure terminal' -c 'router bgp 65001' \
		-c 'no neighbor 192.0.2.1 passive' -c 'no neighbor 2001:db8:1::1 passive'
	connected "update-source 100.64.0.1" there 100.64.0.1 192.0.2.1
	connected "update-source 2001:db8:2::1" there 2001:db8:2::1 2001:db8:1::1

	ADDRESSES='192.0.2.1, 192.0.2.2, 2001:db8:1::1, 2001:db8:1::2'
	if [ "$DEVICE" != lo ]; then
		counters "$NS" lo2
		number "packets of the speaker's sessions that lo2 carried" "$rx_packets" -gt 0
	fi
	row "FRR $(version frr): iBGP between loopbacks, update-source by name and by address" \
		"a second router, a speaker on the same host" \
		"4 sessions established with the right source, each family's prefix learned on both sides; again with the other side connecting"
}

sessions_dummy()
{
	sessions_on dummy
}

sessions()
{
	sessions_on rust_lo
}

run_tests "$@"
