#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Queueing disciplines and packet filters on a device beside lo.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"netem: a delay on the device delays only it"
	"loss: a loss on the device hits only it"
	"counter: nftables counts by iifname and oifname"
	"drop: nftables drops on one device only"
	"redirect: redirect and DNAT at output"
	"hooks: filters of tc at ingress and egress see the packets"
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
	equal "in, out, post, pre of rlo0; in, out of lo" "2 2 2 2 0 0" "$(nft_counter in-rlo0) \
$(nft_counter out-rlo0) $(nft_counter post-rlo0) $(nft_counter pre-rlo0) \
$(nft_counter in-lo) $(nft_counter out-lo)"
	check "ping" ping_once "$NS" fd00:66::1
	equal "in, out of rlo0; in, out of lo" "4 4 0 0" "$(nft_counter in-rlo0) \
$(nft_counter out-rlo0) $(nft_counter in-lo) $(nft_counter out-lo)"
	check "ping" ping_once "$NS" 127.0.0.1
	equal "in, out of rlo0; in, out of lo" "4 4 2 2" "$(nft_counter in-rlo0) \
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

run_tests "$@"
