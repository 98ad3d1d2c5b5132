#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# systemd-resolved, of which the sockets at 127.0.0.53 are bound to the device lo;
# those at 127.0.0.54 are not.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"resolved: names are found while localhost is rust_lo0's"
	"later: the same where it was started afterwards"
)

RESOLVED=/usr/lib/systemd/systemd-resolved
CONFIG=/run/systemd/resolved.conf.d/rust_lo.conf
SAYS="left with lo: 127.0.0.53 (tcp 53, udp 53)"
FOUND="192.0.2.53 2001:db8::53"

cleanup_hook()
{
	rm -f "$CONFIG"
}

# upstream: the server that resolved asks, at 127.0.0.1. It has two addresses for
# every name. The C library asks for those of a family only where there is one that
# is not of localhost.
upstream()
{
	batch "$NS" <<- END
		link add dum0 type dummy
		addr add 192.0.2.1/24 dev dum0
		addr add 2001:db8::1/64 dev dum0 nodad
		link set dum0 up
	END
	cat > "$TMP/upstream.py" <<- 'END'
		import socket, struct

		ADDRESSES = {1: socket.inet_pton(socket.AF_INET, "192.0.2.53"),
		             28: socket.inet_pton(socket.AF_INET6, "2001:db8::53")}
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("127.0.0.1", 5300))
		while True:
		    query, peer = s.recvfrom(4096)
		    end = query.index(0, 12) + 5
		    kind = struct.unpack("!H", query[end - 4:end - 2])[0]
		    address = ADDRESSES.get(kind)
		    answer = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if address else 0, 0, 0) + query[12:end]
		    if address:
		        answer += struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(address)) + address
		    s.sendto(answer, peer)
	END
	mkdir -p "${CONFIG%/*}"
	cat > "$CONFIG" <<- END
		[Resolve]
		DNS=127.0.0.1:5300
		DNSSEC=no
		DNSOverTLS=no
		LLMNR=no
		MulticastDNS=no
		Cache=no
		DNSStubListener=yes
	END
	background in_ns "$NS" python3 "$TMP/upstream.py"
	wait_for listening "$NS" -u 5300
}

# names ADDRESS [OPTION]: both addresses of a new name, as the C library has them
# from the server at ADDRESS.
names()
{
	echo "nameserver $1" > "$TMP/resolv.conf"
	# shellcheck disable=SC2016 # for the shell inside to expand
	in_ns "$NS" unshare --mount env RES_OPTIONS="timeout:${TRY:-20} attempts:1 ${2:-}" sh -c '
		mount --bind "$0" /etc/resolv.conf
		getent -s dns ahostsv4 "$1"
		getent -s dns ahostsv6 "$1"' "$TMP/resolv.conf" "name$RANDOM.example.org" |
		awk '{ print $1 }' | sort -u | xargs
}

# answers WHAT WANTED: over UDP and TCP, at 127.0.0.53; at the other address it has
# one in any case.
answers()
{
	local option

	for option in '' use-vc; do
		equal "$1: 127.0.0.53 $option" "$2" "$(names 127.0.0.53 "$option")"
		equal "$1: 127.0.0.54 $option" "$FOUND" "$(names 127.0.0.54 "$option")"
	done
	asked=$((asked + 4))
}

# carried WHAT COMMAND...: lo has carried packets to the stub, rust_lo0 those to
# the server at 127.0.0.1.
carried()
{
	local what=$1 lo rust_lo0
	shift

	counters "$NS" lo
	lo=$rx_packets
	counters "$NS" rust_lo0
	rust_lo0=$rx_packets
	"$@"
	counters "$NS" lo
	number "$what: packets over lo" $((rx_packets - lo)) -gt 0
	counters "$NS" rust_lo0
	number "$what: packets over rust_lo0" $((rx_packets - rust_lo0)) -gt 0
}

resolved()
{
	local asked=0

	need_program rust-lo
	setup_ns NS
	chmod 755 "$TMP"
	batch "$NS" <<- END
		link set lo up
		link add rust_lo0 type rust_lo
		link set rust_lo0 up
	END
	upstream
	serve 53 "$RESOLVED"
	answers "at first" "$FOUND"
	silent "$NS" rust_lo0
	if [ "${PREFER:-}" != n ]; then
		equal "prefer" "rust_lo0: preferred; $SAYS" "$("$RUST_LO" -n "$NS" prefer rust_lo0 2>&1)"
	fi
	carried "preferred" answers "preferred" "$FOUND"
	matches "status" '^127\.0\.0\.53 dev lo order lo kept$' "$("$RUST_LO" -n "$NS" status)"

	# Its users have no names without those routes.
	matches "prefer --all" 'hear nothing of it: 127\.0\.0\.53 \(tcp 53, udp 53\)$' \
		"$("$RUST_LO" -n "$NS" prefer --all rust_lo0 2>&1)"
	TRY=2 answers "with --all" ""
	equal "prefer again" "rust_lo0: preferred; $SAYS" "$("$RUST_LO" -n "$NS" prefer rust_lo0 2>&1)"
	carried "again" answers "again" "$FOUND"

	# Its addresses are still lo's when it is back.
	stop 53
	serve 53 "$RESOLVED"
	carried "started again" answers "started again" "$FOUND"
	ADDRESSES="127.0.0.53, 127.0.0.54" LO_TOO=y row "systemd-resolved $(version systemd-resolved)" "getent" \
		"$((asked - 2)) names found, over UDP and TCP, 2 more not found without the routes that \`prefer\` leaves with \`lo\`"
	equal "unprefer" "rust_lo0: no longer preferred" "$("$RUST_LO" -n "$NS" unprefer rust_lo0 2>&1)"
	answers "unpreferred" "$FOUND"
}

later()
{
	local asked=0

	localhost
	upstream
	serve 53 "$RESOLVED"
	TRY=2 answers "before prefer is run again" ""
	equal "prefer again" "rust_lo0: preferred; $SAYS" "$("$RUST_LO" -n "$NS" prefer rust_lo0 2>&1)"
	carried "preferred" answers "preferred" "$FOUND"
	stop 53
}

run_tests "$@"
