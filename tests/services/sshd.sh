#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# sshd, and ssh -L through to another service.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("sshd: commands, and a page through a forwarded port")

# Of no home directory.
SSH=(ssh -F none -p 2222 -l root -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=120)

tunnel()
{
	listening "$NS" -t 8080
}

sshd()
{
	local host

	localhost
	mkdir -p /run/sshd "$TMP/www"
	check "a host key" ssh-keygen -q -t ed25519 -N '' -f "$TMP/host"
	check "a key" ssh-keygen -q -t ed25519 -N '' -f "$TMP/id"
	for host in 127.0.0.1 ::1 localhost; do
		echo "[$host]:2222 $(cat "$TMP/host.pub")"
	done > "$TMP/known"
	cat > "$TMP/conf" <<- END
		Port 2222
		ListenAddress 127.0.0.1
		ListenAddress ::1
		HostKey $TMP/host
		AuthorizedKeysFile $TMP/id.pub
		StrictModes no
		PasswordAuthentication no
		PidFile none
	END
	SSH+=(-i "$TMP/id" -o "UserKnownHostsFile=$TMP/known")
	serve 8000 python3 -m http.server --directory "$TMP/www" --bind :: 8000
	serve 2222 /usr/sbin/sshd -D -e -f "$TMP/conf"
	for host in 127.0.0.1 ::1 localhost; do
		# shellcheck disable=SC2016 # for the shell at the other end
		over "$host" "${SSH[@]}" "$host" 'echo $SSH_CONNECTION; head -c 1000000 /dev/zero | sha256sum'
		matches "ssh to $host" '^(127.0.0.1|::1) [0-9]+ (127.0.0.1|::1) 2222$' "$OUT"
		matches "ssh to $host" "$(head -c 1000000 /dev/zero | sha256sum)" "$OUT"
	done
	head -c 500000 /dev/urandom > "$TMP/www/page"
	background nsenter "--net=/run/netns/$NS" -- "${SSH[@]}" -N -L 127.0.0.1:8080:localhost:8000 ::1
	wait_for tunnel || fail "ssh -L listens"
	for host in 1 2 3; do
		over 127.0.0.1 curl -sS --fail --max-time 120 -o "$TMP/got" http://127.0.0.1:8080/page
		check "what came through the tunnel" cmp "$TMP/got" "$TMP/www/page"
	done
	stop 2222
	row "OpenSSH $(version openssh-server)" "ssh, ssh -L and curl" "3 commands run, 3 pages of 500000 bytes through the tunnel"
}

run_tests "$@"
