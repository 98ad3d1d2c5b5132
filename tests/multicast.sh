#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Multicast and broadcast on one device, which sends, loops back and receives.
# What lo can do as well is done on the lo of another namespace, and has to come
# to the same.
# Without it: discovery and clusters that do not find each other on one host.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"flag: off at first as on lo; on and off by ip link"
	"four: IPv4, by interface, source or route"
	"six: IPv6, by a route for ff00::/8"
	"broadcast: that of 127.0.0.0/8, of a prefix of its own, and the limited one"
	"counted: packets to groups are counted as on lo"
	"several: devices beside each other and lo do not hear one another"
	"stream: iperf sends to a group, two servers get all of it"
	"mdns: a question to a group and its answer, as tcpdump reads them"
)

# In LO there is lo, in RL a rust_lo device rlo0 and lo is down; both take
# multicast.
setup_pair()
{
	need python3
	setup_ns LO RL
	ip -n "$RL" link add rlo0 type rust_lo
	ip -n "$RL" link set rlo0 up multicast on
	ip -n "$LO" link set lo up multicast on
	program > "$TMP/program.py"
}

# The kernel gives this route to all devices but loopbacks. For those it has to be
# of type local: fib6_is_reject() (net/ipv6/route.c) makes any other unreachable.
# Appended, as each device has its own.
group_route()
{
	ip -n "$1" -6 route append local ff00::/8 dev "$2"
}

# What the Python of the points has in common.
program()
{
	cat <<- 'EOF'
		import select, socket, struct, sys, time

		DEV = sys.argv[1]
		ANY = {4: "", 6: "::"}
		FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
		# Python does not know these.
		IP_MULTICAST_ALL, IPV6_MULTICAST_ALL = 49, 29
		IP_ADD_SOURCE_MEMBERSHIP = 39

		def request(v, group, dev):
		    """By the index of the device."""
		    index = socket.if_nametoindex(dev)
		    if v == 6:
		        return socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
		    return socket.inet_aton(group) + bytes(4) + struct.pack("@i", index)

		def join(s, group, dev, leave=False):
		    if s.family == socket.AF_INET6:
		        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP if leave else socket.IPV6_JOIN_GROUP,
		                     request(6, group, dev))
		    else:
		        s.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP if leave else socket.IP_ADD_MEMBERSHIP,
		                     request(4, group, dev))

		def receiver(v, port, group=None, dev=None):
		    s = socket.socket(FAMILY[v], socket.SOCK_DGRAM)
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		    # Only what it has joined, not what any other socket has.
		    if v == 6:
		        s.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
		        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
		    else:
		        s.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
		        s.setsockopt(socket.IPPROTO_IP, socket.IP_PKTINFO, 1)
		    s.bind((ANY[v], port))
		    if group:
		        join(s, group, dev)
		    return s

		def sender(v, dev=None):
		    s = socket.socket(FAMILY[v], socket.SOCK_DGRAM)
		    if dev and v == 6:
		        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(dev))
		    elif dev:
		        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request(4, "0.0.0.0", dev))
		    return s

		def heard(s, patience):
		    if not select.select([s], [], [], patience)[0]:
		        return "nothing"
		    data, ancillary, _, source = s.recvmsg(100, 100)
		    where = "?"
		    for _, _, info in ancillary:
		        # in_pktinfo begins with the index, in6_pktinfo ends with it.
		        where = info[:4] if s.family == socket.AF_INET else info[16:20]
		        where = socket.if_indextoname(struct.unpack("@I", where)[0])
		    return f"{data.decode()} from {source[0]} on {where}"

		number = 0
		def says(what, s, to, hear=(), not_hear=()):
		    """One datagram: what comes of it, a line for each receiver."""
		    global number
		    number += 1
		    text = f"text {number}"
		    try:
		        s.sendto(text.encode(), to)
		    except OSError as e:
		        print(f"{what}: {e.strerror}")
		        return
		    # Those that hear it first: then the others would have heard it too.
		    for n, r in enumerate(hear):
		        print(f"{what}: hearer {n} {heard(r, 10).replace(text, 'heard')}")
		    for n, r in enumerate(not_hear):
		        print(f"{what}: other {n} {heard(r, 0.3).replace(text, 'heard')}")
	EOF
}

# python NS DEV < PROGRAM: run with what the points have in common.
python()
{
	cat "$TMP/program.py" - > "$TMP/run.py"
	timeout "$((WAIT_TIMEOUT * 6))" nsenter "--net=/run/netns/$1" -- python3 -u "$TMP/run.py" "$2" 2>&1
}

# both_say WHAT WANTED < PROGRAM: it prints WANTED with DEV being either device.
both_say()
{
	local text wanted=$2 found

	text=$(cat)
	found=$(python "$RL" rlo0 <<< "$text") || fail "$1: exit status $?"
	equal "$1, on rlo0" "${wanted//DEV/rlo0}" "$found"
	found=$(python "$LO" lo <<< "$text") || fail "$1: exit status $?"
	equal "$1, on lo" "${wanted//DEV/lo}" "$found"
	silent "$RL" lo
}

flags()
{
	ip -n "$1" -o link show "$2" | sed 's/^[^<]*<\([^>]*\)>.*/\1/'
}

flag()
{
	setup_ns LO RL
	ip -n "$RL" link add rlo0 type rust_lo
	ip -n "$RL" link set rlo0 up
	ip -n "$LO" link set lo up
	equal "flags" "LOOPBACK,UP,LOWER_UP" "$(flags "$RL" rlo0)"
	equal "flags of lo" "$(flags "$LO" lo)" "$(flags "$RL" rlo0)"
	ip -n "$RL" link set rlo0 multicast on
	ip -n "$LO" link set lo multicast on
	equal "flags" "LOOPBACK,MULTICAST,UP,LOWER_UP" "$(flags "$RL" rlo0)"
	equal "flags of lo" "$(flags "$LO" lo)" "$(flags "$RL" rlo0)"
	equal "groups" "$(ip -n "$LO" maddr show dev lo | sed 1d)" "$(ip -n "$RL" maddr show dev rlo0 | sed 1d)"
	ip -n "$RL" link set rlo0 down
	ip -n "$RL" link set rlo0 up
	equal "flags, down and up again" "LOOPBACK,MULTICAST,UP,LOWER_UP" "$(flags "$RL" rlo0)"
	ip -n "$RL" link set rlo0 multicast off
	equal "flags" "LOOPBACK,UP,LOWER_UP" "$(flags "$RL" rlo0)"
}

four()
{
	local bound

	setup_pair
	# Of an interface IPv4 takes no address of scope host for the source.
	# With IP_MULTICAST_LOOP off a loopback sends as ever, and what it sends
	# it receives.
	both_say "IPv4" "$(cat <<- 'EOF'
		by index: hearer 0 heard from 0.0.0.0 on DEV
		by index: hearer 1 heard from 0.0.0.0 on DEV
		by index: other 0 nothing
		by address: hearer 0 heard from 127.0.0.1 on DEV
		by source: hearer 0 heard from 127.0.0.9 on DEV
		of no interface: Network is unreachable
		no loop: hearer 0 heard from 0.0.0.0 on DEV
		TTL 0: hearer 0 heard from 0.0.0.0 on DEV
		one has left: hearer 0 heard from 0.0.0.0 on DEV
		one has left: other 0 nothing
		all have left: other 0 nothing
		all have left: other 1 nothing
		of the link: hearer 0 heard from 0.0.0.0 on DEV
		its source: hearer 0 heard from 127.0.0.9 on DEV
		another source: other 0 nothing
		a member: True
	EOF
	)" <<- 'EOF'
		group, to = "239.1.2.3", ("239.1.2.3", 7000)
		a, b = receiver(4, 7000, group, DEV), receiver(4, 7000, group, DEV)
		c = receiver(4, 7000)
		s = sender(4, DEV)
		says("by index", s, to, [a, b], [c])
		by_address = receiver(4, 7001)
		by_address.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
		                      socket.inet_aton(group) + socket.inet_aton("127.0.0.1"))
		s2 = sender(4)
		s2.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
		says("by address", s2, (group, 7001), [by_address])
		s3 = sender(4)
		s3.bind(("127.0.0.9", 0))
		says("by source", s3, (group, 7001), [by_address])
		says("of no interface", sender(4), to)
		s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
		says("no loop", s, (group, 7001), [by_address])
		s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
		s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
		says("TTL 0", s, (group, 7001), [by_address])
		by_address.close()
		# What went to the other port, which is not theirs, they have not.
		join(b, group, DEV, leave=True)
		says("one has left", s, to, [a], [b])
		join(a, group, DEV, leave=True)
		says("all have left", s, to, [], [a, b])
		link = receiver(4, 5353, "224.0.0.251", DEV)
		says("of the link", s, ("224.0.0.251", 5353), [link])
		some = receiver(4, 7002)
		some.setsockopt(socket.IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP,
		                socket.inet_aton("232.1.2.3") + socket.inet_aton("127.0.0.1") + socket.inet_aton("127.0.0.9"))
		says("its source", s3, ("232.1.2.3", 7002), [some])
		says("another source", s2, ("232.1.2.3", 7002), [], [some])
		# The group, in the byte order of the machine.
		wanted = "%08X" % struct.unpack("@I", socket.inet_aton("224.0.0.251"))
		print("a member:", wanted in open("/proc/net/igmp").read())
	EOF
	ip -n "$RL" addr add 127.66.0.1/16 dev rlo0 scope link
	ip -n "$LO" addr add 127.66.0.1/16 dev lo scope link
	both_say "an address of scope link" "$(cat <<- 'EOF'
		by index: hearer 0 heard from 127.66.0.1 on DEV
		of the link: hearer 0 heard from 127.66.0.1 on DEV
	EOF
	)" <<- 'EOF'
		r = receiver(4, 7000, "239.1.2.3", DEV)
		says("by index", sender(4, DEV), ("239.1.2.3", 7000), [r])
		join(r, "224.0.0.251", DEV)
		says("of the link", sender(4, DEV), ("224.0.0.251", 7000), [r])
	EOF
	bound=$(cat <<- 'EOF'
		r = receiver(4, 7000, "239.1.2.3", DEV)
		s = sender(4)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEV.encode())
		says("bound", s, ("239.1.2.3", 7000), [r])
		s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request(4, "0.0.0.0", DEV))
		says("and by index", s, ("239.1.2.3", 7000), [r])
	EOF
	)
	both_say "a bound sender" "bound: hearer 0 heard from 127.66.0.1 on DEV
and by index: hearer 0 heard from 127.66.0.1 on DEV" <<< "$bound"
	ip -n "$RL" route add 224.0.0.0/4 dev rlo0 src 127.0.0.1
	ip -n "$LO" route add 224.0.0.0/4 dev lo src 127.0.0.1
	both_say "a bound sender and a route" "bound: hearer 0 heard from 127.0.0.1 on DEV
and by index: hearer 0 heard from 127.0.0.1 on DEV" <<< "$bound"
	both_say "a route" "of no interface: hearer 0 heard from 127.0.0.1 on DEV" <<- 'EOF'
		r = receiver(4, 7000, "239.1.2.3", DEV)
		says("of no interface", sender(4), ("239.1.2.3", 7000), [r])
	EOF
	# Only programs look at the flag.
	ip -n "$RL" link set rlo0 multicast off
	ip -n "$LO" link set lo multicast off
	both_say "without the flag" "by index: hearer 0 heard from 127.0.0.1 on DEV" <<- 'EOF'
		r = receiver(4, 7000, "239.1.2.3", DEV)
		says("by index", sender(4, DEV), ("239.1.2.3", 7000), [r])
	EOF
}

six()
{
	setup_pair
	both_say "no route" "no route: Network is unreachable" \
		<<< 'says("no route", sender(6, DEV), ("ff02::1234", 7000))'
	group_route "$RL" rlo0
	group_route "$LO" lo
	both_say "IPv6" "$(cat <<- 'EOF'
		ff01::1234: hearer 0 heard from ::1 on DEV
		ff01::1234: hearer 1 heard from ::1 on DEV
		ff01::1234: other 0 nothing
		ff01::1234, one has left: hearer 0 heard from ::1 on DEV
		ff01::1234, one has left: other 0 nothing
		ff01::1234, all have left: other 0 nothing
		ff02::1234: hearer 0 heard from ::1 on DEV
		ff02::1234: hearer 1 heard from ::1 on DEV
		ff02::1234: other 0 nothing
		ff02::1234, one has left: hearer 0 heard from ::1 on DEV
		ff02::1234, one has left: other 0 nothing
		ff02::1234, all have left: other 0 nothing
		ff05::1234: hearer 0 heard from ::1 on DEV
		ff05::1234: hearer 1 heard from ::1 on DEV
		ff05::1234: other 0 nothing
		ff05::1234, one has left: hearer 0 heard from ::1 on DEV
		ff05::1234, one has left: other 0 nothing
		ff05::1234, all have left: other 0 nothing
		all nodes: hearer 0 heard from ::1 on DEV
		by scope: hearer 0 heard from ::1 on DEV
		no loop: hearer 0 heard from ::1 on DEV
		of no interface: hearer 0 heard from ::1 on DEV
		a member: True
	EOF
	)" <<- 'EOF'
		s = sender(6, DEV)
		for group in "ff01::1234", "ff02::1234", "ff05::1234":
		    a, b = receiver(6, 7000, group, DEV), receiver(6, 7000, group, DEV)
		    c = receiver(6, 7000)
		    says(group, s, (group, 7000), [a, b], [c])
		    join(b, group, DEV, leave=True)
		    says(group + ", one has left", s, (group, 7000), [a], [b])
		    join(a, group, DEV, leave=True)
		    says(group + ", all have left", s, (group, 7000), [], [a])
		    a.close(), b.close(), c.close()
		all_nodes = receiver(6, 7001, "ff02::1", DEV)
		says("all nodes", s, ("ff02::1", 7001), [all_nodes])
		mdns = receiver(6, 5353, "ff02::fb", DEV)
		to = ("ff02::fb", 5353, 0, socket.if_nametoindex(DEV))
		says("by scope", sender(6), to, [mdns])
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
		says("no loop", s, to, [mdns])
		says("of no interface", sender(6), to[:2], [mdns])
		lines = [line.split() for line in open("/proc/net/igmp6")]
		print("a member:", [DEV, "ff0200000000000000000000000000fb"] in [line[1:3] for line in lines])
	EOF
	ip -n "$RL" link set rlo0 multicast off
	ip -n "$LO" link set lo multicast off
	both_say "without the flag" "by index: hearer 0 heard from ::1 on DEV" <<- 'EOF'
		r = receiver(6, 7000, "ff02::1234", DEV)
		says("by index", sender(6, DEV), ("ff02::1234", 7000), [r])
	EOF
}

broadcast()
{
	setup_pair
	ip -n "$RL" addr add 127.66.0.1/16 dev rlo0
	ip -n "$LO" addr add 127.66.0.1/16 dev lo
	both_say "broadcast" "$(cat <<- 'EOF'
		not allowed: Permission denied
		127.255.255.255: hearer 0 heard from 127.0.0.1 on DEV
		127.255.255.255: hearer 1 heard from 127.0.0.1 on DEV
		127.66.255.255: hearer 0 heard from 127.66.0.1 on DEV
		127.66.255.255: hearer 1 heard from 127.66.0.1 on DEV
		limited: hearer 0 heard from 0.0.0.0 on DEV
		limited: hearer 1 heard from 0.0.0.0 on DEV
		limited, nowhere: Network is unreachable
	EOF
	)" <<- 'EOF'
		r = [receiver(4, 7000), receiver(4, 7000)]
		s = sender(4)
		says("not allowed", s, ("127.255.255.255", 7000))
		s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
		for to in "127.255.255.255", "127.66.255.255":
		    says(to, s, (to, 7000), r)
		bound = sender(4)
		bound.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
		bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEV.encode())
		says("limited", bound, ("255.255.255.255", 7000), r)
		says("limited, nowhere", s, ("255.255.255.255", 7000))
	EOF
}

# mib NS DEV: what a namespace that is new has counted, IPv6 on the device too,
# and the multicast counter of the link. The reports of memberships are a few more.
mib()
{
	in_ns "$1" nstat -asz IpExtInMcastPkts IpExtOutMcastPkts IpExtInBcastPkts IpExtOutBcastPkts \
		Ip6OutMcastPkts | awk '/castPkts/ { print $1, ($2 >= 100 && $2 < 120 ? 100 : $2) }'
	# shellcheck disable=SC2016 # awk's
	in_ns "$1" awk '/OutMcastPkts/ { print "device:", $1, ($2 >= 100 && $2 < 120 ? 100 : $2) }' "/proc/net/dev_snmp6/$2"
	ip -n "$1" -j -s link show dev "$2" | jq -r '.[0].stats64.rx.multicast | "link: \(.)"'
}

counted()
{
	local text wanted

	need python3 nstat jq
	setup_pair
	group_route "$RL" rlo0
	group_route "$LO" lo
	text=$(cat <<- 'EOF'
		r = [receiver(4, 7000, "239.1.2.3", DEV), receiver(6, 7001, "ff02::1234", DEV)]
		s = sender(4, DEV)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
		six = sender(6, DEV)
		for n in range(100):
		    s.sendto(b"text", ("239.1.2.3", 7000))
		    s.sendto(b"text", ("127.255.255.255", 7000))
		    six.sendto(b"text", ("ff02::1234", 7001))
		print(heard(r[1], 20))
		time.sleep(0.5)
	EOF
	)
	equal "heard on rlo0" "text from ::1 on rlo0" "$(python "$RL" rlo0 <<< "$text")"
	equal "heard on lo" "text from ::1 on lo" "$(python "$LO" lo <<< "$text")"
	# The link's counter is for frames to a group address, and there are only
	# zeros in those of a loopback.
	wanted=$(cat <<- 'EOF'
		IpExtInMcastPkts 100
		IpExtOutMcastPkts 100
		IpExtInBcastPkts 100
		IpExtOutBcastPkts 100
		Ip6OutMcastPkts 100
		device: Ip6OutMcastPkts 100
		link: 0
	EOF
	)
	equal "counted on rlo0" "$(sort <<< "$wanted")" "$(mib "$RL" rlo0 | sort)"
	equal "counted on lo" "$(sort <<< "$wanted")" "$(mib "$LO" lo | sort)"
}

several()
{
	local dev found wanted v

	need python3
	setup_loopback NS
	program > "$TMP/program.py"
	batch "$NS" <<- EOF
		link add rlo1 type rust_lo
		link set rlo0 multicast on
		link set rlo1 up multicast on
		link set lo up multicast on
	EOF
	for dev in rlo0 rlo1 lo; do
		group_route "$NS" "$dev"
	done
	found=$(python "$NS" "" <<- 'EOF'
		devices = ["rlo0", "rlo1", "lo"]
		for v, group in (4, "239.1.2.3"), (6, "ff02::1234"):
		    r = {dev: receiver(v, 7000, group, dev) for dev in devices}
		    if v == 6:
		        # Else it would have what comes on any device where somebody has joined
		        # the group (inet6_mc_check()).
		        for dev in devices:
		            r[dev].setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, dev.encode())
		    for dev in devices:
		        says(f"IPv{v}, {dev}", sender(v, dev), (group, 7000), [r[dev]],
		             [r[other] for other in devices if other != dev])
		    for s in r.values():
		        s.close()
		# Groups that were joined on one of them only.
		for v, group in (4, "239.1.2.4"), (6, "ff02::1235"):
		    r = receiver(v, 7001, group, "rlo1")
		    for dev in "rlo0", "lo":
		        says(f"IPv{v}, from another", sender(v, dev), (group, 7001), [], [r])
		    says(f"IPv{v}, its own", sender(v, "rlo1"), (group, 7001), [r])
		    r.close()
	EOF
	) || fail "exit status $?"
	wanted=$(for v in 4:0.0.0.0 6:::1; do
		for dev in rlo0 rlo1 lo; do
			echo "IPv${v%%:*}, $dev: hearer 0 heard from ${v#*:} on $dev"
			echo "IPv${v%%:*}, $dev: other 0 nothing"
			echo "IPv${v%%:*}, $dev: other 1 nothing"
		done
	done)
	for v in 4:0.0.0.0 6:::1; do
		wanted+="
IPv${v%%:*}, from another: other 0 nothing
IPv${v%%:*}, from another: other 0 nothing
IPv${v%%:*}, its own: hearer 0 heard from ${v#*:} on rlo1"
	done
	equal "who hears whom" "$wanted" "$found"
}

# In iperf's report of a server: lost and sent.
iperf_lost()
{
	sed -nE 's,.* ms +([0-9]+)/ *([0-9]+) \(.*,\1 of \2,p' "$1" | tail -n 1
}

stream()
{
	local group version n server servers

	need iperf
	setup_loopback NS
	ip -n "$NS" link set rlo0 multicast on
	# iperf binds to the device.
	ip -n "$NS" route add 224.0.0.0/4 dev rlo0
	group_route "$NS" rlo0
	for group in 239.1.2.3 ff1e::1234; do
		version=()
		[[ $group != *:* ]] || version=(-V)
		servers=()
		for n in 1 2; do
			in_ns "$NS" stdbuf -oL timeout 60 iperf "${version[@]}" -s -u -B "$group%rlo0" -P 1 \
				> "$TMP/$group-$n" 2>&1 &
			servers+=("$!")
			echo "$!" >> "$TMP/pids"
			check "a server of $group" wait_for grep -q 'Joining multicast' "$TMP/$group-$n"
		done
		sleep 0.5
		# Numbered datagrams at intervals, as RTP sends them.
		grown "$NS" rlo0 in_ns "$NS" timeout 60 iperf "${version[@]}" -c "$group%rlo0" -u -b 800k -l 1000 -n 100k
		number "packets over rlo0" "$grown_packets" -ge 100
		for server in "${servers[@]}"; do
			wait "$server" || true
		done
		for n in 1 2; do
			say "server $n of $group lost $(iperf_lost "$TMP/$group-$n")"
			matches "datagrams lost" '^0 of 10[0-9]$' "$(iperf_lost "$TMP/$group-$n")"
		done
	done
	silent "$NS" lo
}

mdns()
{
	local ns dev

	setup_pair
	for ns in "$LO lo" "$RL rlo0"; do
		read -r ns dev <<< "$ns"
		group_route "$ns" "$dev"
		ip -n "$ns" addr add 127.66.0.1/16 dev "$dev" scope link
		start_capture "$ns" "$TMP/$dev" -i "$dev" -Q in port 5353
		check "question and answer" python "$ns" "$dev" <<- 'EOF'
			name = b"\x05_http\x04_tcp\x05local\0"
			question = struct.pack("!6H", 0, 0, 1, 0, 0, 0) + name + struct.pack("!2H", 12, 1)
			answer = (struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + name + struct.pack("!2HIH", 12, 1, 120, 7) +
			          b"\x04here\xc0\x0c")
			for v, group in (4, "224.0.0.251"), (6, "ff02::fb"):
			    asks, knows = receiver(v, 5353, group, DEV), receiver(v, 5353, group, DEV)
			    for s in asks, knows:
			        if v == 6:
			            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(DEV))
			        else:
			            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request(4, "0.0.0.0", DEV))
			        s.settimeout(20)
			    asks.sendto(question, (group, 5353))
			    assert knows.recv(1000) == question
			    knows.sendto(answer, (group, 5353))
			    assert asks.recv(1000) == question
			    assert asks.recv(1000) == answer
			    asks.close(), knows.close()
		EOF
		stop_capture
	done
	equal "as tcpdump reads them" "$(cat <<- 'EOF'
		IP 127.66.0.1.5353 > 224.0.0.251.5353: 0 PTR (QM)? _http._tcp.local. (34)
		IP 127.66.0.1.5353 > 224.0.0.251.5353: 0*- [0q] 1/0/0 PTR here._http._tcp.local. (47)
		IP6 ::1.5353 > ff02::fb.5353: 0 PTR (QM)? _http._tcp.local. (34)
		IP6 ::1.5353 > ff02::fb.5353: 0*- [0q] 1/0/0 PTR here._http._tcp.local. (47)
	EOF
	)" "$(sed -E 's/^[0-9:.]+ //' "$TMP/rlo0")"
	equal "on lo" "$(sed -E 's/^[0-9:.]+ //' "$TMP/rlo0")" "$(sed -E 's/^[0-9:.]+ //' "$TMP/lo")"
}

run_tests "$@"
