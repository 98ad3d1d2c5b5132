#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A cluster of three nodes of etcd, on 127.0.0.1, 127.0.0.2 and 127.0.0.3.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("etcd: three hosts agree, one is stopped, the others go on, it comes back")

KEYS=5
NODES=(127.0.0.1 127.0.0.2 127.0.0.3)
declare -A PIDS

# node ADDRESS: one of the three. Times are for an emulated processor.
node()
{
	background nsenter "--net=/run/netns/$NS" -- etcd --name "node-$1" --data-dir "$TMP/$1" --log-level warn \
		--listen-client-urls "http://$1:2379" --advertise-client-urls "http://$1:2379" \
		--listen-peer-urls "http://$1:2380" --initial-advertise-peer-urls "http://$1:2380" \
		--initial-cluster "$(printf '%s\n' "${NODES[@]}" | sed 's,.*,node-&=http://&:2380,' | paste -sd,)" \
		--heartbeat-interval 1000 --election-timeout 10000
	PIDS[$1]=$!
}

# ctl ADDRESS ARGUMENT...: etcdctl to this node alone.
ctl()
{
	over "$1" etcdctl --endpoints="http://$1:2379" --dial-timeout=60s --command-timeout=120s "${@:2}"
}

healthy()
{
	in_ns "$NS" etcdctl --endpoints="http://$1:2379" endpoint health
}

# agree NODE...: what is written to one of them is read from the next.
agree()
{
	local i from to

	for ((i = 0; i < KEYS; i++)); do
		from=${*:i % $# + 1:1}
		to=${*:(i + 1) % $# + 1:1}
		ctl "$from" put "key$i" "value $i by $# of $from"
		ctl "$to" get --print-value-only "key$i"
		equal "a key put to $from, got from $to" "value $i by $# of $from" "$OUT"
	done
}

etcd()
{
	local address last leader rest

	localhost
	for address in "${NODES[@]}"; do
		node "$address"
	done
	for address in "${NODES[@]}"; do
		wait_for healthy "$address" || { fail "$address is healthy"; say "$(tail -n 20 "$TMP/log")"; }
	done
	ctl 127.0.0.1 member list
	equal "the members, as 127.0.0.1 sees them" "${NODES[*]/%/:2380}" \
		"$(grep -o '[0-9.]*:2380' <<< "$OUT" | sort | xargs)"
	agree "${NODES[@]}"

	# The one that leads, so that the others have to choose another one.
	leader=''
	for address in "${NODES[@]}"; do
		ctl "$address" endpoint status
		[ "$(awk -F', ' '{ print $5 }' <<< "$OUT")" != true ] || leader=$address
	done
	matches "one of them leads" '^127' "$leader"
	mapfile -t rest < <(printf '%s\n' "${NODES[@]}" | grep -vxF "$leader")
	kill "${PIDS[$leader]}"
	wait_for dead "${PIDS[$leader]}" || fail "$leader ends by SIGTERM"
	for address in "${rest[@]}"; do
		wait_for healthy "$address" || fail "$address goes on"
	done
	refused "$leader" 'curl: \(7\)' in_ns "$NS" curl -sS "http://$leader:2379/health"
	agree "${rest[@]}"
	ctl "${rest[0]}" get --print-value-only "key$((KEYS - 1))"
	last=$OUT

	node "$leader"
	wait_for healthy "$leader" || fail "$leader is back"
	ctl "$leader" get --print-value-only "key$((KEYS - 1))"
	equal "what $leader has missed" "$last" "$OUT"
	row "etcd $(version etcd-server), 3 nodes" etcdctl \
		"$KEYS keys put to one node and got from another, $KEYS more with the leader stopped; it came back and caught up"
}

run_tests "$@"
