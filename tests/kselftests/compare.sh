# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests/kselftests.sh and tests/kselftests/table share: one of the kernel's
# selftests on lo, and on a rust_lo device in its place. TMP is a directory of
# the caller's. Not called lib.sh: the selftests would find it by PATH (on_rust_lo)
# instead of their own.

KSELFTESTS=$(dirname "$(readlink -e "${BASH_SOURCE[0]}")")
NET=$KSELFTESTS/../../build/selftests/selftests/net
TRACE=/sys/kernel/tracing/events/net/net_dev_xmit
# Seconds for one of them.
LIMIT=300
REAL_IP=$(command -v ip)
export REAL_IP

# run KIND COMMAND: prints what became of it.
run() {
	local namespace=() rc=0 good bad
	if [ "$1" = in ]; then
		ip netns add kselftest
		ip -n kselftest link set lo up
		namespace=(ip netns exec kselftest)
	fi
	(cd "$NET" && timeout -k 5 "$LIMIT" "${namespace[@]}" sh -c "$2") > "$TMP/out" 2>&1 < /dev/null || rc=$?
	if [ "$1" = in ]; then
		ip netns pids kselftest | xargs -r kill -9 2> /dev/null || true
		ip netns del kselftest
	fi
	good=$(grep -c '^ *ok ' "$TMP/out" || true)
	bad=$(grep -c '^ *not ok ' "$TMP/out" || true)
	case $rc in
	0) echo -n pass ;;
	4) echo -n skipped ;;
	124) echo -n "no end in $LIMIT s" ;;
	*) echo -n "failed ($rc)" ;;
	esac
	[ "$good$bad" = 00 ] || echo -n ", ok $good, not ok $bad"
}

# carried DEVICE: packets that devices of this name, a regular expression, sent since the
# last clearing.
carried() {
	awk -v dev="$1" '$1 == "{" && $3 ~ "^" dev "$" { n += $NF } END { print n + 0 }' "$TRACE/hist"
}

# on_rust_lo KIND COMMAND: as run; sets no variables of the caller's.
on_rust_lo() {
	local path=$PATH
	[ "$1" != master ] || export L3_MASTER=1
	PATH=$KSELFTESTS:$path
	run "$@"
	PATH=$path
}

# count, end_count: what the devices of each name send meanwhile (carried).
count() {
	[ -e $TRACE/trigger ] || mount -t tracefs tracefs /sys/kernel/tracing
	echo 'hist:keys=name' > $TRACE/trigger
}

end_count() {
	echo '!hist:keys=name' > $TRACE/trigger
}

# on_record COMMAND: what became of it on lo when docs/kselftests.md was written, if it was
# of this kernel.
on_record() {
	local page=$KSELFTESTS/../../docs/kselftests.md
	grep -q "^Made by .* on $(uname -r), " "$page" || return 0
	# The page has \| for what would end a column.
	COMMAND="| \`${1//|/\\|}\` | " awk '
		(at = index($0, ENVIRON["COMMAND"])) {
			rest = substr($0, at + length(ENVIRON["COMMAND"]))
			print substr(rest, 1, index(rest, " | ") - 1)
			exit
		}' "$page"
}

built() {
	[ -e "$NET/../../stamp" ]
}

# listed KINDS [WORD...]: those of the list that are of these kinds and have one of
# the words, if any: KIND and COMMAND, with a tab between.
listed() {
	local kinds=$1 kind command word
	shift
	while IFS=$'\t' read -r kind command; do
		[[ " $kinds " == *" ${kind%/quiet} "* ]] || continue
		[ "$#" != 0 ] || set -- ''
		for word; do
			[[ $command != *"$word"* ]] || { printf '%s\t%s\n' "$kind" "$command"; break; }
		done
	done < <(grep -v -e '^#' -e '^$' "$KSELFTESTS/list")
}
