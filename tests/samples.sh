#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The drivers in samples/: the abstractions carry others than that of rust_lo.
# Without it: abstractions that fit one driver only.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"short: the sample has no unsafe code and fewer than 65 lines"
	"pings: its devices carry pings, and count each packet"
	"beside: one in the same namespace as a rust_lo device, each with its own traffic"
	"removal: rmmod deletes its devices everywhere, and no namespace is held"
	"dummy_short: rust_dummy has no unsafe code and fewer than 90 lines"
	"dummy_told: user space is told of its devices what it is told of a dummy, field by field"
	"dummy_does: commands come to the same with it as with a dummy, and packets are counted"
	"dummy_load: as many devices as were asked for, and none is left after rmmod"
	"dummy_fuzz: rtnetlink answers and does the same as for a dummy"
	"pair_short: rust_pair has no unsafe code and fewer than 200 lines"
	"pair_asked: both ends are as they were asked for, and each tells where the other one is"
	"pair_refused: what cannot be had is refused with a reason, and leaves no end behind"
	"pair_pings: two namespaces reach each other, and both ends count each packet"
	"pair_carrier: an end has a carrier while both are up"
	"pair_loses: of so many packets one is lost and counted"
	"pair_iperf: iperf3 through the pair"
	"pair_ends: both ends go, whichever is deleted, in any order, under traffic"
	"pair_removal: rmmod deletes all pairs under traffic, and no namespace is held"
)

SAMPLE_KO=$(dirname "$RUST_LO_KO")/rust_echo.ko
DUMMY_KO=${SAMPLE_KO%/*}/rust_dummy.ko
PAIR_KO=${SAMPLE_KO%/*}/rust_pair.ko

cleanup_hook()
{
	local sample

	for sample in rust_dummy rust_echo rust_pair; do
		[ ! -d "/sys/module/$sample" ] || rmmod "$sample"
	done
}

# setup_echo NS: a device echo0 that is up and has an address of its own.
setup_echo()
{
	batch "$1" <<- EOF
		link add echo0 type rust_echo
		address add 192.0.2.1/32 dev echo0
		link set echo0 up
	EOF
}

# is_short SAMPLE LINES: no unsafe code, and fewer lines.
is_short()
{
	local source=$TESTS_DIR/../samples/$1.rs

	[ -e "$source" ] || skip "there is no source beside the tests"
	equal "lines with unsafe" 0 "$(grep -c unsafe "$source" || true)"
	number "lines" "$(wc -l < "$source")" -lt "$2"
}

short()
{
	is_short rust_echo 65
}

pings()
{
	local address

	setup_ns NS
	insmod "$SAMPLE_KO"
	setup_echo "$NS"
	for address in 127.0.0.1 192.0.2.1 ::1; do
		grown "$NS" echo0 ping_some "$NS" "$address"
		equal "requests and replies of 3 pings to $address" 6 "$grown_packets"
	done
	# The last one: 40 of IPv6, 8 of ICMPv6 and 56 of ping, six times.
	equal "bytes of 3 pings to ::1" 624 "$grown_bytes"
	silent "$NS" lo
	counters "$NS" echo0
	equal "errors and drops" "0 0 0 0" "$rx_errors $rx_dropped $tx_errors $tx_dropped"

	ip -n "$NS" link set echo0 down
	refused "a ping while it is down" '' ping_once "$NS" 192.0.2.1
	ip -n "$NS" link set echo0 up
	grown "$NS" echo0 ping_once "$NS" 192.0.2.1
}

ping_some()
{
	in_ns "$1" ping -n -q -c 3 -i 0.1 -W 2 "$2"
}

beside()
{
	setup_loopback NS
	insmod "$SAMPLE_KO"
	setup_echo "$NS"
	grown "$NS" echo0 ping_once "$NS" 192.0.2.1
	untouched "$NS" rlo0 ping_once "$NS" 192.0.2.1
	grown "$NS" rlo0 ping_once "$NS" 127.0.0.1
	untouched "$NS" echo0 ping_once "$NS" 127.0.0.1
}

removal()
{
	local ns

	remember_namespaces
	setup_ns A B
	log_mark
	insmod "$SAMPLE_KO"
	setup_echo "$A"
	setup_echo "$B"
	ip -n "$B" link set echo0 netns "$A" name echo1
	setup_echo "$B"
	check "unloaded with devices that are up" timeout $((WAIT_TIMEOUT * 3)) rmmod rust_echo
	for ns in "$A" "$B"; do
		# With the driver built in, each namespace has the fallback tunnel sit0.
		equal "devices" lo "$(ip -n "$ns" -o link | awk -F': ' '$2 !~ /^sit0@/ { print $2 }' | xargs)"
	done
	refused "one more" 'Unknown device type' ip -n "$A" link add echo0 type rust_echo
	ip netns del "$A"
	ip netns del "$B"
	namespaces_freed
	equal "trouble in the kernel log" "" "$(log_since |
		grep -E 'WARNING|BUG|Oops|refcount|unregister_netdevice: waiting' || true)"
}

dummy_short()
{
	is_short rust_dummy 90
}

# setup_dummies: a namespace NS with a device dumc of the dummy in C and one dumr of
# ours.
setup_dummies()
{
	modprobe dummy numdummies=0 2> /dev/null || true
	insmod "$DUMMY_KO" numdummies=0
	setup_ns NS
	batch "$NS" <<- EOF
		link add dumc type dummy
		link add dumr type rust_dummy
	EOF
}

# same DEVICE: but for its name, its index, its address and its kind.
same()
{
	sed -E "s/^[0-9]+:/N:/; s/\brust_dummy\b/dummy/g; s/\b$1\b/DEV/g; s/(ifindex\"?|IFINDEX|iflink)(:|=) ?[0-9]+/\1/
		/address|ether/s/([0-9a-f]{2}:){5}[0-9a-f]{2}/MAC/"
}

# told DEVICE: by ip, ethtool, sysctls and sysfs, a line each.
told()
{
	local option

	ip -n "$NS" -d -s -s -j -p link show dev "$1"
	for option in -i -k -T -l -g -c -a -S -m -d -u --show-eee --show-fec --show-priv-flags --show-features; do
		echo "ethtool $option"
		in_ns "$NS" ethtool "$option" "$1" 2>&1 || true
	done
	in_ns "$NS" sh -c "cd /proc/sys/net && grep -rs . ipv[46]/conf/$1 ipv[46]/neigh/$1" || true
	ip netns exec "$NS" sh -c "cd /sys/class/net/$1/ && grep -rs . ." || true
}

dummy_told()
{
	local dev state

	need ethtool
	setup_dummies
	for state in down up; do
		for dev in dumc dumr; do
			batch "$NS" <<< "link set $dev $state"
			# What the protocols send when it goes up is a matter of time.
			wait_for silence "$dev"
			told "$dev" | same "$dev" | sed -E '/packets|bytes/s/[1-9][0-9]*/N/g' | sort > "$TMP/$dev"
		done
		number "fields of a device that is $state" "$(wc -l < "$TMP/dumc")" -gt 400
		equal "what differs while it is $state" "" "$(diff "$TMP/dumc" "$TMP/dumr" || true)"
	done
	for dev in dumc dumr; do
		matches "a random address" '^.[26ae]:' "$(ip -n "$NS" -j -p link show dev "$dev" | sed -n 's/.*"address": "//p')"
	done
	refused "two of one address" '' [ "$(link_address dumc)" = "$(link_address dumr)" ]
}

link_address()
{
	ip netns exec "$NS" cat "/sys/class/net/$1/address"
}

# silence DEVICE: it sends nothing for half a second.
silence()
{
	local before

	counters "$NS" "$1"
	before=$tx_packets
	sleep 0.5
	counters "$NS" "$1"
	[ "$before" = "$tx_packets" ]
}

# does DEVICE KIND: a transcript. While packets are counted nothing may be on of which
# the kernel sends some of its own, sooner or later.
does()
{
	local dev=$1 kind=$2 command rc

	while read -r command; do
		rc=0
		echo "\$ $command"
		command=${command//DEV/$dev}
		# shellcheck disable=SC2086 # several words
		in_ns "$NS" ${command//KIND/$kind} 2>&1 || rc=$?
		echo "status $rc"
	done <<- EOF
		sysctl -w net.ipv6.conf.DEV.disable_ipv6=1
		ip address add 192.0.2.1/24 dev DEV
		ip link set DEV up
		ping -n -q -c 3 -i 0.1 -W 0.1 192.0.2.9
		ip -s -s link show dev DEV
		ip link set DEV carrier off
		ip link show dev DEV
		ping -n -q -c 1 -W 0.1 192.0.2.9
		ip -s link show dev DEV
		ip link set DEV carrier on
		ip link show dev DEV
		ip maddress add 33:33:00:00:00:07 dev DEV
		ip maddress show dev DEV
		ip maddress delete 33:33:00:00:00:07 dev DEV
		ip maddress show dev DEV
		ip link set DEV promisc on
		ip link set DEV allmulticast on
		ip link show dev DEV
		ip link set DEV mtu 0
		ip link set DEV mtu 67
		ip link set DEV mtu 65536
		ip link set DEV mtu 2147483647
		ip link set DEV mtu 2147483648
		ip link set DEV mtu 9000
		ping -n -q -c 1 -W 0.1 -M do -s 8972 192.0.2.9
		ping -n -q -c 1 -W 0.1 -M do -s 8973 192.0.2.9
		ip link set DEV address 01:00:5e:00:00:01
		ip link set DEV address 00:00:00:00:00:00
		ip link set DEV address 02:00:00:00:00:07
		ip -s link show dev DEV
		ethtool -K DEV gso off tso off sg off tx off
		ethtool -k DEV
		ethtool -K DEV tx on sg on tso on gso on highdma off
		ip link set DEV txqueuelen 7
		ip link add link DEV name DEV.5 type vlan id 5
		ip link set DEV.5 up
		ethtool -k DEV.5
		ip link delete DEV.5
		ip link add other address 01:00:5e:00:00:01 type KIND
		ip link add other address 00:00:00:00:00:00 type KIND
		ip link add other address 02:00:00:00:00 type KIND
		ip link add other address 02:00:00:00:00:08 numtxqueues 3 numrxqueues 2 type KIND
		ip link set other name DEV
		ip link set DEV multicast on
		ip link set DEV arp on
		ip link show dev DEV
		ip link set other down
		ip -d link show dev other
		ip link delete other
		ip link show dev other
	EOF
}

# The dummy in C gives no reasons; that the errors are the same is seen by the fuzzer.
without_reason()
{
	sed -E 's/time [0-9]+ms/time/
		s/^(RTNETLINK answers: (Cannot assign requested address|Invalid argument)|Error: address .*)$/refused/'
}

dummy_does()
{
	need ethtool
	setup_dummies
	does dumc dummy | same dumc | without_reason > "$TMP/dumc"
	does dumr rust_dummy | same dumr | without_reason > "$TMP/dumr"
	matches "3 pings counted" '294 +3 ' "$(xargs < "$TMP/dumr")"
	number "commands that succeeded" "$(grep -c '^status 0' "$TMP/dumr")" -gt 30
	equal "what differs" "" "$(diff "$TMP/dumc" "$TMP/dumr" || true)"
}

dummy_load()
{
	local dev

	insmod "$DUMMY_KO" numdummies=2
	equal "devices" "rust_dummy0 rust_dummy1" "$(ip -o link show type rust_dummy | awk -F': ' '{ print $2 }' | sort | xargs)"
	for dev in rust_dummy0 rust_dummy1; do
		ip link set "$dev" up
	done
	log_mark
	check "unloaded with devices that are up" rmmod rust_dummy
	refused "a device that is gone" 'does not exist' ip link show dev rust_dummy0
	refused "more than there may be" '' insmod "$DUMMY_KO" numdummies=1025
	insmod "$DUMMY_KO"
	equal "devices, if no number is given" 1 "$(ip -o link show type rust_dummy | wc -l)"
	equal "trouble in the kernel log" "" "$(log_since |
		grep -E 'WARNING|BUG|Oops|refcount|unregister_netdevice: waiting' || true)"
}

dummy_fuzz()
{
	need_program fuzz
	insmod "$DUMMY_KO" numdummies=0
	"$PROGRAM" --kind rust_dummy --count "${FUZZ_COUNT:-2000}" --seed 1 || fail "fuzz found nothing"
}

pair_short()
{
	is_short rust_pair 200
}

# pair NS add|set|get NAME [KEY=VALUE]...: what ip does not know of the kind: the
# attributes of its own. Keys of add: netns (a file), index, mtu, lose; and of the peer
# peer (its name), peer-netns, peer-index, peer-mtu, peer-address, peer-up, any of
# which makes a peer attribute. set takes lose, get prints it.
pair()
{
	need python3
	[ -e "$TMP/pair.py" ] || cat > "$TMP/pair.py" <<- 'EOF'
		import os, socket, struct, sys
		RTM_NEWLINK, RTM_GETLINK, NLMSG_ERROR = 16, 18, 2
		REQUEST, ACK, EXCL, CREATE = 1, 4, 0x200, 0x400
		IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 18, 28
		INFO_KIND, INFO_DATA, PEER, LOSE = 1, 2, 1, 2
		netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
		netlink.setsockopt(270, 11, 1)  # NETLINK_EXT_ACK
		netlink.setsockopt(270, 10, 1)  # NETLINK_CAP_ACK
		netlink.bind((0, 0))

		def attribute(kind, data):
		    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

		def attributes(data):
		    found = {}
		    while data:
		        length, kind = struct.unpack_from("=HH", data)
		        found[kind & 0x3fff] = data[4:length]
		        data = data[(length + 3) & ~3:]
		    return found

		def u32(kind, value):
		    return attribute(kind, struct.pack("=I", int(value)))

		def link(keys, prefix, name):
		    """struct ifinfomsg and attributes"""
		    def key(what):
		        return keys.get(prefix + what)
		    flags = 1 if key("up") else 0
		    data = struct.pack("=BxHiII", 0, 0, int(key("index") or 0), flags, flags)
		    if name:
		        data += attribute(IFLA_IFNAME, name.encode() + b"\0")
		    if key("mtu"):
		        data += u32(IFLA_MTU, key("mtu"))
		    if key("address"):
		        data += attribute(IFLA_ADDRESS, bytes.fromhex(key("address")))
		    if key("netns"):
		        data += u32(IFLA_NET_NS_FD, os.open(key("netns"), os.O_RDONLY))
		    return data

		def ask(kind, flags, body):
		    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 1, 0) + body)
		    data = netlink.recv(1 << 16)
		    if struct.unpack_from("=H", data, 4)[0] != NLMSG_ERROR:
		        return attributes(data[32:])
		    error = -struct.unpack_from("=i", data, 16)[0]
		    if error:
		        more = attributes(data[36:])
		        text = more.get(1, b"\0")[:-1].decode()
		        at = struct.unpack("=I", more[2])[0] if 2 in more else 0
		        # The number of the attribute that the message is about.
		        about = struct.unpack_from("=H", body, at - 16 + 2)[0] if at else None
		        sys.exit(f"{os.strerror(error)}: {text} (attribute {about})")

		command, name, *rest = sys.argv[1:]
		keys = dict(word.split("=") for word in rest)
		if command == "get":
		    info = attributes(ask(RTM_GETLINK, 0, link({}, "", name))[IFLA_LINKINFO])
		    print("lose", *struct.unpack("=I", attributes(info[INFO_DATA])[LOSE]))
		else:
		    data = b""
		    if any(key.startswith("peer") for key in keys):
		        data += attribute(PEER, link(keys, "peer-", keys.get("peer")))
		    if "lose" in keys:
		        data += u32(LOSE, keys["lose"])
		    info = attribute(INFO_KIND, b"rust_pair\0") + attribute(INFO_DATA, data)
		    body = link(keys, "", name) + attribute(IFLA_LINKINFO, info)
		    ask(RTM_NEWLINK, ACK | (EXCL | CREATE if command == "add" else 0), body)
	EOF
	in_ns "$1" python3 "$TMP/pair.py" "${@:2}"
}

# ends NS...: the ends in each of the namespaces.
ends()
{
	local ns

	for ns; do
		ip -n "$ns" -d -j link | jq -r '.[] | select(.linkinfo.info_kind == "rust_pair").ifname'
	done | sort | xargs
}

# end_of NS NAME JQ: what ip says of an end.
end_of()
{
	ip -n "$1" -d -j link show "$2" | jq -r ".[] | $3"
}

# setup_pair: namespaces A and B, with an end left in the one and right in the other, both up
# and with addresses.
setup_pair()
{
	[ -n "${A:-}" ] || setup_ns A B
	[ -d /sys/module/rust_pair ] || insmod "$PAIR_KO"
	pair "$A" add left peer=right peer-netns="/run/netns/$B"
	batch "$A" <<- EOF
		address add 192.0.2.1/24 dev left
		address add 2001:db8::1/64 dev left nodad
		link set left up
	EOF
	batch "$B" <<- EOF
		address add 192.0.2.2/24 dev right
		address add 2001:db8::2/64 dev right nodad
		link set right up
	EOF
}

pair_asked()
{
	need jq
	setup_ns A B
	insmod "$PAIR_KO"
	pair "$A" add left index=42 mtu=1400 lose=5 peer=right peer-netns="/run/netns/$B" \
		peer-index=43 peer-mtu=9000 peer-address=020000000002 peer-up=y
	equal "ends" "left right" "$(ends "$A" "$B")"
	equal "index, MTU" "42 1400" "$(end_of "$A" left '"\(.ifindex) \(.mtu)"')"
	equal "index, MTU, address, up" "43 9000 02:00:00:00:00:02 UP" \
		"$(end_of "$B" right '"\(.ifindex) \(.mtu) \(.address) \(.flags[] | select(. == "UP"))"')"
	matches "address of left" '^[0-9a-f][26ae]:' "$(end_of "$A" left .address)"
	equal "kind data" "lose 5" "$(pair "$A" get left)"
	equal "kind data of the peer" "lose 0" "$(pair "$B" get right)"
	check "changed" pair "$B" set right lose=7
	equal "kind data, changed" "lose 7" "$(pair "$B" get right)"
	equal "kind data of the other" "lose 5" "$(pair "$A" get left)"

	# Each says in which namespace the other one is, and under which index.
	equal "namespace of right, seen from left" "$B" "$(peer_namespace "$A" left)"
	equal "namespace of left, seen from right" "$A" "$(peer_namespace "$B" right)"
	equal "index of right, seen from left" 43 "$(end_of "$A" left .link_index)"
	equal "index of left, seen from right" 42 "$(end_of "$B" right .link_index)"
	ip -n "$B" link set right netns "$A"
	equal "one namespace" "null right" "$(end_of "$A" left '"\(.link_netnsid) \(.link)"')"
	ip -n "$A" link del right
	equal "ends" "" "$(ends "$A" "$B")"

	# What ip can ask for: no peer attribute.
	ip -n "$A" link add c address 02:00:00:00:00:03 link-netns "$B" type rust_pair
	equal "ends" "c rust_pair0" "$(ends "$A" "$B")"
	equal "namespace of the peer" "$B" "$(peer_namespace "$A" c)"
	equal "address" 02:00:00:00:00:03 "$(end_of "$A" c .address)"
	[ "$(end_of "$B" rust_pair0 .address)" != 02:00:00:00:00:03 ] || fail "both have the address"
	ip -n "$B" link del rust_pair0
	equal "ends" "" "$(ends "$A" "$B")"
}

# peer_namespace NS NAME: where the peer is.
peer_namespace()
{
	local id

	id=$(end_of "$1" "$2" .link_netnsid)
	ip -n "$1" -j netns list-id | jq -r --argjson id "$id" '.[] | select(.nsid == $id).name'
}

pair_refused()
{
	local many=(name0123456789abcdef)

	need jq
	setup_ns A B
	insmod "$PAIR_KO"
	ip -n "$B" link add taken type dummy
	refused "a loss of all" 'Invalid argument: all packets would be lost \(attribute 2\)' \
		pair "$A" add left lose=1
	refused "a name that is taken" 'File exists' \
		pair "$A" add left peer=taken peer-netns="/run/netns/$B"
	refused "a multicast address" "requested address|multicast" \
		pair "$A" add left peer=right peer-address=010000000002
	refused "a short address" 'must have 6' pair "$A" add left peer=right peer-address=0200
	refused "an index below 0" 'negative' pair "$A" add left peer=right peer-index=-1
	refused "an MTU of 20" 'mtu' pair "$A" add left peer=right peer-mtu=20
	refused "an index that is taken" 'busy|exists' \
		pair "$A" add left index=1 peer=right peer-index=99 peer-netns="/run/netns/$B"
	refused "a long name" 'Numerical result|Invalid' pair "$A" add left peer="${many[*]}"
	refused "a namespace that is none" '' pair "$A" add left peer=right peer-netns=/dev/null
	equal "ends" "" "$(ends "$A" "$B")"
	pair "$A" add left
	refused "a loss of all" 'all packets would be lost \(attribute 2\)' pair "$A" set left lose=1
	equal "ends" "left rust_pair0" "$(ends "$A")"
	rmmod rust_pair
	equal "ends" "" "$(ends "$A")"
}

# both_count: what one end has sent the other one has received.
both_count()
{
	counters "$A" left
	left="$rx_packets $rx_bytes $tx_packets $tx_bytes"
	counters "$B" right
	right="$tx_packets $tx_bytes $rx_packets $rx_bytes"
	[ "$left" = "$right" ]
}

pair_pings()
{
	local address left right before

	setup_pair
	# IPv6 may have spoken to an end that was not up yet, as with a veth.
	counters "$A" left
	before=$tx_dropped
	for address in 192.0.2.2 2001:db8::2; do
		check "ping of $address" ping_once "$A" "$address"
	done
	for address in 192.0.2.1 2001:db8::1; do
		check "ping of $address" ping_once "$B" "$address"
	done
	# Longer than the MTU: three fragments each.
	for address in 192.0.2.2 2001:db8::2; do
		check "long ping of $address" ping_once "$A" "$address" -s 4000
	done
	counters "$A" left
	equal "errors and drops of left" "0 0 0 $before" "$rx_errors $rx_dropped $tx_errors $tx_dropped"
	# IPv6 says something now and then, also between two looks.
	wait_for both_count || fail "left has received what right sent, and the other way: $left, $right"
	equal "errors and drops of right" "0 0 0 0" "$rx_errors $rx_dropped $tx_errors $tx_dropped"
	# Two pings and two answers, six fragments, who has the address in both families.
	number "packets" "$rx_packets" -gt 11
	# A mark is the namespace's own.
	in_ns "$B" nft -f - <<- EOF
		table ip t { chain c { type filter hook input priority 0; meta mark 7 counter drop; }; }
	EOF
	check "marked ping" ping_once "$A" -m 7 192.0.2.2
	# Of a shorter MTU: dropped at the other end.
	ip -n "$B" link set right mtu 1000
	refused "a packet that is too long" '100% packet loss' ping_once "$A" 192.0.2.2 -s 1200
	counters "$B" right
	number "dropped at the other end" "$rx_dropped" -ge 1
	counters "$A" left
	equal "and at this one" $((before + 1)) "$tx_dropped"
}

# carrier NS DEVICE: the flag, 1 or 0.
carrier()
{
	[[ " $(ip -n "$1" -j link show "$2" | jq -r '.[].flags | join(" ")') " == *" NO-CARRIER "* ]] &&
		echo 0 || echo 1
}

# A moment after it has a carrier.
is_up()
{
	[ "$(end_of "$A" left .operstate)" = UP ]
}

pair_carrier()
{
	need jq
	setup_pair
	equal "both up" "1 1" "$(carrier "$A" left) $(carrier "$B" right)"
	wait_for is_up || fail "left is not UP"
	ip -n "$B" link set right down
	equal "right down" 0 "$(carrier "$A" left)"
	refused "a ping" '' ping_once "$A" 192.0.2.2
	ip -n "$B" link set right up
	equal "right up" "1 1" "$(carrier "$A" left) $(carrier "$B" right)"
	# The queues follow the carrier up to a second later (net/core/link_watch.c).
	wait_for ping_once "$A" 192.0.2.2 || fail "a ping"
	ip -n "$A" link set left down
	equal "left down" 0 "$(carrier "$B" right)"
}

pair_loses()
{
	local lost

	setup_pair
	check "ping" ping_once "$A" 192.0.2.2
	counters "$A" left
	lost=$tx_dropped
	pair "$A" set left lose=3
	matches "of 30 pings" '30 packets transmitted, (19|20|21) received' \
		"$(in_ns "$A" ping -n -q -c 30 -i 0.01 -W 1 192.0.2.2 || true)"
	counters "$A" left
	number "lost" $((tx_dropped - lost)) -ge 9
	pair "$A" set left lose=0
	check "ping without loss" in_ns "$A" ping -n -q -c 10 -i 0.01 -W 1 192.0.2.2
}

pair_iperf()
{
	local address rate packets

	need iperf3 jq
	setup_pair
	background in_ns "$B" iperf3 -s
	wait_for listening "$B" -t 5201
	for address in 192.0.2.2 2001:db8::2; do
		counters "$A" left
		packets=$tx_packets
		rate=$(in_ns "$A" iperf3 -c "$address" -t 2 -J | jq '.end.sum_received.bits_per_second / 1e6 | floor')
		say "$address: $rate Mbit/s"
		number "Mbit/s" "$rate" -gt 0
		counters "$A" left
		number "packets" $((tx_packets - packets)) -gt 100
	done
	number "packets of UDP, received" "$(in_ns "$A" iperf3 -u -b 20M -c 192.0.2.2 -t 2 -J |
		jq '.end.sum_received.packets - .end.sum_received.lost_packets')" -gt 100
	counters "$A" left
	equal "errors" "0 0" "$rx_errors $tx_errors"
}

# pair_traffic: A sends to B what it can, as long as the test runs, and B answers.
pair_traffic()
{
	cat > "$TMP/traffic.py" <<- 'EOF'
		import socket, time
		targets = [(socket.socket(family, socket.SOCK_DGRAM), address)
		           for family, address in ((socket.AF_INET, "192.0.2.2"), (socket.AF_INET6, "2001:db8::2"))]
		while True:
		    for tx, address in targets:
		        try:
		            for _ in range(20):
		                tx.sendto(b"x" * 1000, (address, 7000))
		        except OSError:
		            pass
		    # Others have to get on as well.
		    time.sleep(0.005)
	EOF
	background in_ns "$A" python3 "$TMP/traffic.py"
}

# carried: right has received something.
carried()
{
	counters "$B" right
	[ "$rx_packets" -gt 50 ]
}

pair_ends()
{
	local i count=${PAIR_ROUNDS:-$((CROWD * 3 / 10))}

	need jq python3
	setup_ns A
	pair_traffic
	insmod "$PAIR_KO"
	log_mark
	for ((i = 0; i < count; i++)); do
		[ -n "${B:-}" ] || setup_ns B
		setup_pair
		wait_for carried || fail "round $i: no traffic"
		case $((i % 6)) in
		0) ip -n "$A" link del left ;;
		1) ip -n "$B" link del right ;;
		2)	# Who is second finds none.
			ip -n "$A" link del left 2> /dev/null & ip -n "$B" link del right 2> /dev/null || true
			wait $! || true
			;;
		3)	ip -n "$B" link set right netns "$A"
			ip -n "$A" link del right
			;;
		4)	ip netns del "$B"
			wait_for no_end || fail "round $i: left is still there"
			B=
			;;
		5)	ip -n "$B" link set right down
			ip -n "$A" link del left
			;;
		esac
		equal "round $i: ends" "" "$(ends "$A" ${B:+"$B"})"
		[ $((i % 20)) -ne 19 ] || say "$((i + 1)) rounds"
	done
	# The namespace that the traffic comes from.
	[ -n "${B:-}" ] || setup_ns B
	setup_pair
	wait_for carried || fail "no traffic"
	end_background
	ip netns del "$A"
	wait_for no_end "$B" || fail "right is still there"
	check "unloaded" timeout $((WAIT_TIMEOUT * 3)) rmmod rust_pair
	pair_log
}

no_end()
{
	[ -z "$(ends "${1:-$A}")" ]
}

pair_log()
{
	equal "trouble in the kernel log" "" "$(log_since |
		grep -E 'WARNING|BUG|Oops|refcount|ref_tracker|unregister_netdevice: waiting' || true)"
}

pair_removal()
{
	local i

	need jq python3
	remember_namespaces
	log_mark
	setup_pair
	pair_traffic
	for ((i = 0; i < 5; i++)); do
		pair "$A" add "x$i" peer="y$i" peer-netns="/run/netns/$B" peer-up=y
		pair "$B" add "z$i"
	done
	wait_for carried || fail "no traffic"
	check "unloaded" timeout $((WAIT_TIMEOUT * 3)) rmmod rust_pair
	equal "ends" "" "$(ends "$A" "$B")"
	end_background
	ip netns del "$A"
	ip netns del "$B"
	namespaces_freed
	pair_log
}

if [ ! -e "$SAMPLE_KO" ]; then
	echo "KTAP version 1"
	echo "1..0 # SKIP there is no $SAMPLE_KO: make samples"
	exit "$ksft_skip"
fi
run_tests "$@"
