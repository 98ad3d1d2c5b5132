#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tools that show traffic, sockets, counters and links: a device is to them what
# lo is. What lo cannot do (to come and to go) is compared with a dummy.
# tshark is left out: it would add 150 MB to the guest, and opens devices by the
# same libpcap.
# Without it: tcpdump, ss, lsof, bpftool or `ip monitor` that show something else
# than on lo.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"decode: opens it by name and decodes the same traffic the same way"
	"pcap: a capture file has the link type and the frames of lo's"
	"sockets: sockets, and what TCP knows of the path"
	"files: sockets by address"
	"mibs: the counters of IP"
	"monitor: ip monitor link sees it come, change and go"
	"programs: bpftool net shows the programs on it"
)

# In LO there is lo, in RL a rust_lo device rlo0, both up.
setup_pair()
{
	setup_loopback RL
	setup_ns LO
	ip -n "$LO" link set lo up
}

# The name and the index of the device out of a text.
neutral()
{
	sed -E 's/\b(rlo0|lo|dummy0)\b/DEV/g; s/^((Deleted )?)[0-9]+: /\1N: /; s/DEV\([0-9]+\)/DEV(N)/'
}

# Traffic with the same ports each time.
traffic()
{
	check "ping" ping_once "$1" 127.0.0.1
	check "ping" ping_once "$1" ::1
	check "ping" in_ns "$1" ping -n -q -c 1 -W 2 -s 3000 -p 77 127.0.0.1
	check "TCP" echoes "$1" TCP:127.0.0.1:7777,sourceport=17001
	check "TCP" echoes "$1" "TCP:[::1]:7777,sourceport=17002"
	check "UDP" echoes "$1" UDP:127.0.0.1:7777,sourceport=17003
	check "nobody there" bash -c '! "$@"' bash nsenter "--net=/run/netns/$1" socat -u \
		FILE:/dev/null TCP:127.0.0.1:7778,sourceport=17004
}

# Of TCP the first segments and resets: when others are sent is chance.
FILTER='icmp or icmp6 or udp or (tcp[tcpflags] & (tcp-syn|tcp-rst) != 0) or (ip6[6] == 6 and ip6[53] & 2 != 0)'

# neutral_lines FILE: what tcpdump says, without times, and numbers that are chosen at
# random.
neutral_lines()
{
	sed -E 's/^[0-9:.]+ //; s/ id [0-9]+,/ id N,/; s/\b(seq|ack|val|ecr) [0-9]+/\1 N/g
		s/length [0-9]+: (.*: UDP, length) [0-9]+/\1 N/' "$1"
}

decode()
{
	local ns dev

	need tcpdump
	setup_pair
	for ns in "$LO lo" "$RL rlo0"; do
		read -r ns dev <<< "$ns"
		echo_server "$ns" 7777
		# libpcap hides what goes out on lo.
		start_capture "$ns" "$TMP/$dev" -i "$dev" -Q in -e "$FILTER"
		traffic "$ns"
		stop_capture
		in_ns "$ns" tcpdump -D | sed 's/^[0-9]*\.//' | grep "^$dev " | neutral > "$TMP/$dev-list"
	done
	number "lines" "$(wc -l < "$TMP/rlo0")" -ge 14
	equal "decoded" "$(neutral_lines "$TMP/lo")" "$(neutral_lines "$TMP/rlo0")"
	matches "a segment" 'ethertype IPv4 .* 127.0.0.1.17001 > 127.0.0.1.7777: Flags \[S\].*\[mss 65495,' \
		"$(cat "$TMP/rlo0")"
	equal "listening" "$(neutral < "$TMP/lo.err" | head -n 2)" "$(neutral < "$TMP/rlo0.err" | head -n 2)"
	matches "link type" 'listening on rlo0, link-type EN10MB \(Ethernet\)' "$(cat "$TMP/rlo0.err")"
	equal "list of interfaces" "DEV [Up, Running, Loopback]" "$(cat "$TMP/rlo0-list")"
	equal "list of interfaces" "$(cat "$TMP/lo-list")" "$(cat "$TMP/rlo0-list")"
}

pcap()
{
	local ns dev

	need tcpdump od
	setup_pair
	for ns in "$LO lo" "$RL rlo0"; do
		read -r ns dev <<< "$ns"
		start_capture "$ns" /dev/null -i "$dev" -Q in -U -w "$TMP/$dev.pcap"
		check "ping" in_ns "$ns" ping -n -q -c 1 -W 2 -e 7 -p 77 -s 8 127.0.0.1
		stop_capture
		equal "link types" "EN10MB" "$(in_ns "$ns" tcpdump -i "$dev" -L 2>&1 | awk 'NR > 1 { print $1 }')"
	done
	# The header of the file, whose last word is the link type: 1, Ethernet.
	equal "header" "$(od -An -tx1 -N 24 "$TMP/lo.pcap")" "$(od -An -tx1 -N 24 "$TMP/rlo0.pcap")"
	equal "link type" 1 "$(od -An -tu4 -j 20 -N 4 "$TMP/rlo0.pcap" | tr -d ' ')"
	# Frames, without the id and the checksum of IP.
	equal "frames" "$(frames "$TMP/lo.pcap")" "$(frames "$TMP/rlo0.pcap")"
	matches "a frame" '0x0000:  0000 0000 0000 0000 0000 0000 0800 4500' "$(frames "$TMP/rlo0.pcap")"
}

frames()
{
	tcpdump -r "$1" -n -t -xx 2> /dev/null |
		sed -E '/0x0010:/s/^(.*0x0010:  [0-9a-f]{4}) [0-9a-f]{4} (.{9}) [0-9a-f]{4}/\1 ID \2 SUM/'
}

sockets()
{
	local ns dev

	setup_pair
	for ns in "$LO lo" "$RL rlo0"; do
		read -r ns dev <<< "$ns"
		background in_ns "$ns" socat "TCP4-LISTEN:7778,bind=127.0.0.1,so-bindtodevice=$dev" PIPE
		wait_for listening "$ns" -t 7778
		echo_server "$ns" 7777
		open_connection "$dev" "$ns" TCP:127.0.0.1:7777,sourceport=17001
		in_ns "$ns" ss -Htuln | awk '{ print $1, $2, $3, $4, $5, $6 }' | neutral | sort > "$TMP/$dev-listen"
		in_ns "$ns" ss -Htiln "dev = $dev" | neutral > "$TMP/$dev-dev"
		in_ns "$ns" ss -Hti state established 'dport = :7777' |
			grep -Eo '^.*17001|cubic|wscale:[0-9,]+|pmtu:[0-9]+|advmss:[0-9]+' > "$TMP/$dev-tcp"
	done
	equal "listening" "$(cat "$TMP/lo-listen")" "$(cat "$TMP/rlo0-listen")"
	matches "bound to the device" '^tcp LISTEN 0 [0-9]+ 127.0.0.1%DEV:7778 ' "$(cat "$TMP/rlo0-listen")"
	matches "the sockets of the device" '127.0.0.1%DEV:7778' "$(cat "$TMP/rlo0-dev")"
	equal "the sockets of the device" "$(cat "$TMP/lo-dev")" "$(cat "$TMP/rlo0-dev")"
	equal "a connection" "$(cat "$TMP/lo-tcp")" "$(cat "$TMP/rlo0-tcp")"
	matches "its MSS" '^advmss:65483$' "$(cat "$TMP/rlo0-tcp")"
}

files()
{
	local ns dev

	need lsof
	setup_pair
	for ns in "$LO lo" "$RL rlo0"; do
		read -r ns dev <<< "$ns"
		background in_ns "$ns" socat TCP4-LISTEN:7777,bind=127.0.0.1,reuseaddr,fork PIPE
		wait_for listening "$ns" -t 7777
		open_connection "$dev" "$ns" TCP:127.0.0.1:7777,sourceport=17001
		# With the sockets of the namespace: lsof reads its /proc/net.
		ip netns exec "$ns" lsof -nP -i @127.0.0.1 |
			awk 'NR > 1 { print $1, $5, $8, $9, $10 }' | sort -u > "$TMP/$dev"
	done
	equal "sockets" "socat IPv4 TCP 127.0.0.1:17001->127.0.0.1:7777 (ESTABLISHED)
socat IPv4 TCP 127.0.0.1:7777 (LISTEN)
socat IPv4 TCP 127.0.0.1:7777->127.0.0.1:17001 (ESTABLISHED)" "$(cat "$TMP/rlo0")"
	equal "sockets" "$(cat "$TMP/lo")" "$(cat "$TMP/rlo0")"
}

mibs()
{
	local ns dev n

	need nstat
	setup_pair
	for ns in "$LO lo" "$RL rlo0"; do
		read -r ns dev <<< "$ns"
		for n in 1 2 3; do
			check "ping" ping_once "$ns" 127.0.0.1
			check "ping" ping_once "$ns" ::1
		done
		# Of what is not sent by the kernel itself.
		in_ns "$ns" nstat -asz 'Ip*' 'Icmp*Echo*' | grep -Ev '^#|Mcast|Ip6(In|Out)|NoECT' |
			awk '{ print $1, $2 }' > "$TMP/$dev"
	done
	matches "packets" '^IpInReceives +6$' "$(cat "$TMP/rlo0")"
	matches "delivered" '^IpInDelivers +6$' "$(cat "$TMP/rlo0")"
	equal "counters" "$(cat "$TMP/lo")" "$(cat "$TMP/rlo0")"
}

listens_to_links()
{
	# shellcheck disable=SC2016 # awk's
	in_ns "$1" awk '$2 == 0 && $3 != 0 && $4 !~ /^0*$/ { found = 1 } END { exit !found }' /proc/net/netlink
}

# watched FILE NS < LINES: what ip monitor says of these ip commands, and of one
# to know the end by.
watched()
{
	# shellcheck disable=SC2016 # for the shell it starts
	background in_ns "$2" sh -c 'exec ip monitor link > "$1"' sh "$1.all"
	wait_for listens_to_links "$2"
	(cat; echo "link add last type bridge") | batch "$2"
	check "seen to the end" wait_for grep -q 'last' "$1.all"
	end_background
	ip -n "$2" link del last
	sed '/last/,$d' "$1.all" > "$1"
}

monitor()
{
	local line dev kind ns

	setup_ns LO RL DUMMY
	ip -n "$RL" link add rlo0 type rust_lo
	for line in "link set DEV up" "link set DEV mtu 1500" "link set DEV mtu 65536" "link set DEV multicast on" \
		"link set DEV promisc on" "link set DEV down"; do
		echo "$line"
	done > "$TMP/lines"
	sed 's/DEV/lo/' "$TMP/lines" | watched "$TMP/lo" "$LO"
	sed 's/DEV/rlo0/' "$TMP/lines" | watched "$TMP/rlo0" "$RL"
	number "lines" "$(wc -l < "$TMP/rlo0")" -ge 10
	equal "changes" "$(neutral < "$TMP/lo")" "$(neutral < "$TMP/rlo0")"
	ip -n "$RL" link del rlo0
	for line in rlo0:rust_lo:$RL dummy0:dummy:$DUMMY; do
		IFS=: read -r dev kind ns <<< "$line"
		watched "$TMP/$dev" "$ns" <<- EOF
			link add $dev type $kind
			link set $dev up
			link del $dev
		EOF
		# What happens, not what kind of device it happens to.
		neutral < "$TMP/$dev" | sed -E 's/<[^>]*>.*//; /^ /d' | uniq > "$TMP/$dev-events"
	done
	matches "gone" '^Deleted N: DEV: $' "$(cat "$TMP/rlo0-events")"
	equal "come and gone" "$(cat "$TMP/dummy0-events")" "$(cat "$TMP/rlo0-events")"
	matches "a link" 'link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00' "$(cat "$TMP/rlo0")"
}

programs()
{
	local ns dev clang

	need bpftool
	clang=$(command -v clang clang-19 | head -n 1) || skip "there is no clang"
	setup_pair
	cat > "$TMP/bpf.c" <<- EOF
		__attribute__((section("tc"), used)) int pass_tc(void *skb) { return 0; }
		__attribute__((section("xdp"), used)) int pass_xdp(void *xdp) { return 2; }
	EOF
	"$clang" -target bpf -O2 -c "$TMP/bpf.c" -o "$TMP/bpf.o"
	for ns in "$LO lo" "$RL rlo0"; do
		read -r ns dev <<< "$ns"
		ip netns exec "$ns" tc qdisc add dev "$dev" clsact
		check "at ingress" ip netns exec "$ns" tc filter add dev "$dev" ingress bpf direct-action \
			object-file "$TMP/bpf.o" section tc
		check "at egress" ip netns exec "$ns" tc filter add dev "$dev" egress bpf direct-action \
			object-file "$TMP/bpf.o" section tc
		check "XDP" ip -n "$ns" link set dev "$dev" xdpgeneric object "$TMP/bpf.o" section xdp
		ip netns exec "$ns" bpftool net show dev "$dev" | neutral |
			sed -E 's/\bid [0-9]+/id N/' > "$TMP/$dev"
		check "it works on" ping_once "$ns" 127.0.0.1
	done
	matches "XDP" 'DEV\(N\) generic id N' "$(cat "$TMP/rlo0")"
	matches "tc" 'DEV\(N\) clsact/ingress .*id N' "$(cat "$TMP/rlo0")"
	matches "tc" 'DEV\(N\) clsact/egress .*id N' "$(cat "$TMP/rlo0")"
	equal "programs" "$(cat "$TMP/lo")" "$(cat "$TMP/rlo0")"
}

run_tests "$@"
