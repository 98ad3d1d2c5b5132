# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of real services share, besides tests/lib.sh. Each point has a
# namespace in which localhost is rust_lo0's, or where lo1 has addresses of its
# own: lo is up, as everywhere, but has never carried a packet when the point ends,
# or the point fails.

: "${WAIT_TIMEOUT:=300}"
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

RUST_LO=$PROGRAMS/rust-lo
# How often each client asks.
REQUESTS=20
# Which device is to carry it.
DEVICE=rust_lo0

# localhost: the namespace NS. PREFER=n in the environment plants a fault: then
# lo carries it all, and every point is to fail.
localhost()
{
	need_program rust-lo
	setup_ns NS
	prefer_rust_lo0 "$NS"
	# Services with a user of their own read what is in here.
	chmod 755 "$TMP"
	ADDRESSES=''
}

prefer_rust_lo0()
{
	batch "$1" <<- END
		link set lo up
		link add rust_lo0 type rust_lo
		link set rust_lo0 up
	END
	[ "${PREFER:-}" = n ] || check "rust_lo0 is preferred over lo" "$RUST_LO" -n "$1" prefer rust_lo0
}

# Of what lo1 has; two of a family, so that the kernel's choice of a source shows.
ADDRESSES4=(192.0.2.1 192.0.2.2)
ADDRESSES6=(2001:db8:1::1 2001:db8:1::2)

# Whether a rust_lo device has 127.0.0.1 and ::1 as well.
LOCALHOST=on

# loopback NS NAME: a device of TYPE that is up.
loopback()
{
	ip -n "$1" link add "$2" type "$TYPE"
	[ "$TYPE" != rust_lo ] || in_ns "$1" ethtool --set-priv-flags "$2" localhost "$LOCALHOST"
	ip -n "$1" link set "$2" up
}

# wire: eth0 between NS and PEER, with addresses.
wire()
{
	batch "$NS" <<- END
		link add eth0 type veth peer name eth0 netns $PEER
		address add 198.51.100.0/31 dev eth0
		address add 2001:db8::/127 dev eth0 nodad
		link set eth0 up
	END
	batch "$PEER" <<- END
		link set lo up
		address add 198.51.100.1/31 dev eth0
		address add 2001:db8::1/127 dev eth0 nodad
		link set eth0 up
	END
}

# lo1_is TYPE: the namespace NS, where lo1 of this type has addresses of its own,
# and PEER, with a wire to NS and routes to them. A dummy is what is used for this
# without rust_lo: all has to work on it, and is carried by lo.
lo1_is()
{
	TYPE=$1 DEVICE=lo1
	[ "$TYPE" != dummy ] || DEVICE=lo
	[ "${PREFER:-}" != n ] || TYPE=dummy
	setup_ns NS PEER
	ip -n "$NS" link set lo up
	loopback "$NS" lo1
	batch "$NS" <<- END
		$(printf 'address add %s/32 dev lo1\n' "${ADDRESSES4[@]}")
		$(printf 'address add %s/128 dev lo1\n' "${ADDRESSES6[@]}")
	END
	wire
	batch "$PEER" <<- END
		route add 192.0.2.0/24 via 198.51.100.0
		route add 2001:db8:1::/48 via 2001:db8::
	END
	chmod 755 "$TMP"
	ADDRESSES=''
}

alive()
{
	kill -0 "$1" 2> /dev/null
}

up_or_dead()
{
	listening "$NS" -t "$1" || ! alive "$SERVICE"
}

# serve PORT COMMAND...: the service, until it listens there. SERVICE is its pid.
serve()
{
	local port=$1
	shift

	background nsenter "--net=/run/netns/$NS" -- "$@"
	SERVICE=$!
	wait_for up_or_dead "$port" || true
	if ! listening "$NS" -t "$port"; then
		fail "$1 listens on port $port"
		say "$(tail -n 20 "$TMP/log")"
		exit "$ksft_fail"
	fi
}

dead()
{
	! alive "$1"
}

closed()
{
	! listening "$NS" -t "$1"
}

# stop PORT [SIGNAL]: the service ends as it should, and its port is closed.
stop()
{
	kill "-${2:-TERM}" "$SERVICE"
	wait_for dead "$SERVICE" || fail "the service ends by SIG${2:-TERM}"
	wait_for closed "$1" || fail "port $1 is closed"
}

# lo_silent: lo has carried nothing, unless that is what is to carry it.
lo_silent()
{
	[ "$DEVICE" = lo ] || silent "$NS" lo
}

# over ADDRESS COMMAND...: the client talks to this address, through DEVICE and
# not through lo. What it prints is in OUT.
over()
{
	# [::1] is ::1 in the table.
	local address=${1//[][]/} before rc=0
	shift

	counters "$NS" "$DEVICE"
	before=$rx_packets
	OUT=$(in_ns "$NS" "$@" 2> "$TMP/err") || rc=$?
	if [ "$rc" -ne 0 ]; then
		fail "$1 over $address: exit status $rc"
		say "$(tail -n 20 "$TMP/err")"
		say "$(tail -n 20 <<< "$OUT")"
	fi
	counters "$NS" "$DEVICE"
	number "packets over $DEVICE: $1 over $address" $((rx_packets - before)) -gt 0
	lo_silent
	[[ " $ADDRESSES, " == *" $address, "* ]] || ADDRESSES+="${ADDRESSES:+, }$address"
}

# fetch PORT: the file page by curl, over each name of localhost, REQUESTS times.
fetch()
{
	local host args i

	head -c 50000 /dev/urandom > "$TMP/www/page"
	for ((i = 0; i < REQUESTS; i++)); do
		cat "$TMP/www/page"
	done > "$TMP/wanted"
	for host in 127.0.0.1 '[::1]' localhost; do
		args=()
		for ((i = 0; i < REQUESTS; i++)); do
			args+=(-o "$TMP/got-$i" "http://$host:$1/page?$i")
		done
		rm -f "$TMP"/got-*
		over "$host" curl --globoff --no-progress-meter --fail --max-time 120 -w '%{http_code}\n' "${args[@]}"
		equal "$host: $REQUESTS answers" "$REQUESTS 200" "$(sort <<< "$OUT" | uniq -c | xargs)"
		check "$host: each answer is the page" cmp "$TMP/wanted" <(cat "$TMP"/got-*)
	done
}

# version PACKAGE: without Debian's revision.
version()
{
	# shellcheck disable=SC2016 # for dpkg-query to expand
	dpkg-query -W -f '${Version}' "$1" | sed 's/^[0-9]*://; s/[-+].*//'
}

# row SERVICE CLIENT RESULT: a line of the table, for the file run; a dummy has none.
# LO_TOO is set where something was left with lo.
row()
{
	local carried

	[ "$DEVICE" != lo ] || return 0
	counters "$NS" "$DEVICE"
	carried=$rx_packets
	number "packets that $DEVICE carried" "$carried" -gt 0
	[ -n "${LO_TOO:-}" ] || silent "$NS" lo
	counters "$NS" lo
	say "$1, $2, $ADDRESSES: $3; $carried packets over $DEVICE, $rx_packets over lo"
	[ -n "${ROWS:-}" ] || return 0
	printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$(basename "$0" .sh)" "$1" "$2" "$ADDRESSES" \
		"$([ ! -e "$TMP/failed" ] || echo '**failed**; ')$3" "$carried" "$rx_packets" "$(uname -r)" \
		>> "$ROWS/$(basename "$0" .sh)"
}
