#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Queueing disciplines and packet filters on a device beside lo.
# Without it: rules for nftables, tc and netem that hold on lo and not here.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"netem: a delay on the device delays only it"
	"loss: a loss on the device hits only it"
	"counter: nftables counts by iifname and oifname"
	"drop: nftables drops on one device only"
	"redirect: redirect and DNAT at output"
	"hooks: filters of tc at ingress and egress see the packets"
	"reorder: netem puts packets in another order, on lo and on the device alike"
	"rate: netem, tbf and fq hold back only the device they are on, lo or rlo0"
	"bpf: BPF programs at ingress and egress tell packets apart as on lo"
	"interface: DNAT and redirect at output by the name of the interface"
	"tracked: connections and their states are as on lo"
	"rules: policy routing by iif and oif"
	"firewall: one that accepts what loopbacks carry by their type, and one that does so by name"
)

# lo and rlo0 are up, 127.66.0.0/16 is rlo0's.
setup_both()
{
	setup_loopback NS
	batch "$NS" <<- EOF
		addr flush dev rlo0
		link set lo up
		addr add 127.66.0.1/16 dev rlo0
		addr add fd00:66::1 dev rlo0 nodad
	EOF
}

# Time of a ping in ms.
rtt()
{
	in_ns "$NS" ping -n -q -c 3 -i 0.2 -W 5 "$1" | sed -n 's,^rtt .* = \([0-9]*\)\..*,\1,p'
}

netem()
{
	setup_both
	check "netem" in_ns "$NS" tc qdisc add dev rlo0 root netem delay 300ms
	# There and back.
	number "rtt on rlo0" "$(rtt 127.66.0.1)" -ge 600
	number "rtt on rlo0" "$(rtt fd00:66::1)" -ge 600
	number "rtt on lo" "$(rtt 127.0.0.1)" -lt 300
	check "no netem" in_ns "$NS" tc qdisc del dev rlo0 root
	check "netem" in_ns "$NS" tc qdisc add dev lo root netem delay 300ms
	number "rtt on rlo0" "$(rtt 127.66.0.1)" -lt 300
}

loss()
{
	setup_both
	check "netem" in_ns "$NS" tc qdisc add dev rlo0 root netem loss 100%
	refused "127.66.0.1" '.' ping_once "$NS" 127.66.0.1
	check "127.0.0.1" ping_once "$NS" 127.0.0.1
	check "no netem" in_ns "$NS" tc qdisc del dev rlo0 root
	check "127.66.0.1" ping_once "$NS" 127.66.0.1
}

# by_name: rules for what goes out know rlo0 by its name.
by_name()
{
	need ethtool
	in_ns "$NS" ethtool --set-priv-flags rlo0 l3-master on
}

# nft_counter COMMENT: packets that the rule with this comment has seen.
nft_counter()
{
	in_ns "$NS" nft list ruleset | sed -n "s/.*counter packets \([0-9]*\) .*comment \"$1\".*/\1/p"
}

counter()
{
	need nft
	setup_both
	in_ns "$NS" nft -f - <<- EOF
		table inet t {
			chain in {
				type filter hook input priority 0;
				iifname "rlo0" counter comment "in-rlo0"
				iifname "lo" counter comment "in-lo"
			}
			chain out {
				type filter hook output priority 0;
				oifname "rlo0" counter comment "out-rlo0"
				oifname "lo" counter comment "out-lo"
			}
			chain post {
				type filter hook postrouting priority 0;
				oifname "rlo0" counter comment "post-rlo0"
			}
			chain pre {
				type filter hook prerouting priority 0;
				iifname "rlo0" counter comment "pre-rlo0"
			}
		}
	EOF
	check "ping" ping_once "$NS" 127.66.0.1
	# Going out the name is that of the route's device.
	equal "in, out, post, pre of rlo0; in, out of lo" "2 0 0 2 0 2" "$(nft_counter in-rlo0) \
$(nft_counter out-rlo0) $(nft_counter post-rlo0) $(nft_counter pre-rlo0) \
$(nft_counter in-lo) $(nft_counter out-lo)"
	check "ping" ping_once "$NS" fd00:66::1
	equal "in, out of rlo0; in, out of lo" "4 0 0 4" "$(nft_counter in-rlo0) \
$(nft_counter out-rlo0) $(nft_counter in-lo) $(nft_counter out-lo)"
	check "ping" ping_once "$NS" 127.0.0.1
	equal "in, out of rlo0; in, out of lo" "4 0 2 6" "$(nft_counter in-rlo0) \
$(nft_counter out-rlo0) $(nft_counter in-lo) $(nft_counter out-lo)"
}

drop()
{
	need nft
	setup_both
	in_ns "$NS" nft -f - <<- EOF
		table inet t {
			chain in {
				type filter hook input priority 0;
				iifname "rlo0" drop
			}
		}
	EOF
	refused "127.66.0.1" '.' ping_once "$NS" 127.66.0.1
	refused "fd00:66::1" '.' ping_once "$NS" fd00:66::1
	check "127.0.0.1" ping_once "$NS" 127.0.0.1
}

redirect()
{
	need nft
	# lo down: what comes back came over the device.
	setup_loopback NS
	ip -n "$NS" addr add 127.66.0.1/16 dev rlo0
	echo_server "$NS" 7777
	in_ns "$NS" nft -f - <<- EOF
		table inet nat {
			chain out {
				type nat hook output priority -100;
				tcp dport 80 redirect to :7777
				ip daddr 127.77.0.1 tcp dport 81 dnat ip to 127.66.0.1:7777
			}
		}
	EOF
	grown "$NS" rlo0 echoes "$NS" TCP:127.0.0.1:80
	grown "$NS" rlo0 echoes "$NS" "TCP:[::1]:80"
	grown "$NS" rlo0 echoes "$NS" TCP:127.77.0.1:81
	silent "$NS" lo
	ip -n "$NS" link set lo up
	grown "$NS" rlo0 echoes "$NS" TCP:127.66.0.1:80
	silent "$NS" lo
}

hooks()
{
	local out

	setup_both
	in_ns "$NS" tc -batch - <<- EOF
		qdisc add dev rlo0 clsact
		filter add dev rlo0 ingress matchall action drop
		filter add dev rlo0 egress matchall action pass
	EOF
	refused "127.66.0.1" '.' ping_once "$NS" 127.66.0.1
	out=$(in_ns "$NS" tc -s filter show dev rlo0 egress)
	matches "a packet at egress" 'Sent [0-9]+ bytes 1 pkt' "$out"
	out=$(in_ns "$NS" tc -s filter show dev rlo0 ingress)
	matches "a packet dropped at ingress" 'Sent [0-9]+ bytes 1 pkt \(dropped 1,' "$out"
	check "127.0.0.1" ping_once "$NS" 127.0.0.1
}

# The device and its address, of either kind.
BOTH=("lo 127.0.0.1" "rlo0 127.66.0.1")

reorder()
{
	local dev address n
	local -A found=()

	need python3
	setup_both
	cat > "$TMP/order.py" <<- 'EOF'
		import socket, sys
		r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		r.bind((sys.argv[1], 0))
		r.settimeout(20)
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for n in range(10):
		    s.sendto(b"%d" % n, r.getsockname())
		print(*(r.recv(10).decode() for n in range(10)))
	EOF
	for n in "${BOTH[@]}"; do
		read -r dev address <<< "$n"
		equal "$dev as it is" "0 1 2 3 4 5 6 7 8 9" "$(in_ns "$NS" python3 "$TMP/order.py" "$address")"
		check "netem" in_ns "$NS" tc qdisc add dev "$dev" root netem delay 2s reorder 100% gap 5
		found[$dev]=$(in_ns "$NS" python3 "$TMP/order.py" "$address" || true)
		check "no netem" in_ns "$NS" tc qdisc del dev "$dev" root
	done
	# Each fifth is not delayed; gap counts from 0.
	equal "on rlo0" "4 9 0 1 2 3 5 6 7 8" "${found[rlo0]}"
	equal "on lo" "${found[rlo0]}" "${found[lo]}"
}

# Milliseconds that it takes to have half a megabyte from the server.
transfer()
{
	local start=$EPOCHREALTIME

	if [ "$(in_ns "$NS" timeout 60 socat -u "TCP:$1:7778" - | wc -c)" != 500000 ]; then
		fail "half a megabyte from $1" >&2
	fi
	echo $(((${EPOCHREALTIME//[!0-9]/} - ${start//[!0-9]/}) / 1000))
}

rate()
{
	local qdisc dev other address n slow fast

	setup_both
	head -c 500000 /dev/zero > "$TMP/half"
	background in_ns "$NS" socat -U TCP4-LISTEN:7778,reuseaddr,fork "OPEN:$TMP/half,rdonly"
	wait_for listening "$NS" -t 7778
	# 500000 bytes at 2 Mbit/s are 2 seconds.
	for qdisc in "netem rate 2mbit" "tbf rate 2mbit burst 70k latency 5s" "fq maxrate 2mbit"; do
		for n in 0 1; do
			read -r dev address <<< "${BOTH[n]}"
			read -r _ other <<< "${BOTH[1 - n]}"
			# shellcheck disable=SC2086 # several words
			check "$qdisc" in_ns "$NS" tc qdisc add dev "$dev" root $qdisc
			slow=$(transfer "$address")
			fast=$(transfer "$other")
			number "ms over $dev with $qdisc" "$slow" -ge 1500
			number "ms over the other one" "$fast" -lt "$slow"
			check "no $qdisc" in_ns "$NS" tc qdisc del dev "$dev" root
		done
	done
}

bpf()
{
	local n dev address program where
	local -A dropped=()

	need tcpdump
	setup_both
	ip -n "$NS" addr add fd00:67::1 dev lo nodad
	# Drops requests for an echo by IPv4: what tcpdump's filters are made of.
	program=$(tcpdump -y EN10MB -ddd 'icmp[icmptype] == icmp-echo' 2> /dev/null | paste -sd,)
	for n in "${BOTH[@]}"; do
		read -r dev address <<< "$n"
		for where in ingress egress; do
			in_ns "$NS" tc qdisc add dev "$dev" clsact
			check "BPF at $where of $dev" in_ns "$NS" tc filter add dev "$dev" "$where" bpf \
				bytecode "$program" action drop
			refused "$address, dropped at $where" '.' ping_once "$NS" "$address"
			check "IPv6 over $dev" ping_once "$NS" "$([ "$dev" = lo ] && echo fd00:67::1 || echo fd00:66::1)"
			# ping tries again what is refused at egress.
			dropped[$dev]+="$where $(in_ns "$NS" tc -s filter show dev "$dev" "$where" |
				sed -n 's/.*Sent \([0-9]*\) bytes \([0-9]*\) pkt.*/\1 \2/p' |
				awk '$2 > 0 { print $1 / $2 }');"
			in_ns "$NS" tc qdisc del dev "$dev" clsact
		done
		check "$address, without it" ping_once "$NS" "$address"
	done
	# At egress with the link-layer header.
	equal "bytes of a packet dropped" "ingress 84;egress 98;" "${dropped[rlo0]}"
	equal "on lo" "${dropped[rlo0]}" "${dropped[lo]}"
}

interface()
{
	local n dev address other

	need nft
	setup_both
	by_name
	echo_server "$NS" 7777
	for n in "${BOTH[@]}"; do
		read -r dev address <<< "$n"
		in_ns "$NS" nft -f - <<- EOF
			table inet nat {
				chain out {
					type nat hook output priority -100;
					oifname "$dev" tcp dport 80 redirect to :7777
					oifname "$dev" ip daddr 127.99.0.0/16 tcp dport 81 dnat ip to $address:7777
					oifname "$dev" udp dport 82 dnat ip to $address:7777
				}
				chain pre {
					type filter hook input priority 0;
					iifname "$dev" tcp dport 80 counter comment "not-translated"
				}
			}
		EOF
		# To 127.0.0.1, which is lo's here.
		check "redirect on $dev" echoes "$NS" "TCP:$address:80"
		grown "$NS" "$dev" echoes "$NS" "UDP:$address:82"
		equal "not translated" 0 "$(nft_counter not-translated)"
		other=127.66.0.1
		[ "$dev" = lo ] || other=127.0.0.1
		refused "over the other device" 'refused' in_ns "$NS" socat - "TCP:$other:80"
		if [ "$dev" = rlo0 ]; then
			# Named by the device that the route gives, before it is changed.
			refused "an address of lo" 'refused' in_ns "$NS" socat - TCP:127.99.0.1:81
			ip -n "$NS" addr add 127.99.0.1/16 dev rlo0
		fi
		grown "$NS" "$dev" echoes "$NS" TCP:127.99.0.1:81
		in_ns "$NS" nft delete table inet nat
	done
}

# ct_seen ADDRESS: what conntrack has of it, without times and ids. How far a TCP
# connection has come to its end is chance.
ct_seen()
{
	in_ns "$NS" conntrack -L 2> /dev/null | grep -F "src=$1 " |
		sed -E 's/ id=[0-9]+//g; s/^([a-z0-9]+ +[0-9]+) [0-9]+/\1/; s/ use=[0-9]+//
			s/^(tcp +6) [A-Z_0-9]+/\1/; s/\b(127\.0\.0\.1|127\.66\.0\.1)\b/ADDRESS/g; s/ +$//' | sort
}

tracked()
{
	local n dev address
	local -A seen=() counted=()

	need nft conntrack
	setup_both
	by_name
	echo_server "$NS" 7777
	for n in "${BOTH[@]}"; do
		read -r dev address <<< "$n"
		in_ns "$NS" nft -f - <<- EOF
			table inet t {
				chain in {
					type filter hook input priority 0;
					iifname "$dev" ct state new counter comment "in-new"
					iifname "$dev" ct state established counter comment "in-established"
					iifname "$dev" ct state invalid counter comment "in-invalid"
				}
				chain out {
					type filter hook output priority 0;
					oifname "$dev" ct state new counter comment "out-new"
					oifname "$dev" ct state established counter comment "out-established"
				}
			}
		EOF
		check "TCP" echoes "$NS" "TCP:$address:7777,sourceport=17001,reuseaddr"
		check "UDP" echoes "$NS" "UDP:$address:7777,sourceport=17002,reuseaddr"
		check "ping" ping_once "$NS" "$address"
		seen[$dev]=$(ct_seen "$address")
		counted[$dev]="new in $(nft_counter in-new), out $(nft_counter out-new);\
 established $([ "$(nft_counter in-established)" = "$(nft_counter out-established)" ] && echo alike);\
 invalid $(nft_counter in-invalid)"
		in_ns "$NS" nft delete table inet t
	done
	matches "TCP" '^tcp .*ASSURED' "${seen[rlo0]}"
	matches "UDP" '^udp ' "${seen[rlo0]}"
	matches "ping" '^icmp ' "${seen[rlo0]}"
	equal "connections" "${seen[lo]}" "${seen[rlo0]}"
	equal "states" "new in 3, out 3; established alike; invalid 0" "${counted[rlo0]}"
	equal "states on lo" "${counted[lo]}" "${counted[rlo0]}"
}

# reached NS ADDRESS: "yes" or "no", as the echo server answers there.
reached()
{
	if echoes "$@" 2> /dev/null; then
		echo yes
	else
		echo no
	fi
}

rules()
{
	local n dev address state answers=()

	setup_both
	echo_server "$NS" 7777
	# Behind other rules.
	ip -n "$NS" rule add pref 100 lookup local
	ip -n "$NS" rule del pref 0
	for n in "${BOTH[@]}"; do
		read -r dev address <<< "$n"
		for state in up down; do
			ip -n "$NS" link set "$dev" "$state"
			ip -n "$NS" rule add oif "$dev" prohibit pref 10
			ip -n "$NS" link set "$dev" up
			answers+=("oif $dev, given while $state: bound $(reached "$NS" \
				"TCP:$address:7777,so-bindtodevice=$dev"), unbound $(reached "$NS" "TCP:$address:7777")")
			ip -n "$NS" rule del pref 10
		done
		ip -n "$NS" rule add iif lo to "$address" prohibit pref 10
		answers+=("iif lo: $(reached "$NS" "TCP:$address:7777")")
		ip -n "$NS" rule del pref 10
	done
	ip -n "$NS" rule add iif rlo0 prohibit pref 10
	answers+=("iif rlo0: $(reached "$NS" "TCP:$address:7777")")
	# What is sent from here comes from lo for rules, whatever carries it.
	equal "connected" "$(cat <<- EOF
		oif lo, given while up: bound no, unbound yes
		oif lo, given while down: bound no, unbound yes
		iif lo: no
		oif rlo0, given while up: bound no, unbound yes
		oif rlo0, given while down: bound no, unbound yes
		iif lo: no
		iif rlo0: yes
	EOF
	)" "$(printf '%s\n' "${answers[@]}")"
}

# through: which of these addresses answer to TCP and a ping.
through()
{
	local address

	for address in 127.0.0.1 '[::1]' 127.66.0.1 '[fd00:66::1]'; do
		echo "$address TCP $(reached "$NS" "TCP:$address:7777,connect-timeout=2")," \
			"ping $(ping_once "$NS" "${address//[][]/}" > /dev/null && echo yes || echo no)"
	done
}

firewall()
{
	local file=$TESTS_DIR/../examples/nftables/host.nft

	need nft
	[ -e "$file" ] || skip "there is no $file"
	setup_both
	setup_ns AWAY
	batch "$NS" <<- EOF
		link add wire0 type veth peer name wire0 netns $AWAY
		addr add 192.0.2.1/24 dev wire0
		link set wire0 up
	EOF
	batch "$AWAY" <<- EOF
		addr add 192.0.2.2/24 dev wire0
		link set wire0 up
	EOF
	echo_server "$NS" 7777
	wait_for ping_once "$AWAY" 192.0.2.1 || fail "the wire is up"

	in_ns "$NS" nft -f - < <(sed 's/meta iiftype loopback/iifname "lo"/' "$file")
	equal "by name" "$(cat <<- EOF
		127.0.0.1 TCP yes, ping yes
		[::1] TCP yes, ping yes
		127.66.0.1 TCP no, ping no
		[fd00:66::1] TCP no, ping no
	EOF
	)" "$(through)"
	in_ns "$NS" nft flush ruleset

	check "the example" in_ns "$NS" nft -f "$file"
	equal "by type" "$(cat <<- EOF
		127.0.0.1 TCP yes, ping yes
		[::1] TCP yes, ping yes
		127.66.0.1 TCP yes, ping yes
		[fd00:66::1] TCP yes, ping yes
	EOF
	)" "$(through)"
	equal "from a wire" no "$(reached "$AWAY" TCP:192.0.2.1:7777,connect-timeout=2)"
	in_ns "$NS" nft flush ruleset
	equal "from a wire, without it" yes "$(reached "$AWAY" TCP:192.0.2.1:7777,connect-timeout=2)"
}

run_tests "$@"
