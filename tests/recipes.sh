#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What docs/recipes.md shows, typed as it stands there, and what has to come of it.
# A point whose programs are not here is skipped; `make recipes` has them all, and
# with RECIPES=all it fails.
# Without it: recipes that do not work.
#
# TYPE=dummy in the environment plants a fault: a dummy in the place of each rust_lo
# device, and no localhost for what rust-lo runs. Then every point has to fail.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lib/frr.sh
. "$TESTS_DIR/lib/frr.sh"
DOCUMENT=docs/recipes.md
# shellcheck source-path=SCRIPTDIR source=readme/blocks.sh
. "$TESTS_DIR/readme/blocks.sh"

TESTS=(
	"link: a link like the real one, as TCP sees it"
	"link_quic: the same, as QUIC sees it"
	"run: a localhost for each test run, by namespace"
	"prefixes: by prefix"
	"dns: a service address, counted, captured and shaped"
	"lvs: one that IPVS sends to by direct routing"
	"router: BGP and OSPF of FRR over wires without addresses, lo down"
	"router_vrf: OSPF of BIRD in a VRF"
	"capture: each packet once, by tcpdump"
	"capture_tshark: by tshark"
	"capture_suricata: by Suricata"
	"replay: a capture is sent into the local stack, by tcpreplay"
	"replay_trafgen: frames out of nothing are"
	"xdp: programs for XDP on a device of its own"
	"xdp_socket: AF_XDP, by which Knot DNS serves"
	"firewall: by the type of the device"
)

# setup [PROGRAM...]: NS with lo up, as on any machine, in a directory of its own.
setup()
{
	local program

	for program; do
		if [ "${RECIPES:-}" = all ]; then
			check "it is here" command -v "$program"
		else
			need "$program"
		fi
	done
	need_program rust-lo
	setup_ns NS
	ip -n "$NS" link set lo up
	mkdir "$TMP/here" "$TMP/bin"
	chmod 755 "$TMP"
	ln -s "$PROGRAM" "$TMP/bin/rust-lo"
	export PATH=$TMP/bin:$PATH:/usr/sbin
	cd "$TMP/here"
}

# Not by ip netns exec, in whose /sys is no BPF. Here faults are planted; a dummy has
# no private flags, and shows nothing to who waits for packets.
at_prompt()
{
	local words=("$@") limit=()

	if [ "${TYPE:-}" = dummy ]; then
		mapfile -d '' words < <(printf '%s\0' "$@" | sed -zE 's/type rust_lo/type dummy/g; s/ethtool --set-priv-flags/: &/
			s/rust-lo run( --[a-z]+ [^ ]+)*( --)?/unshare --net/g')
	fi
	[ "${TYPE:-}" != dummy ] || limit=(timeout 60)
	nsenter "--net=/run/netns/$NS" -- "${limit[@]}" "${words[@]}"
}

# received DEVICE: packets.
received()
{
	# shellcheck disable=SC2016 # awk's
	in_ns "$NS" awk -v dev="$1:" '$1 == dev { print $3 }' /proc/net/dev
}

link()
{
	setup iperf3 ss nstat
	LO=$(received lo)

	after()
	{
		local n

		case $1 in
		iperf3\ --client*)
			matches "MSS and path MTU" ' mss:1448 pmtu:1500 ' "$(cat "$TMP/typed")"
			n=$(sed -n 's/.* minrtt:\([0-9]*\)[. ].*/\1/p' "$TMP/typed" | sort -n | head -n 1)
			number "the shortest round trip in ms" "${n:-0}" -ge 40
			n=$(awk '/ sender$/ { print $7 }' "$TMP/typed")
			number "Mbit/s" "${n%.*}" -le 100
			# Three digits are printed.
			SEGMENTS=$(awk '/ receiver$/ && $6 == "MBytes" { print int($5 * 0.99 * 2^20 / 1448) }' "$TMP/typed")
			number "segments received" "${SEGMENTS:-0}" -gt 1000
			say "$(grep -E ' (sender|receiver)$' "$TMP/typed")"
			;;
		nstat\ *)
			n=$(awk '/^TcpRetransSegs/ { print $2 }' "$TMP/typed")
			number "segments sent again" "${n:-0}" -gt 0
			say "$(tail -n 1 "$TMP/typed")"
			;;
		'ip -s link show '*)
			n=$(received link0)
			number "packets over link0, of segments of 1448 bytes" "$n" -ge "${SEGMENTS:-1000}"
			equal "packets over lo" "$LO" "$(received lo)"
			;;
		esac
	}

	run_block "A link like the real one" 1
	run_block "A link like the real one" 2
	matches "lo is as it was" 'lo: .* mtu 65536 qdisc noqueue' "$(ip -n "$NS" link show lo)"
}

link_quic()
{
	local size

	setup gtlsclient gtlsserver openssl
	LO=$(received lo)

	after()
	{
		[[ $1 != gtlsserver* ]] || check "$1" wait_for listening "$NS" -u 4433
	}

	run_block "A link like the real one" 1
	run_block "A link like the real one" 3
	number "packets over link0" "$(received link0)" -gt 1400
	equal "packets over lo" "$LO" "$(received lo)"
	number "the shortest round trip in ms" "$(grep -Eo '"min_rtt":[0-9]+' qlog | cut -d: -f 2 | sort -n | head -n 1)" -ge 40
	# Its header, and that of UDP and IPv6.
	size=$(grep -Eo '"raw":\{"length":[0-9]+' qlog | grep -Eo '[0-9]+$' | sort -n | tail -n 1)
	number "the longest datagram" "$size" -le 1452
	number "the longest datagram" "$size" -gt 1400
	say "$(in_ns "$NS" tc -s qdisc show dev link0)"
}

# Stands for the tests that somebody has: a service on a port of its own, over both
# families, and its client.
check_script()
{
	cat <<- 'END'
		#!/bin/bash
		set -e
		name=$$-$RANDOM
		socat TCP4-LISTEN:80,bind=127.0.0.1,fork,reuseaddr SYSTEM:"echo $name" &
		socat TCP6-LISTEN:80,bind=::1,fork,reuseaddr SYSTEM:"echo $name" &
		for address in 127.0.0.1 '[::1]'; do
			got=$(socat -u "TCP:$address:80,retry=100,interval=0.1" -)
			echo "$address: $got"
			[ "$got" = "$name" ]
		done
		echo "rust_lo0: $(cat /sys/class/net/rust_lo0/statistics/rx_packets), lo: $(cat /sys/class/net/lo/statistics/rx_packets)"
		# What is left behind holds no output, or nobody would know the end of it.
		sleep 7654 > /dev/null 2>&1 &
		kill %1 %2
	END
}

run()
{
	setup socat
	check_script > check
	chmod +x check

	after()
	{
		local wanted=1

		[[ $1 != for* ]] || wanted=4
		equal "runs that came to their end: $1" "$wanted" "$(grep -c '^rust_lo0: [1-9][0-9]*, lo: 0$' "$TMP/typed")"
		if [[ $1 == unshare* ]]; then
			check "nothing is left" bash -c '! pgrep -f "^sleep 7654"'
		else
			equal "what they leave behind" "$wanted" "$(pgrep -fc '^sleep 7654')"
			pkill -f '^sleep 7654'
		fi
	}

	run_block "A localhost for each test run" 1
}

# servers N: as many listen.
servers()
{
	[ "$(in_ns "$NS" ss -Hltn 'sport = :8000' | wc -l)" = "$1" ]
}

prefixes()
{
	local n

	setup busybox curl
	for n in 1 2 3; do
		mkdir -p "www/$n"
		echo "run $n" > "www/$n/name"
	done

	after()
	{
		case $1 in
		*httpd*) check "all listen" wait_for servers 6 ;;
		*curl*) equal "who answers" "run 1 run 1 run 2 run 2 run 3 run 3" "$(xargs < "$TMP/typed")" ;;
		esac
	}

	run_block "A localhost for each test run" 2
	for n in 1 2 3; do
		number "packets over run$n" "$(received "run$n")" -ge 16
	done
}

dns()
{
	setup dnsmasq dig tcpdump

	after()
	{
		local took

		case $1 in
		tcpdump*) check "it listens" wait_for grep -q 'listening on' "$TMP/typed" ;;
		'dig +short'*)
			equal "the answer" 10.0.0.7 "$(cat "$TMP/typed")"
			check "it is captured" wait_for grep -q 'A 10\.0\.0\.7' captured
			;;
		cat*) equal "question and answer" 2 "$(grep -c '169\.254\.20\.10' "$TMP/typed")" ;;
		'dig @'*)
			took=$(sed -n 's/^;; Query time: \([0-9]*\) msec$/\1/p' "$TMP/typed")
			number "ms" "${took:-0}" -ge 200
			;;
		esac
	}

	run_block "Service addresses" 1
	equal "packets over nodelocaldns" 4 "$(received nodelocaldns)"
	equal "packets over lo" 0 "$(received lo)"
}

# A switch with a client, a director and NS, the real server, at it.
lvs_wires()
{
	local ns n=1

	setup_ns SWITCH CLIENT DIRECTOR
	ip -n "$SWITCH" link add br0 type bridge
	ip -n "$SWITCH" link set br0 up
	for ns in "$CLIENT" "$DIRECTOR" "$NS"; do
		ip -n "$SWITCH" link add "p$n" master br0 type veth peer name eth0 netns "$ns"
		ip -n "$SWITCH" link set "p$n" up
		ip -n "$ns" link set lo up
		ip -n "$ns" link set eth0 up
		ip -n "$ns" address add "10.80.0.$n/24" dev eth0
		n=$((n + 1))
	done
	batch "$DIRECTOR" <<- END
		link add vip0 type ${TYPE:-rust_lo}
		link set vip0 up
		address add 10.80.0.80/32 dev vip0
	END
	check "a virtual server" in_ns "$DIRECTOR" ipvsadm -A -t 10.80.0.80:80 -s rr
	check "its real server" in_ns "$DIRECTOR" ipvsadm -a -t 10.80.0.80:80 -r 10.80.0.3 -g
}

# by_director: three connections to the service, and nothing back.
by_director()
{
	in_ns "$DIRECTOR" ipvsadm -L -n --stats | grep -Eq '^TCP  10\.80\.0\.80:80 +3 +[0-9]+ +0 '
}

lvs()
{
	local n

	setup ipvsadm busybox curl
	modprobe -q ip_vs || skip "there is no ip_vs"
	lvs_wires
	run_block "Service addresses" 2
	mkdir www
	echo "the real server" > www/page
	check "its server" in_ns "$NS" busybox httpd -p 10.80.0.80:80 -h "$PWD/www"
	for n in 1 2 3; do
		equal "page $n" "the real server" "$(in_ns "$CLIENT" curl -sS --max-time 20 http://10.80.0.80/page)"
	done
	# SYN, the request, and what acknowledges and ends it.
	number "packets over vip0" "$(received vip0)" -ge 12
	# Added up every two seconds (net/netfilter/ipvs/ip_vs_est.c).
	check "by way of the director" wait_for by_director
	say "$(in_ns "$DIRECTOR" ipvsadm -L -n --stats | tail -n 1)"
	equal "who has the address, for the client" "$(ip -n "$DIRECTOR" -j link show eth0 | jq -r '.[0].address')" \
		"$(ip -n "$CLIENT" -j neigh show 10.80.0.80 | jq -r '.[0].lladdr')"
}

# A second router, PEER, at the other end of these wires.
router_wires()
{
	local wire

	setup_ns PEER
	ip -n "$PEER" link set lo up
	for wire; do
		batch "$NS" <<- END
			link add $wire type veth peer name $wire netns $PEER
			link set $wire up
		END
		ip -n "$PEER" link set "$wire" up
	done
}

# It has these addresses.
router_peer()
{
	local address

	ip -n "$PEER" link add other0 type dummy
	ip -n "$PEER" link set other0 up
	for address; do
		ip -n "$PEER" address add "$address" dev other0
	done
}

router()
{
	setup vtysh
	[ "$WAIT_TIMEOUT" -ge 60 ] || WAIT_TIMEOUT=60
	router_wires eth0 eth1
	router_peer 192.0.2.2/32 2001:db8::2/128 198.51.100.2/32
	ip -n "$PEER" address add 198.51.100.2/32 dev eth1
	# Of the same kind as ours, with its own addresses.
	sed 's/192\.0\.2\.1/192.0.2.2/; s/db8::1/db8::2/; s/65001/65002/; s/lo1/other0/' \
		"$TESTS_DIR/../examples/frr/unnumbered.conf" > "$TMP/peer.conf"
	start_router "$PEER" peer "$TMP/peer.conf" bgpd -- ospfd
	start_router "$NS" "" "" bgpd -- ospfd
	cp "$TESTS_DIR/../examples/frr/unnumbered.conf" .

	before()
	{
		[[ $1 != 'ping '* ]] || check "$1: there is a way" wait_for in_ns "$NS" ping -c 1 -W 1 "${1##* }"
		[[ $1 != 'ping '*192.0.2.1 ]] || LO1=$(received lo1)
	}

	after()
	{
		case $1 in
		'ping '*192.0.2.1) equal "packets over lo1" 6 $(($(received lo1) - LO1)) ;;
		vtysh*summary*)
			# Established: since when, and how many prefixes.
			matches "BGP, with lo down" 'eth0.* 65002 .* [0-9]{2}:[0-9]{2}:[0-9]{2} +1 ' "$(cat "$TMP/typed")"
			matches "OSPF, with lo down" ' Full/' "$(cat "$TMP/typed")"
			;;
		esac
	}

	run_block "A router's loopbacks" 1
	say "$(ip -n "$NS" route; ip -n "$NS" -6 route show proto bgp)"
	matches "the source that is taken" ' src 192\.0\.2\.1 ' "$(ip -n "$NS" route get 192.0.2.2)"
	matches "the source of IPv6 that is taken" ' src 2001:db8::1 ' "$(ip -n "$NS" route get 2001:db8::2)"
}

router_vrf()
{
	setup bird birdc
	[ "$WAIT_TIMEOUT" -ge 60 ] || WAIT_TIMEOUT=60
	modprobe -q vrf || skip "there is no vrf"
	router_wires eth2
	router_peer 203.0.113.2/32
	ip -n "$PEER" address add 10.0.0.1/31 dev eth2
	sed '/vrf/d; /kernel table/d; s/113\.1;/113.2;/; s/lo2/other0/' \
		"$TESTS_DIR/../examples/bird/bird.conf" > "$TMP/peer.conf"
	background in_ns "$PEER" bird -f -c "$TMP/peer.conf" -s "$TMP/peer.ctl" -P "$TMP/peer.pid"
	cp "$TESTS_DIR/../examples/bird/bird.conf" .

	before()
	{
		[[ $1 != 'ping '* ]] || check "$1: there is a way" wait_for in_ns "$NS" ping -c 1 -W 1 -I red "${1##* }"
		LO2=$(received lo2)
	}

	after()
	{
		case $1 in
		bird\ *) cat bird.pid >> "$TMP/pids" ;;
		'ping '*113.1) equal "packets over lo2" 6 $(($(received lo2) - LO2)) ;;
		birdc*) matches "its neighbour" 'Full' "$(cat "$TMP/typed")" ;;
		esac
	}

	run_block "A router's loopbacks" 2
	say "$(ip -n "$NS" route show table 10)"
}

# once REGEX: what was typed shows six packets, none of them twice. REGEX finds what
# tells one from another.
once()
{
	grep -Eo -e "$1" "$TMP/typed" > "$TMP/packets" || true
	equal "packets that were shown" 6 "$(wc -l < "$TMP/packets")"
	equal "of them twice" "" "$(sort "$TMP/packets" | uniq -d)"
}

lo1()
{
	batch "$NS" <<- END
		link add lo1 type ${TYPE:-rust_lo}
		link set lo1 up
		address add 127.66.0.1/16 dev lo1
	END
}

capture()
{
	setup tcpdump

	after()
	{
		[[ $1 != tcpdump* ]] || once 'echo (request|reply).* seq [0-9]+'
	}

	run_block "Capture once" 1
	untouched "$NS" lo in_ns "$NS" ping -q -c 1 127.66.0.1
}

capture_tshark()
{
	setup tshark

	after()
	{
		once 'Echo \(ping\) (request|reply) .*seq=[0-9]+'
	}

	lo1
	background in_ns "$NS" ping 127.66.0.1
	run_block "Capture once" 2
}

ended()
{
	! kill -0 "$1" 2> /dev/null
}

capture_suricata()
{
	setup suricata

	before()
	{
		[[ $1 != kill* ]] || SURICATA=$(cat suricata.pid)
	}

	after()
	{
		case $1 in
		suricata*) check "it listens" wait_for grep -q 'Engine started' suricata.log ;;
		# The last of them, to the log.
		ping*) sleep 2 ;;
		kill*) check "it ends" wait_for ended "$SURICATA" ;;
		grep*)
			# It says so every few seconds.
			equal "packets it has seen" 6 "$(awk '$1 == "decoder.ipv4" { n = $5 } END { print n }' "$TMP/typed")"
			;;
		esac
	}

	lo1
	run_block "Capture once" 3
}

captured()
{
	[ "$(stat -c %s captured)" -gt 24 ]
}

replay()
{
	setup tcpdump socat nft tcpreplay tcprewrite

	after()
	{
		case $1 in
		'socat -u UDP-RECV'*) check "it listens" wait_for listening "$NS" -u 5000 ;;
		'tcpdump '*) check "it listens" wait_for grep -q 'listening on' "$TMP/typed" ;;
		echo*) check "it is captured" wait_for captured ;;
		nft\ list*) matches "what nftables has counted" 'counter packets 6 bytes' "$(cat "$TMP/typed")" ;;
		'ip -s'*) equal "packets over lo1" 6 "$(received lo1)" ;;
		esac
	}

	run_block "Replay a capture into the local stack" 1
	equal "what the service got" "6 hello" "$(uniq -c got | xargs)"
}

replay_trafgen()
{
	setup trafgen nft socat

	lo1
	in_ns "$NS" sysctl -qw net.ipv4.conf.lo1.route_localnet=1 net.ipv4.conf.lo1.accept_local=1
	in_ns "$NS" nft 'add table inet replay; add chain inet replay in { type filter hook prerouting priority raw; }
		add rule inet replay in iifname lo1 udp dport 5000 counter'
	background in_ns "$NS" socat -u UDP-RECV:5000,bind=127.66.0.1 OPEN:got,creat,append
	wait_for listening "$NS" -u 5000

	after()
	{
		[[ $1 != nft* ]] || matches "what nftables has counted" 'counter packets 10 bytes' "$(cat "$TMP/typed")"
	}

	run_block "Replay a capture into the local stack" 2
	equal "what the service got" "10 again" "$(uniq -c got | xargs)"
}

xdp()
{
	setup clang-19
	cp "$TESTS_DIR/../examples/xdp/four.c" .

	after()
	{
		local n

		n=$(received xdp0)
		case $1 in
		*' section '*) SECTION=${1##* } XDP0=$n XDP1=$(received xdp1) ;;
		*'ping '*' 127.77.0.1')
			n=$((n - XDP0))
			say "$SECTION: $n packets over xdp0, $(($(received xdp1) - XDP1)) over xdp1"
			case $SECTION in
			pass | redirect) equal "packets with $SECTION" 6 "$n" ;;
			drop) equal "packets with $SECTION" 3 "$n" ;;
			tx)
				equal "packets with $SECTION" 30 "$n"
				equal "replies, with what is left of the TTL" 3 "$(grep -c ' ttl=60 ' "$TMP/typed")"
				;;
			esac
			[ "$SECTION" != redirect ] || equal "packets over xdp1" 6 $(($(received xdp1) - XDP1))
			;;
		esac
	}

	run_block "XDP without hurting lo" 1
	equal "packets over lo" 6 "$(received lo)"
}

xdp_socket()
{
	setup knotd dig ss
	cp "$TESTS_DIR"/../examples/knot/* .

	after()
	{
		case $1 in
		knotd*) check "it serves" wait_for grep -q 'server started' knot.log ;;
		dig*) equal "$1" 192.0.2.80 "$(cat "$TMP/typed")" ;;
		ss*) matches "its socket" ' dns0:q0 ' "$(cat "$TMP/typed")" ;;
		esac
	}

	run_block "XDP without hurting lo" 2
	equal "questions and answers over dns0" 4 "$(received dns0)"
	equal "packets over lo" 0 "$(received lo)"
	equal "other sockets of UDP" "" "$(in_ns "$NS" ss --no-header --udp --all)"
}

firewall()
{
	setup nft
	run_block "Firewalls" 1
	grown "$NS" lo1 ping_once "$NS" 127.66.0.1
}

run_tests "$@"
