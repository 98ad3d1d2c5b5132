#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# WireGuard, whose peers know an address of lo1 as its endpoint.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"dummy: the endpoint is an address of a dummy: handshake, answers from there"
	"rust_lo: of a rust_lo device"
)

REQUESTS=5
PING=(ping -n -q -c "$REQUESTS" -i 0.2 -W 10)

# key NAME: a new one, the public one in TMP/NAME.pub.
key()
{
	(umask 077; wg genkey > "$TMP/$1.key")
	wg pubkey < "$TMP/$1.key" > "$TMP/$1.pub"
}

# at ADDRESS: as an endpoint.
at()
{
	if [[ $1 == *:* ]]; then echo "[$1]:51820"; else echo "$1:51820"; fi
}

# peered NS DEVICE ADDRESS: a new session, with this as the server's endpoint.
peered()
{
	in_ns "$1" wg set "$2" peer "$(cat "$TMP/server.pub")" remove
	in_ns "$1" wg set "$2" peer "$(cat "$TMP/server.pub")" endpoint "$(at "$3")" \
		allowed-ips 10.0.0.1/32,fd00::1/128
}

# answers_from: whence a peer on the same host is answered when it asks the second address of IPv4.
answers_from()
{
	if [ "$TYPE" = rust_lo ]; then echo "${ADDRESSES4[0]}"; else echo "${ADDRESSES4[1]}"; fi
}

# shook_hands WHAT NS DEVICE ADDRESS: there was a handshake, and the answers,
# which WireGuard follows, came from there.
shook_hands()
{
	number "$1: time of the handshake" "$(in_ns "$2" wg show "$3" latest-handshakes | cut -f 2)" -gt 0
	equal "$1: where the answers come from" "$(at "$4")" "$(in_ns "$2" wg show "$3" endpoints | cut -f 2)"
}

tunnel_on()
{
	local name address family inside

	need wg nft
	lo1_is "$1"
	setup_ns INNER
	for name in server peer inner; do
		key "$name"
	done
	# The sockets of wg1 stay in NS, when it is moved to INNER.
	batch "$NS" <<- END
		link add wg0 type wireguard
		address add 10.0.0.1/24 dev wg0
		address add fd00::1/64 dev wg0
		link set wg0 up
		link add wg1 type wireguard
		link set wg1 netns $INNER
	END
	in_ns "$NS" wg set wg0 private-key "$TMP/server.key" listen-port 51820 \
		peer "$(cat "$TMP/peer.pub")" allowed-ips 10.0.0.2/32,fd00::2/128 \
		peer "$(cat "$TMP/inner.pub")" allowed-ips 10.0.0.3/32,fd00::3/128
	batch "$PEER" <<- END
		link add wg0 type wireguard
		address add 10.0.0.2/24 dev wg0
		address add fd00::2/64 dev wg0
		link set wg0 up
	END
	in_ns "$PEER" wg set wg0 private-key "$TMP/peer.key"
	batch "$INNER" <<- END
		address add 10.0.0.3/24 dev wg1
		address add fd00::3/64 dev wg1
		link set wg1 up
	END
	in_ns "$INNER" wg set wg1 private-key "$TMP/inner.key"
	in_ns "$PEER" nft -f - <<- END
		table inet firewall {
			set here4 { type ipv4_addr; }
			set here6 { type ipv6_addr; }
			counter refused { }
			chain input {
				type filter hook input priority 0
				ip saddr @here4 accept
				ip6 saddr @here6 accept
				udp sport 51820 counter name refused drop
			}
		}
	END

	for address in "${ADDRESSES4[1]}" "${ADDRESSES6[1]}"; do
		family=4
		[[ $address != *:* ]] || family=6
		in_ns "$PEER" nft "flush set inet firewall here4; flush set inet firewall here6
			add element inet firewall here$family { $address }"
		peered "$PEER" wg0 "$address"
		for inside in 10.0.0.1 fd00::1; do
			check "$address: the peer pings $inside" in_ns "$PEER" "${PING[@]}" "$inside"
		done
		for inside in 10.0.0.2 fd00::2; do
			check "$address: the peer is pinged, $inside" in_ns "$NS" "${PING[@]}" "$inside"
		done
		shook_hands "$address, the peer" "$PEER" wg0 "$address"
		equal "$address: packets from elsewhere" "packets 0 bytes 0" \
			"$(in_ns "$PEER" nft list counter inet firewall refused | grep -o 'packets.*')"
	done

	address=${ADDRESSES6[1]}
	peered "$INNER" wg1 "$address"
	for inside in 10.0.0.1 fd00::1; do
		over "$address" nsenter "--net=/run/netns/$INNER" "${PING[@]}" "$inside"
	done
	shook_hands "$address, here" "$INNER" wg1 "$address"
	ADDRESSES="${ADDRESSES4[1]}, ${ADDRESSES6[1]}"
	row "WireGuard, wg $(version wireguard-tools)" "a peer in a second namespace, one with its sockets here" \
		"3 handshakes, $((10 * REQUESTS)) pings through the tunnels, all packets from the address of the endpoint; a peer here is answered from $(answers_from) over IPv4"

	# send4() keeps the address that was asked if the device of the route, which
	# for rust_lo says lo, is the one that the question came by. Else it takes the
	# first that there is, and lo.
	peered "$INNER" wg1 "${ADDRESSES4[1]}"
	for inside in 10.0.0.1 fd00::1; do
		check "${ADDRESSES4[1]}: a peer here pings $inside" in_ns "$INNER" "${PING[@]}" "$inside"
	done
	shook_hands "${ADDRESSES4[1]}, here" "$INNER" wg1 "$(answers_from)"
}

dummy()
{
	tunnel_on dummy
}

rust_lo()
{
	tunnel_on rust_lo
}

run_tests "$@"
