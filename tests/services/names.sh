# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of servers of names share: each serves here.example, 203.0.113.1,
# and asks PEER for v4.example and v6.example, by IPv4 and IPv6, from the first
# address of lo1.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2034 # of the tests
FORWARDER4=198.51.100.1 FORWARDER6=2001:db8::1
REQUESTS=5

# forwarder: the server in PEER, which notes who asks.
forwarder()
{
	background in_ns "$PEER" dnsmasq -k -C /dev/null -u root -x "$TMP/forwarder.pid" --no-resolv --no-hosts \
		--log-queries --log-facility="$TMP/asked" --host-record=v4.example,203.0.113.4 \
		--host-record=v6.example,203.0.113.6
	wait_for listening "$PEER" -u 53 || fail "the server in PEER listens"
}

# dig_args SERVER NAME [OPTION]...: sets args, for REQUESTS times the same question.
dig_args()
{
	local i

	args=(dig +short +tries=1 +time=20 "@$1" "${@:3}")
	for ((i = 0; i < REQUESTS; i++)); do
		args+=("$2")
	done
}

# answered WHAT IP TEXT: all the answers are this.
answered()
{
	equal "$1" "$REQUESTS $2" "$(sort <<< "$3" | uniq -c | xargs)"
}

# ask_all: each address of lo1, over UDP and TCP, here, here from the other
# address, and from PEER. A client takes an answer from the address that it asked only.
ask_all()
{
	local address other tcp args

	for address in "${ADDRESSES4[@]}" "${ADDRESSES6[@]}"; do
		case $address in
		*1) other=${address%1}2 ;;
		*) other=${address%2}1 ;;
		esac
		for tcp in +notcp +tcp; do
			dig_args "$address" here.example "$tcp"
			over "$address" "${args[@]}"
			answered "$address, $tcp" 203.0.113.1 "$OUT"
			answered "$address from PEER, $tcp" 203.0.113.1 "$(in_ns "$PEER" "${args[@]}" 2>&1)"
			dig_args "$address" here.example "$tcp" -b "$other"
			over "$address" "${args[@]}"
			answered "$address from $other, $tcp" 203.0.113.1 "$OUT"
		done
	done
}

# ask_forwarder: a name that PEER knows, and whom PEER saw ask for it.
ask_forwarder()
{
	local source family args

	for source in "${ADDRESSES4[0]}" "${ADDRESSES6[0]}"; do
		family=4
		[[ $source != *:* ]] || family=6
		dig_args "$source" "v$family.example"
		over "$source" "${args[@]}"
		answered "a name of PEER's, asked by IPv$family" "203.0.113.$family" "$OUT"
		equal "who asked for v$family.example" "$source" \
			"$(sed -n "s/.*query\[A\] v$family.example from //p" "$TMP/asked" | sort -u | xargs)"
	done
}

# ask_from_wire: from the address of the wire, which lo carries the answer to.
ask_from_wire()
{
	local address args

	for address in 198.51.100.0/192.0.2.1 2001:db8::/2001:db8:1::1; do
		dig_args "${address#*/}" here.example -b "${address%/*}"
		answered "${address#*/} from ${address%/*}" 203.0.113.1 "$(in_ns "$NS" "${args[@]}" 2>&1)"
	done
}

# names_row SERVICE
names_row()
{
	row "$1" "dig, here and in a second namespace" \
		"$((24 * REQUESTS)) answers over UDP and TCP, each from the address asked; $((2 * REQUESTS)) of a server that was asked from 192.0.2.1 and 2001:db8:1::1"
}
