#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packets that tc and BPF put on a device or take off it, frames without an
# Ethernet header among them, and packets that outlive the device.
# Without it: frames of tc, BPF and AF_PACKET that crash the receiver or are
# counted as something else.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"mirred_in: redirected and mirrored from a veth, as on lo"
	"mirred_out: redirected and mirrored to a veth, as from lo"
	"bpf: redirected and cloned by BPF programs, as on lo"
	"short: frames without a whole header are dropped, counted, and a reason is given"
	"paged: a header that is not in the linear part"
	"no_memory: such a header, and no memory to put it together"
	"test_run: frames from BPF_PROG_TEST_RUN"
	"delayed: packets in a qdisc do not hold up the removal of their device"
	"outlived: packets of the device in another's qdisc do not, either"
	"loops: redirections in a circle come to an end"
	"storm: a packet that goes round through the backlog ends with the device"
)

TRACING=/sys/kernel/tracing
INSTANCE=$TRACING/instances/rust_lo-inject
FAILSLAB=/sys/kernel/debug/failslab

cleanup_hook()
{
	if [ -d "$INSTANCE" ]; then
		rmdir "$INSTANCE"
	fi
}

# modules NAME...: loaded if they are not built in.
modules()
{
	local module

	for module; do
		modprobe -q "$module" || skip "there is no $module"
	done
}

# setup_wire: NS has lo and rlo0, both up and each with an address of its own,
# and a wire to PEER on which nothing goes that is not sent here.
setup_wire()
{
	local ns

	modules sch_ingress cls_matchall act_mirred
	setup_ns NS PEER
	# shellcheck disable=SC2153
	for ns in "$NS" "$PEER"; do
		in_ns "$ns" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 \
			net.ipv6.conf.default.disable_ipv6=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.accept_local=1
	done
	# The numbers of the devices are known to the BPF programs. On the wire all is for
	# everybody, so that each device that gets it takes it.
	batch "$NS" <<- EOF
		link add rlo0 index 100 type rust_lo
		link set rlo0 up
		addr flush dev rlo0
		addr add 10.9.0.100/32 dev rlo0
		link set lo up
		addr add 10.9.0.1/32 dev lo
		link add wire index 101 type veth peer name wire netns $PEER
		addr add 10.8.0.1/24 dev wire
		link set wire up
		neigh replace 10.8.0.2 lladdr ff:ff:ff:ff:ff:ff dev wire nud permanent
	EOF
	batch "$PEER" <<- EOF
		addr add 10.8.0.2/24 dev wire
		link set wire up
		neigh replace 10.8.0.1 lladdr ff:ff:ff:ff:ff:ff dev wire nud permanent
	EOF
	in_ns "$NS" tc qdisc add dev wire clsact
	in_ns "$NS" tc qdisc add dev rlo0 clsact
	in_ns "$NS" tc qdisc add dev lo clsact
	background in_ns "$NS" socat -u UDP4-RECV:7000,rcvbuf=1000000 "OPEN:$TMP/received,creat,append"
	wait_for listening "$NS" -u 7000
}

# send NS ADDRESS: a datagram to the receiver of setup_wire. It is a line.
send()
{
	in_ns "$1" bash -c "echo hello > /dev/udp/$2/7000"
}

copies()
{
	wc -l < "$TMP/received"
}

# come_of DEVICE FROM ADDRESS: sends a datagram and prints what came of it:
# packets that the device received and sent, copies that came to the receiver,
# packets that came to PEER.
come_of()
{
	local before received sent peer

	before=$(copies)
	counters "$PEER" wire
	peer=$rx_packets
	counters "$NS" "$1"
	received=$rx_packets sent=$tx_packets
	send "$2" "$3"
	sleep 0.2
	counters "$PEER" wire
	peer=$((rx_packets - peer))
	counters "$NS" "$1"
	echo "$((rx_packets - received)) $((tx_packets - sent)) $(($(copies) - before)) $peer"
}

# Address of a device of setup_wire.
address_of()
{
	case $1 in
	lo) echo 10.9.0.1 ;;
	rlo0) echo 10.9.0.100 ;;
	esac
}

# with_filter DEVICE HOOK FILTER... -- COMMAND...: COMMAND with that filter.
with_filter()
{
	local dev=$1 hook=$2 filter=() rc=0
	shift 2

	while [ "$1" != -- ]; do
		filter+=("$1")
		shift
	done
	shift
	in_ns "$NS" tc filter add dev "$dev" "$hook" prio 1 "${filter[@]}"
	"$@" || rc=$?
	in_ns "$NS" tc filter del dev "$dev" "$hook" prio 1
	return "$rc"
}

mirred_in()
{
	local to action wanted dev

	setup_wire
	while read -r to action wanted; do
		for dev in lo rlo0; do
			equal "$action to $to of $dev" "$wanted" "$(with_filter wire ingress matchall \
				action mirred "$to" "$action" dev "$dev" -- come_of "$dev" "$PEER" 10.8.0.1)"
		done
	done <<- EOF
		egress redirect 1 1 1 0
		egress mirror 1 1 2 0
		ingress redirect 0 0 1 0
		ingress mirror 0 0 2 0
	EOF
}

mirred_out()
{
	local hook to action wanted dev

	setup_wire
	while read -r hook to action wanted; do
		for dev in lo rlo0; do
			equal "$action from $hook of $dev to $to" "$wanted" \
				"$(with_filter "$dev" "$hook" matchall action mirred "$to" "$action" \
					dev wire -- come_of "$dev" "$NS" "$(address_of "$dev")")"
		done
	done <<- EOF
		egress egress redirect 0 0 0 1
		egress egress mirror 1 1 1 1
		egress ingress redirect 0 0 1 0
		ingress egress redirect 1 1 0 1
		ingress egress mirror 1 1 1 1
		ingress ingress mirror 1 1 2 0
	EOF
	# To each other: what lo is about to send, the device sends.
	equal "from lo to the device" "1 1 1 0" "$(with_filter lo egress matchall \
		action mirred egress redirect dev rlo0 -- come_of rlo0 "$NS" 10.9.0.1)"
	equal "from the device to lo" "1 1 1 0" "$(with_filter rlo0 egress matchall \
		action mirred egress redirect dev lo -- come_of lo "$NS" 10.9.0.100)"
}

# Compiles the programs into $TMP/bpf.o. Sections are named after what they do
# and the number of the device.
compile_bpf()
{
	local clang

	clang=$(command -v clang clang-19 | head -n 1) || skip "there is no clang"
	cat > "$TMP/bpf.c" <<- EOF
		#define SEC(name) __attribute__((section(name), used))
		struct __sk_buff;
		static long (*clone_redirect)(struct __sk_buff *, unsigned int, unsigned long) = (void *)13;
		static long (*redirect)(unsigned int, unsigned long) = (void *)23;
		#define PROGRAMS(dev) \\
			SEC("redirect/" #dev) int redirect_##dev(struct __sk_buff *skb) \\
			{ return redirect(dev, 0); } \\
			SEC("receive/" #dev) int receive_##dev(struct __sk_buff *skb) \\
			{ return redirect(dev, 1); } \\
			SEC("clone/" #dev) int clone_##dev(struct __sk_buff *skb) \\
			{ clone_redirect(skb, dev, 0); return 0; } \\
			SEC("copy/" #dev) int copy_##dev(struct __sk_buff *skb) \\
			{ clone_redirect(skb, dev, 1); return 0; }
		PROGRAMS(1)
		PROGRAMS(100)
		PROGRAMS(101)
		SEC("license") char _license[] = "GPL";
	EOF
	"$clang" -target bpf -O2 -c "$TMP/bpf.c" -o "$TMP/bpf.o"
}

bpf()
{
	local hook name wanted dev

	modules cls_bpf
	setup_wire
	compile_bpf
	while read -r name wanted; do
		for dev in lo rlo0; do
			equal "$name to $dev" "$wanted" "$(with_filter wire ingress bpf direct-action \
				object-file "$TMP/bpf.o" section "$name/$(index_of "$dev")" -- \
				come_of "$dev" "$PEER" 10.8.0.1)"
		done
	done <<- EOF
		redirect 1 1 1 0
		clone 1 1 2 0
		receive 0 0 1 0
		copy 0 0 2 0
	EOF
	# Out of it, and of what it receives. On its way into the wire it is for another
	# host, by its Ethernet address, which BPF looks at again (____dev_forward_skb()).
	while read -r hook name wanted; do
		for dev in lo rlo0; do
			equal "$name from $hook of $dev" "$wanted" "$(with_filter "$dev" "$hook" bpf \
				direct-action object-file "$TMP/bpf.o" section "$name/101" -- \
				come_of "$dev" "$NS" "$(address_of "$dev")")"
		done
	done <<- EOF
		egress redirect 0 0 0 1
		egress clone 1 1 1 1
		egress receive 0 0 0 0
		ingress redirect 1 1 0 1
		ingress clone 1 1 1 1
		ingress copy 1 1 1 0
	EOF
	# Into the other, and back into it on its way in.
	for dev in lo rlo0; do
		equal "clone from $dev" "2 2 2 0" "$(with_filter "$dev" egress bpf direct-action \
			object-file "$TMP/bpf.o" section "clone/$((101 - $(index_of "$dev")))" -- \
			both_devices "$(address_of "$dev")")"
		equal "copy from $dev to its input" "1 1 2 0" "$(with_filter "$dev" egress bpf \
			direct-action object-file "$TMP/bpf.o" section "copy/$(index_of "$dev")" -- \
			come_of "$dev" "$NS" "$(address_of "$dev")")"
	done
}

index_of()
{
	case $1 in
	lo) echo 1 ;;
	rlo0) echo 100 ;;
	esac
}

# As come_of, of both devices together.
both_devices()
{
	local lo first second

	counters "$NS" lo
	lo=$rx_packets
	read -r first second <<< "$(come_of rlo0 "$NS" "$1")"
	counters "$NS" lo
	lo=$((rx_packets - lo))
	echo "$((first + lo)) $((${second%% *} + lo)) ${second#* }"
}

# setup_tun: tun0 in NS, a device without link layer header, and what comes
# from it goes to rlo0 as it is.
setup_tun()
{
	need python3
	modules tun
	setup_wire
	cat > "$TMP/tun.py" <<- EOF
		import fcntl, os, struct, sys
		TUNSETIFF, IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 1, 0x1000, 0x4000
		# Each argument: length of a packet, and of its linear part.
		tun = os.open("/dev/net/tun", os.O_RDWR)
		fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
		# And which allocation from then on fails.
		for argument in sys.argv[1:]:
		    length, linear, nth = map(int, (argument + "/0").split("/")[:3])
		    header = struct.pack("=BBHHHH", 0, 0, linear, 0, 0, 0)
		    # A version of IP, and where Ethernet has the protocol one for experiments.
		    packet = (b"\x45" + bytes(11) + b"\x88\xb5" + bytes(length))[:length]
		    if not nth:
		        os.write(tun, header + packet)
		        continue
		    with open("/proc/thread-self/fail-nth", "r+b", buffering=0) as fail:
		        fail.write(b"%d" % nth)
		        os.write(tun, header + packet)
		        fail.write(b"0")
	EOF
	batch "$NS" <<- EOF
		tuntap add dev tun0 mode tun vnet_hdr
		link set tun0 up
	EOF
	in_ns "$NS" tc qdisc add dev tun0 clsact
}

# What rlo0 has counted since the last call: received, sent, dropped on the way
# out, other errors.
since()
{
	local now

	counters "$NS" rlo0
	now=("$rx_packets" "$tx_packets" "$tx_dropped" "$((rx_errors + tx_errors))")
	if [ "${#last[@]}" -gt 0 ]; then
		echo "$((now[0] - last[0])) $((now[1] - last[1])) $((now[2] - last[2])) $((now[3] - last[3]))"
	fi > "$TMP/since"
	last=("${now[@]}")
}

# dropped_for REASON: packets that were, as traced.
dropped_for()
{
	grep -c "reason: $1\$" "$INSTANCE/trace" || true
}

start_trace()
{
	mountpoint -q "$TRACING" || mount -t tracefs tracefs "$TRACING"
	mkdir "$INSTANCE"
	echo 1 > "$INSTANCE/events/skb/kfree_skb/enable"
}

short()
{
	local action n lengths=() last=()

	setup_tun
	start_trace
	for n in {1..20}; do
		lengths+=("$n/0")
	done
	since
	for action in redirect mirror; do
		with_filter tun0 ingress matchall action mirred egress "$action" dev rlo0 -- \
			in_ns "$NS" python3 "$TMP/tun.py" "${lengths[@]}"
		sleep 0.2
		since
		# rx_dropped has those of 14 bytes and more, of a protocol that nobody knows.
		equal "received, sent, dropped and errors ($action)" "7 7 13 0" "$(cat "$TMP/since")"
	done
	equal "drops with the reason" 26 "$(dropped_for HDR_TRUNC)"
	equal "ethtool -S" "26 0" \
		"$(statistic "$NS" rlo0 tx_too_short_drops) $(statistic "$NS" rlo0 tx_no_memory_drops)"
	# The core's rx_dropped has those that nobody wants, too.
	equal "none refused by the backlog" 0 "$(statistic "$NS" rlo0 rx_backlog_drops)"
	if command -v clang clang-19 > /dev/null; then
		# BPF does not even hand on what has no link layer header (__bpf_redirect_common()).
		compile_bpf
		for n in redirect/100 clone/100; do
			with_filter tun0 ingress bpf direct-action object-file "$TMP/bpf.o" section "$n" -- \
				in_ns "$NS" python3 "$TMP/tun.py" "${lengths[@]}"
		done
		sleep 0.2
		since
		equal "by BPF" "0 0 0 0" "$(cat "$TMP/since")"
	fi
	check "the device works on" ping_once "$NS" 10.9.0.100
	check "the device is removed" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
}

paged()
{
	local n packets=() last=()

	setup_tun
	# More than a page, or all would be linear (tun_get_user(), drivers/net/tun.c).
	for n in {1..16}; do
		packets+=("5000/$n")
	done
	since
	with_filter tun0 ingress matchall action mirred egress redirect dev rlo0 -- \
		in_ns "$NS" python3 "$TMP/tun.py" "${packets[@]}"
	sleep 0.2
	since
	equal "received, sent, dropped and errors" "16 16 0 0" "$(cat "$TMP/since")"
}

no_memory()
{
	local n packets=() last=()

	if [ ! -e /proc/self/fail-nth ] || [ ! -d "$FAILSLAB" ]; then
		skip "the kernel cannot let allocations fail (CONFIG_FAILSLAB)"
	fi
	setup_tun
	start_trace
	# What may wait for memory is spared.
	echo Y > "$FAILSLAB/ignore-gfp-wait"
	echo N > "$FAILSLAB/cache-filter"
	# Nor is a stack shown: by none, since fail_skb_realloc takes its turn as well.
	for n in /sys/kernel/debug/fail*/verbose; do
		echo 0 > "$n"
	done
	# The copy of a packet, the new head of that copy, or nothing of it.
	for n in {1..9}; do
		packets+=("5000/8/$n")
	done
	since
	with_filter tun0 ingress matchall action mirred egress mirror dev rlo0 -- \
		in_ns "$NS" python3 "$TMP/tun.py" "${packets[@]}"
	sleep 0.2
	since
	say "received, sent, dropped and errors: $(cat "$TMP/since")"
	n=$(statistic "$NS" rlo0 tx_no_memory_drops)
	number "without memory" "$n" -gt 0
	equal "dropped" "$n" "$(awk '{ print $3 }' "$TMP/since")"
	equal "drops with the reason" "$n" "$(dropped_for NOMEM)"
	equal "too short" 0 "$(statistic "$NS" rlo0 tx_too_short_drops)"
	number "received" "$(awk '{ print $1 }' "$TMP/since")" -gt 0
}

test_run()
{
	local name n last=()

	need bpftool
	setup_wire
	compile_bpf
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	mkdir "/sys/fs/bpf/rlo-$$"
	bpftool prog loadall "$TMP/bpf.o" "/sys/fs/bpf/rlo-$$" type classifier
	since
	for name in clone copy; do
		for n in 14 15 33 34 60 1500; do
			head -c "$n" /dev/zero > "$TMP/data"
			in_ns "$NS" bpftool prog run pinned "/sys/fs/bpf/rlo-$$/${name}_100" \
				data_in "$TMP/data" repeat 10 > /dev/null || fail "$name, $n bytes"
		done
		since
		case $name in
		clone) equal "cloned" "60 60 0 0" "$(cat "$TMP/since")" ;;
		copy) equal "to its input" "0 0 0 0" "$(cat "$TMP/since")" ;;
		esac
	done
	rm -r "/sys/fs/bpf/rlo-$$"
	check "the device works on" ping_once "$NS" 10.9.0.100
}

# fill: packets that rlo0's qdisc holds back, redirected from the wire.
fill()
{
	modules sch_netem
	in_ns "$NS" tc qdisc add dev rlo0 root netem delay 40s limit 1000
	in_ns "$NS" tc filter add dev wire ingress matchall action mirred egress redirect dev rlo0
	for _ in 1 2 3; do
		send "$PEER" 10.8.0.1
	done
	wait_for held 3
}

# fill_more: others, of sockets in NS.
fill_more()
{
	for _ in 1 2 3; do
		send "$NS" 10.9.0.100
	done
	background in_ns "$NS" ping -n -i 0.1 10.9.0.100
	background in_ns "$NS" socat -u - TCP:10.9.0.100:7000
	wait_for held 10
}

# held N: the qdisc of rlo0 has at least so many packets.
held()
{
	local n

	n=$(in_ns "$NS" tc -s qdisc show dev rlo0 | sed -n 's/.* backlog [^ ]* \([0-9]*\)p.*/\1/p' |
		sort -n | tail -n 1)
	[ "$n" -ge "$1" ]
}

delayed()
{
	local start

	remember_namespaces
	setup_wire
	check "packets are held back" fill
	check "more packets are held back" fill_more
	start=$SECONDS
	check "ip link del" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
	number "seconds" "$((SECONDS - start))" -lt 15
	equal "copies that arrived" 0 "$(copies)"
	end_background
	ip netns del "$NS"
	ip netns del "$PEER"

	# Those of its own sockets keep a namespace, on lo as well. So with others only.
	setup_wire
	check "packets are held back" fill
	end_background
	start=$SECONDS
	check "ip netns del" timeout "$WAIT_TIMEOUT" ip netns del "$NS"
	ip netns del "$PEER"
	namespaces_freed
	equal "copies that arrived" 0 "$(copies)"
}

outlived()
{
	local start

	modules ifb sch_netem
	setup_wire
	batch "$NS" <<- EOF
		link add held type ifb
		link set held up
	EOF
	in_ns "$NS" tc qdisc add dev held root netem delay 10s
	in_ns "$NS" tc filter add dev rlo0 ingress matchall action mirred egress redirect dev held
	for _ in 1 2 3; do
		send "$NS" 10.9.0.100
	done
	background in_ns "$NS" ping -n -i 0.1 10.9.0.100
	sleep 1
	counters "$NS" rlo0
	number "packets of the device" "$rx_packets" -ge 8
	start=$SECONDS
	check "ip link del" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
	number "seconds" "$((SECONDS - start))" -lt 8
	# It gives them back to a device that is no more (ifb_ri_tasklet(), drivers/net/ifb.c).
	wait_for handed_back
	equal "copies that arrived" 0 "$(copies)"
	check "lo carries on" ping_once "$NS" 10.9.0.1
}

handed_back()
{
	counters "$NS" held
	[ "$((rx_dropped + tx_dropped))" -ge 3 ]
}

loops()
{
	local dev

	modules cls_bpf
	setup_wire
	compile_bpf
	ip -n "$NS" link add rlo1 type rust_lo
	ip -n "$NS" link set rlo1 up
	in_ns "$NS" tc qdisc add dev rlo1 clsact
	log_mark
	for dev in lo rlo0; do
		# To itself.
		equal "$dev to itself" "0 0 0 0" "$(with_filter "$dev" egress matchall \
			action mirred egress redirect dev "$dev" -- \
			come_of "$dev" "$NS" "$(address_of "$dev")" 2>&1)"
		equal "$dev to itself by BPF" "0 0 0 0" "$(with_filter "$dev" egress bpf direct-action \
			object-file "$TMP/bpf.o" section "redirect/$(index_of "$dev")" -- \
			come_of "$dev" "$NS" "$(address_of "$dev")" 2>&1)"
		# To another and back.
		in_ns "$NS" tc filter add dev rlo1 egress prio 1 matchall \
			action mirred egress redirect dev "$dev"
		equal "$dev and another" "0 0 0 0" "$(with_filter "$dev" egress matchall \
			action mirred egress redirect dev rlo1 -- \
			come_of "$dev" "$NS" "$(address_of "$dev")" 2>&1)"
		in_ns "$NS" tc filter del dev rlo1 egress
		# Its input to its input.
		equal "the input of $dev" "1 1 0 0" "$(with_filter "$dev" ingress matchall \
			action mirred ingress redirect dev "$dev" -- \
			come_of "$dev" "$NS" "$(address_of "$dev")" 2>&1)"
	done
	matches "the kernel's word" 'Loop|loop on device|recursion limit' "$(log_since)"
}

# What is received is sent again, for ever: on lo as well, and no more than one
# packet at a time.
storm()
{
	local dev before

	setup_wire
	for dev in lo rlo0; do
		in_ns "$NS" tc filter add dev "$dev" ingress matchall \
			action mirred egress redirect dev "$dev"
		counters "$NS" "$dev"
		before=$rx_packets
		send "$NS" "$(address_of "$dev")"
		sleep 0.5
		counters "$NS" "$dev"
		number "rounds on $dev" "$((rx_packets - before))" -gt 100
		[ "$dev" = rlo0 ] || in_ns "$NS" tc filter del dev lo ingress
	done
	check "ip link del" timeout "$WAIT_TIMEOUT" ip -n "$NS" link del rlo0
	equal "copies that arrived" 1 "$(copies)"
}

run_tests "$@"
