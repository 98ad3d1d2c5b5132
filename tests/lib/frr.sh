# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Routers of FRR, for who sources this beside lib.sh.

# start_router NS NAME CONF DAEMON [OPTION]... [-- DAEMON [OPTION]...]...: the daemons in
# this namespace, zebra first, with this configuration, if there is one. vty NAME
# speaks with them; with the name "" it is the vtysh of who is on the machine.
start_router()
{
	local ns=$1 name=$2 conf=$3 words=() word

	shift 3
	install -d -o frr -g frr -m 775 "/var/run/frr/$name" "/etc/frr/$name"
	# vtysh complains of what is not there.
	touch "/etc/frr/$name/vtysh.conf" "/etc/frr/$name/frr.conf"
	for word in zebra -- "$@" --; do
		if [ "$word" != -- ]; then
			words+=("$word")
			continue
		fi
		background in_ns "$ns" "/usr/lib/frr/${words[0]}" ${name:+-N "$name"} -f /dev/null -P 0 \
			--log stdout "${words[@]:1}"
		wait_for vty "$name" -d "${words[0]}" -c 'show version' ||
			{ fail "${words[0]} starts"; say "$(tail -n 20 "$TMP/log")"; }
		words=()
	done
	[ -z "$conf" ] || check "FRR takes $conf" vty "$name" -f "$conf"
}

vty()
{
	vtysh ${1:+-N "$1"} "${@:2}"
}
