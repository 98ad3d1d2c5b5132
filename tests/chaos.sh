#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Chaos: many workers at once do everything to rust_lo devices that can be
# done, among it rmmod and insmod. Nothing is left at the end.
# Without it: a machine that crashes when links, namespaces and the module come
# and go at once.
#
# CHAOS_SECONDS (default: 30), CHAOS_SEED (default: another one each time; it is
# printed) and CHAOS_WORKERS are those of the program, tests/chaos.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=(
	"chaos: ${CHAOS_SECONDS:=30} s of everything at once"
)

# What a packet, a route or a socket that is forgotten would be found in.
SLABS="skbuff_head_cache skbuff_fclone_cache rtable ip6_dst_cache TCP UDP PING TCPv6 UDPv6 PINGv6"

# The slabs with more than 50 objects beyond those in BEFORE: chaos makes
# thousands of each.
grown_slabs()
{
	local slab now

	for slab in $SLABS; do
		now=$(objects "$slab")
		[ "$now" -le $((BEFORE[$slab] + 50)) ] || echo "$slab: ${BEFORE[$slab]} objects before, $now after"
	done
}

no_grown_slabs()
{
	[ -z "$(grown_slabs)" ]
}

MODPROBE=/proc/sys/kernel/modprobe

cleanup_hook()
{
	[ ! -s "$TMP/modprobe" ] || cat "$TMP/modprobe" > "$MODPROBE"
}

# leaks: what kmemleak finds, if the kernel has it: twice, since what has just
# changed hands looks lost.
leaks()
{
	local file=/sys/kernel/debug/kmemleak

	[ -w "$file" ] || return 0
	sleep 6
	echo scan > "$file"
	sleep 1
	echo scan > "$file"
	cat "$file"
}

# Sockets of the initial namespace. What memory they have is of all namespaces,
# and kept for each processor.
sockets()
{
	grep -hE '^(TCP|UDP|RAW|FRAG)' /proc/net/sockstat | sed -E 's/ (tw|alloc|mem) [0-9]+//g'
}

sockets_as_before()
{
	[ "$(sockets)" = "$SOCKETS" ]
}

chaos()
{
	local slab args lost object
	declare -A BEFORE

	need_program chaos
	args=(--seconds "$CHAOS_SECONDS")
	[ -z "${CHAOS_SEED:-}" ] || args+=(--seed "$CHAOS_SEED")
	[ -z "${CHAOS_WORKERS:-}" ] || args+=(--workers "$CHAOS_WORKERS")
	# Now, as looking in vain for a module takes longer than all else.
	modprobe -qa sctp sch_netem sch_fq sch_tbf sch_ingress cls_matchall act_gact || true
	cat "$MODPROBE" > "$TMP/modprobe"
	echo > "$MODPROBE"
	remember_namespaces
	lost=$(leaks)
	SOCKETS=$(sockets)
	for slab in $SLABS; do
		BEFORE[$slab]=$(objects "$slab")
	done

	"$PROGRAM" "${args[@]}" "$RUST_LO_KO" || fail "chaos: exit status $?"

	WAIT_TIMEOUT=120
	namespaces_freed
	wait_for sockets_as_before || equal "sockets" "$SOCKETS" "$(sockets)"
	# Time-wait, and RCU.
	wait_for no_grown_slabs || fail "leaked: $(grown_slabs)"
	for slab in $SLABS; do
		echo "$slab ${BEFORE[$slab]} to $(objects "$slab"),"
	done | xargs echo "# objects:"
	leaks > "$TMP/leaks"
	while read -r object; do
		[[ $lost == *"$object"* ]] || fail "$(grep -A 20 -F "$object" "$TMP/leaks")"
	done < <(grep '^unreferenced' "$TMP/leaks" || true)
}

run_tests "$@"
