#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The driver's own counters (ethtool -S) and those by queue (qstats-get of
# netdev-genl) are exactly what was sent, and agree with those of the link.
# inject.sh has the frames that are too short, backlog.sh a backlog that is full.
# Without it: counters that cannot be trusted.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"names: a new device has six counters, all 0"
	"accepted: packets and bytes that were sent, as on the link"
	"down_up: counters stay when the device goes down and up"
	"moved: they go with the device into another namespace"
	"removed: a new device of the same name begins at 0"
	"qstats: the device's and its only queues' are those of the link, down and up"
	"queues: a device with several queues has none of them by queue"
	"others: lo has no such counters, and nobody has channels"
	"readers: reading them while devices come and go"
	"manual: rust_lo(4) names each feature and each private flag"
)

NAMES=(accepted_packets accepted_bytes rx_backlog_drops tx_too_short_drops tx_too_big_drops tx_no_memory_drops)

# setup_quiet VARIABLE [OPTION...]: a namespace with a device rlo0 that is up, on
# which nothing goes that is not sent here.
setup_quiet()
{
	local variable=$1
	shift

	setup_ns "$variable"
	in_ns "${!variable}" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 \
		net.ipv6.conf.default.disable_ipv6=1
	batch "${!variable}" <<- EOF
		link add rlo0 $* type rust_lo
		link set rlo0 up
	EOF
}

# values NS: of all counters, in their order.
values()
{
	statistics "$1" rlo0 | awk '{ print $2 }' | xargs
}

# send NS COUNT SIZE: packets with SIZE bytes behind the header of IP, of a protocol
# that a socket has taken, so that nobody answers them.
send()
{
	need python3
	in_ns "$1" python3 - "$2" "$3" <<- 'EOF'
		import socket, sys
		count, size = map(int, sys.argv[1:])
		packets = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
		for _ in range(count):
		    packets.sendto(bytes(size), ("127.0.0.1", 0))
		packets.settimeout(10)
		for _ in range(count):
		    packets.recv(1 << 16)
	EOF
}

# agree WHAT NS: those of the link are what the driver says.
agree()
{
	local packets bytes backlog short big memory

	read -r packets bytes backlog short big memory <<< "$(values "$2")"
	counters "$2" rlo0
	equal "$1: received, as on the link" "$rx_packets $rx_bytes" "$packets $bytes"
	equal "$1: sent, as on the link" "$tx_packets $tx_bytes" "$packets $bytes"
	equal "$1: dropped on the way out" "$tx_dropped" "$((short + big + memory))"
	equal "$1: dropped on the way in" "$rx_dropped" "$backlog"
}

# qstats_get NS IFINDEX|all [SCOPE]: asks for the counters of the device (or all) and
# prints what comes, a line for each answer: those that are set, as NAME=VALUE. An
# error is its number.
qstats_get()
{
	need python3
	cat > "$TMP/qstats.py" <<- 'EOF'
		import socket, struct, sys
		NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 16, 3
		CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
		NLM_F_REQUEST, NLM_F_DUMP, NLMSG_ERROR, NLMSG_DONE = 1, 0x300, 2, 3
		# include/uapi/linux/netdev.h
		NETDEV_CMD_QSTATS_GET = 12
		IFINDEX, QUEUE_TYPE, QUEUE_ID, SCOPE = 1, 2, 3, 4
		NAMES = {1: "ifindex", 2: "queue-type", 3: "queue-id", 8: "rx-packets", 9: "rx-bytes",
		         10: "tx-packets", 11: "tx-bytes"}
		netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
		netlink.bind((0, 0))

		def attribute(kind, data):
		    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

		def attributes(data):
		    while data:
		        length, kind = struct.unpack_from("=HH", data)
		        yield kind & 0x3fff, data[4:length]
		        data = data[(length + 3) & ~3:]

		def ask(family, command, flags, body):
		    message = struct.pack("=BBH", command, 1, 0) + body
		    netlink.send(struct.pack("=IHHII", 16 + len(message), family, flags, 1, 0) + message)
		    while True:
		        data = netlink.recv(1 << 16)
		        while data:
		            length, kind = struct.unpack_from("=IH", data)
		            if kind in (NLMSG_ERROR, NLMSG_DONE):
		                error = struct.unpack_from("=i", data, 16)[0]
		                if error:
		                    print("error", -error)
		                return
		            yield dict(attributes(data[20:length]))
		            if not flags & NLM_F_DUMP:
		                return
		            data = data[(length + 3) & ~3:]

		name = attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0")
		[family] = ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_REQUEST, name)
		family = struct.unpack("=H", family[CTRL_ATTR_FAMILY_ID])[0]
		body = b""
		if sys.argv[1] != "all":
		    body += attribute(IFINDEX, struct.pack("=I", int(sys.argv[1])))
		if len(sys.argv) > 2:
		    body += attribute(SCOPE, struct.pack("=I", int(sys.argv[2])))
		for answer in ask(family, NETDEV_CMD_QSTATS_GET, NLM_F_REQUEST | NLM_F_DUMP, body):
		    print(*(f"{NAMES.get(kind, kind)}={int.from_bytes(data, sys.byteorder)}"
		            for kind, data in answer.items()))
	EOF
	in_ns "$1" python3 "$TMP/qstats.py" "${@:2}"
}

index()
{
	ip -n "$1" -o link show "${2:-rlo0}" | cut -d : -f 1
}

# What the link has counted, as netdev-genl has to answer: of the device, of the
# queue that it receives and the one that it sends with.
of_device()
{
	counters "$1" rlo0
	echo "ifindex=$(index "$1") rx-packets=$rx_packets rx-bytes=$rx_bytes tx-packets=$tx_packets tx-bytes=$tx_bytes"
}

of_rx()
{
	counters "$1" rlo0
	echo "ifindex=$(index "$1") queue-type=0 queue-id=0 rx-packets=$rx_packets rx-bytes=$rx_bytes"
}

of_tx()
{
	counters "$1" rlo0
	echo "ifindex=$(index "$1") queue-type=1 queue-id=0 tx-packets=$tx_packets tx-bytes=$tx_bytes"
}

names()
{
	local name wanted='' driver

	for name in "${NAMES[@]}"; do
		wanted+=${wanted:+$'\n'}"$name 0"
	done
	setup_quiet NS
	equal "counters" "$wanted" "$(statistics "$NS" rlo0)"
	driver=$(in_ns "$NS" ethtool -i rlo0)
	matches "ethtool -i" '^supports-statistics: yes$' "$driver"
	matches "ethtool -i" '^supports-test: no$' "$driver"
	matches "ethtool -i" '^supports-priv-flags: yes$' "$driver"
}

accepted()
{
	setup_quiet NS
	send "$NS" 37 80
	equal "37 packets of 100 bytes" "37 3700 0 0 0 0" "$(values "$NS")"
	agree "raw socket" "$NS"
	check "ping" ping_once "$NS" 127.0.0.1
	equal "a ping and its answer" "39 $((3700 + 2 * 84)) 0 0 0 0" "$(values "$NS")"
	agree "ping" "$NS"
}

down_up()
{
	setup_quiet NS
	send "$NS" 5 80
	ip -n "$NS" link set rlo0 down
	equal "down" "5 500 0 0 0 0" "$(values "$NS")"
	agree "down" "$NS"
	ip -n "$NS" link set rlo0 up
	equal "up" "5 500 0 0 0 0" "$(values "$NS")"
	send "$NS" 5 80
	equal "and more" "10 1000 0 0 0 0" "$(values "$NS")"
	agree "up" "$NS"
}

moved()
{
	setup_quiet NS
	setup_ns OTHER
	send "$NS" 5 80
	ip -n "$NS" link set rlo0 netns "$OTHER"
	equal "moved" "5 500 0 0 0 0" "$(values "$OTHER")"
	agree "moved" "$OTHER"
	equal "moved, of the device" "$(of_device "$OTHER")" "$(qstats_get "$OTHER" "$(index "$OTHER")")"
	equal "the old namespace has none" "" "$(qstats_get "$NS" all)"
}

removed()
{
	setup_quiet NS
	send "$NS" 5 80
	batch "$NS" <<- EOF
		link del rlo0
		link add rlo0 type rust_lo
	EOF
	equal "counters" "0 0 0 0 0 0" "$(values "$NS")"
	matches "of the device" ' rx-packets=0 rx-bytes=0 tx-packets=0 tx-bytes=0$' \
		"$(qstats_get "$NS" "$(index "$NS")")"
}

qstats()
{
	local n

	setup_quiet NS
	for n in 0 11 12; do
		send "$NS" "$n" 80
		equal "$n more, of the device" "$(of_device "$NS")" "$(qstats_get "$NS" "$(index "$NS")")"
		equal "$n more, of the queues" "$(of_rx "$NS"; of_tx "$NS")" \
			"$(qstats_get "$NS" "$(index "$NS")" 1)"
	done
	matches "what was sent" ' rx-packets=23 rx-bytes=2300 tx-packets=23 tx-bytes=2300$' \
		"$(qstats_get "$NS" "$(index "$NS")")"
	ip -n "$NS" link set rlo0 down
	equal "down, of the device" "$(of_device "$NS")" "$(qstats_get "$NS" "$(index "$NS")")"
	equal "down, of the queues" "" "$(qstats_get "$NS" "$(index "$NS")" 1)"
}

queues()
{
	setup_quiet NS numtxqueues 4 numrxqueues 3
	send "$NS" 9 80
	equal "of the device" "$(of_device "$NS")" "$(qstats_get "$NS" "$(index "$NS")")"
	equal "of the queues" "" "$(qstats_get "$NS" "$(index "$NS")" 1)"
	equal "ethtool -S" "9 900 0 0 0 0" "$(values "$NS")"
	agree "several" "$NS"

	# One of them, and several of the others.
	setup_quiet NS numtxqueues 4 numrxqueues 1
	send "$NS" 9 80
	equal "one to receive, of the device" "$(of_device "$NS")" "$(qstats_get "$NS" "$(index "$NS")")"
	equal "one to receive, of the queues" "$(of_rx "$NS")" "$(qstats_get "$NS" "$(index "$NS")" 1)"
	setup_quiet NS numtxqueues 1 numrxqueues 3
	send "$NS" 9 80
	equal "one to send, of the device" "$(of_device "$NS")" "$(qstats_get "$NS" "$(index "$NS")")"
	equal "one to send, of the queues" "$(of_tx "$NS")" "$(qstats_get "$NS" "$(index "$NS")" 1)"
}

others()
{
	setup_quiet NS
	refused "ethtool -S lo" 'no stats available' in_ns "$NS" ethtool -S lo
	# EOPNOTSUPP and ENODEV
	equal "of lo" "error 95" "$(qstats_get "$NS" 1)"
	equal "of nobody" "error 19" "$(qstats_get "$NS" 9999)"
	equal "of all" "$(of_device "$NS")" "$(qstats_get "$NS" all)"
	# As on lo: a channel has an interrupt.
	refused "ethtool -l" 'not supported' in_ns "$NS" ethtool -l rlo0
}

# Until there is a file "enough".
reading()
{
	while [ ! -e "$TMP/enough" ]; do
		ethtool -S rlo0
		python3 "$TMP/qstats.py" all
		python3 "$TMP/qstats.py" all 1
	done
	: > "$TMP/read"
}

come_and_go()
{
	local i

	for ((i = 0; i < CROWD; i++)); do
		batch "$NS" <<- EOF
			link add rlo0 type rust_lo
			link set rlo0 up
			link set rlo0 netns $OTHER
		EOF
		batch "$OTHER" <<- EOF
			link set rlo0 up
			link del rlo0
		EOF
	done
}

readers()
{
	setup_ns NS OTHER
	# Writes the program.
	equal "none yet" "" "$(qstats_get "$NS" all)"
	background in_ns "$NS" env "TMP=$TMP" bash -c "$(declare -f reading); reading"
	background in_ns "$OTHER" env "TMP=$TMP" bash -c "$(declare -f reading); reading"
	check "devices come and go" come_and_go
	: > "$TMP/enough"
	check "the readers come to an end" wait_for test -e "$TMP/read"
}

manual()
{
	local page=$TESTS_DIR/../docs/rust_lo.4 name

	[ -e "$page" ] || skip "there is no manual page beside the tests"
	setup_loopback NS
	# But for groups of others, and what cannot be switched on.
	in_ns "$NS" ethtool -k rlo0 | sed -n '/: off \[fixed\]$/d; s/^\t*\([^:]*\): o.*/\1/p' |
		grep -v -x tx-checksumming > "$TMP/names"
	in_ns "$NS" ethtool --show-priv-flags rlo0 | sed -n 's/^\([a-z0-9-]*\) *: o.*/\1/p' >> "$TMP/names"
	number "names" "$(wc -l < "$TMP/names")" -ge 22
	while read -r name; do
		grep -Eq "^\.(Cm|It Cm) $name( |$)" "$page" || fail "$name is in rust_lo(4)"
	done < "$TMP/names"
}

run_tests "$@"
