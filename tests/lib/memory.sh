# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What is in memory: packets and namespaces.

# objects SLAB: how many are in use.
objects()
{
	local slab=/sys/kernel/slab/$1

	[ -e "$slab" ] || { echo 0; return; }
	echo 1 > "$slab/shrink"
	awk '{ print $1 }' "$slab/objects"
}

PACKET_SLAB=skbuff_head_cache

need_packet_slab()
{
	[ -e "/sys/kernel/slab/$PACKET_SLAB" ] || skip "no slab of its own for packets"
}

# few_packets: not many more are in memory than there were, in $PACKETS: each
# processor keeps some.
few_packets()
{
	# shellcheck disable=SC2153 # of the test
	[ "$(objects "$PACKET_SLAB")" -le $((PACKETS + 200)) ]
}

# A namespace that is used by nothing is freed in the background: first its
# devices are unregistered, which waits for the last reference to each of them;
# its memory is given back when the next namespace has come to its end.
# Meanwhile no other namespace is cleaned up.
SLAB=/sys/kernel/slab/net_namespace

# namespaces SECONDS: number of namespaces in memory, this time after one more
# has gone.
namespaces()
{
	local name=rlo-canary-$$

	ip netns add "$name"
	ip netns del "$name"
	sleep "$1"
	echo 1 > "$SLAB/shrink"
	awk '$1 == "net_namespace" { print $2 }' /proc/slabinfo
}

# remember_namespaces: how many there are before the test. namespaces_freed
# checks that there are no more of them.
remember_namespaces()
{
	local n

	[ -w "$SLAB/shrink" ] || skip "there is no $SLAB/shrink"
	NAMESPACES=$(namespaces 0.3)
	for _ in 1 2 3; do
		n=$(namespaces 0.3)
		[ "$n" -ge "$NAMESPACES" ] || NAMESPACES=$n
	done
}

no_more_namespaces()
{
	[ "$(namespaces 0.7)" -le "$NAMESPACES" ]
}

namespaces_freed()
{
	if ! wait_for no_more_namespaces; then
		fail "${1:-namespaces} are freed"
		say "  $NAMESPACES namespaces before, $(namespaces 1) left after $WAIT_TIMEOUT s"
		say "$(dmesg | grep 'unregister_netdevice: waiting' | tail -n 3)"
	fi
}
