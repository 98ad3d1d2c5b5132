# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# What the scripts beside this file share: names of places, progress messages,
# and the way into the build root. To be sourced.

# The suite the stock kernel comes from, and the Debian release of the build
# root: the kernel of a suite wants exactly the compilers of its release.
KERNEL_SUITE=${KERNEL_SUITE:-trixie-backports}
# Architectures have Debian's names. What the kernel is of, the guest is of.
case $(uname -m) in
aarch64) HOST_ARCH=arm64 ;;
*) HOST_ARCH=amd64 ;;
esac
KERNEL_FLAVOUR=${KERNEL_FLAVOUR:-${ARCH:-$HOST_ARCH}}
case $KERNEL_SUITE in
trixie-backports) SUITE=trixie EXTRA_SUITE=trixie-backports ;;
sid | experimental) SUITE=sid EXTRA_SUITE=experimental ;;
*)
	echo "${0##*/}: KERNEL_SUITE=$KERNEL_SUITE: must be trixie-backports, sid or experimental" >&2
	exit 1
	;;
esac
case $KERNEL_FLAVOUR in
amd64 | cloud-amd64 | rt-amd64) flavour_arch=amd64 ;;
arm64 | cloud-arm64 | rt-arm64 | arm64-16k) flavour_arch=arm64 ;;
*)
	echo "${0##*/}: KERNEL_FLAVOUR=$KERNEL_FLAVOUR: must be amd64, cloud-amd64, rt-amd64," \
		"arm64, cloud-arm64, rt-arm64 or arm64-16k" >&2
	exit 1
	;;
esac
# make hands it on to all that it runs; inside the build root it is kbuild's.
[ "${ARCH:-}" != x86_64 ] || ARCH=amd64
if [ "${ARCH:-$flavour_arch}" != "$flavour_arch" ]; then
	echo "${0##*/}: ARCH=$ARCH: KERNEL_FLAVOUR=$KERNEL_FLAVOUR is of $flavour_arch" >&2
	exit 1
fi
ARCH=$flavour_arch
FOREIGN=
[ "$ARCH" = "$HOST_ARCH" ] || FOREIGN=yes
case $ARCH in
amd64) KERNEL_ARCH=x86_64 TRIPLE=x86_64-linux-gnu ;;
arm64) KERNEL_ARCH=arm64 TRIPLE=aarch64-linux-gnu ;;
esac

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

if [ -z "${XDG_CACHE_HOME:-}${HOME:-}" ]; then
	echo "${0##*/}: neither XDG_CACHE_HOME nor HOME is set: where should the cache go?" >&2
	exit 1
fi
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/rust_lo
# The build root, or with ROOT_FOR another one beside it, made of the packages in
# qemu/packages-$ROOT_FOR.
ROOT_FOR=${ROOT_FOR:-}
if [ -n "$ROOT_FOR" ] && [ ! -e "$TOP/qemu/packages-$ROOT_FOR" ]; then
	echo "${0##*/}: ROOT_FOR=$ROOT_FOR: there is no qemu/packages-$ROOT_FOR" >&2
	exit 1
fi
if [ -n "$FOREIGN" ] && [ -n "$ROOT_FOR" ]; then
	echo "${0##*/}: ROOT_FOR=$ROOT_FOR: there is none for $ARCH on $HOST_ARCH" >&2
	exit 1
fi
# For another architecture than the host's it has cross compilers as well, and the
# guest another root.
ROOT=$CACHE/root-$SUITE${FOREIGN:+-for-$ARCH}${ROOT_FOR:+-$ROOT_FOR}
GUEST=${FOREIGN:+$CACHE/guest-$SUITE-$ARCH}
GUEST=${GUEST:-$ROOT}
LOGS=$CACHE/logs

# Present inside the build root, and only there.
ROOT_MARK=/etc/rust_lo-root

say() {
	printf '%s\n' "$*" >&2
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# usage: print the comment block at the head of the calling script.
usage() {
	awk 'NR > 2 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
}

# each_minute LOG: how far it has come, by its length. A read that times out
# instead of sleep(1), which would outlive the shell.
each_minute() {
	local fd
	exec {fd}<> <(:)
	until read -r -t 60 -u "$fd"; do
		printf '%d ... ' "$(wc -l < "$1")" >&2
	done
}

# step LOG WHAT COMMAND...: run a slow command, not a function, with its output
# in $LOGS/LOG, one line on the screen, and the time it took. While it runs the
# number of lines in the log is added to that line each minute.
step() {
	local log=$LOGS/$1 what=$2 start=$SECONDS rc=0 ticker
	shift 2
	mkdir -p "$LOGS"
	printf '  %s ... ' "$what" >&2
	: > "$log"
	each_minute "$log" &
	ticker=$!
	# Not the end of this script at once, which would be silent.
	trap 'interrupted=yes' INT
	"$@" > "$log" 2>&1 < /dev/null || rc=$?
	trap - INT
	kill "$ticker" 2> /dev/null || true
	wait "$ticker" 2> /dev/null || true
	if [ -n "${interrupted:-}" ]; then
		say "interrupted"
		exit 130
	fi
	if [ "$rc" != 0 ]; then
		say "FAILED (exit status $rc, $((SECONDS - start)) s)"
		tail -n 25 "$log" | cut -c 1-300 | sed 's/^/    /' >&2
		die "$what: failed, the whole log is $log"
	fi
	say "$((SECONDS - start)) s"
}

# lock NAME: let one process at a time past, until this one and what it started
# have ended, or unlock.
lock() {
	mkdir -p "$CACHE"
	exec 9> "$CACHE/.lock-$1"
	if ! flock --nonblock 9; then
		say "  waiting for another process that is preparing the $1 ..."
		flock 9
	fi
}

unlock() {
	exec 9>&-
}

inside_root() {
	[ -e "$ROOT_MARK" ]
}

# as_root_of_cache COMMAND...: run COMMAND as the owner of the build root's
# files in a mount namespace of its own: root itself, or, for an ordinary user,
# the root of a user namespace, so that nothing needs privileges on the host.
as_root_of_cache() {
	(exec_as_root_of_cache "$@")
}

# The same in place of the calling shell, so that signals reach COMMAND.
exec_as_root_of_cache() {
	if [ "$EUID" = 0 ]; then
		exec unshare --mount -- "$@"
	else
		exec unshare --user --map-root-user --map-auto --mount -- "$@"
	fi
}
