#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Mosquitto with a publisher and a subscriber.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("mosquitto: what one publishes the other gets, over both families")

MESSAGES=100

mosquitto()
{
	local from to

	localhost
	cat > "$TMP/conf" <<- END
		allow_anonymous true
		listener 1883 127.0.0.1
		listener 1883 ::1
	END
	serve 1883 mosquitto -c "$TMP/conf"
	seq "$MESSAGES" | sed 's/^/message /' > "$TMP/wanted"
	while read -r from to; do
		in_ns "$NS" stdbuf -oL mosquitto_sub -d -h "$to" -t "from/$from" -q 1 -C "$MESSAGES" -W 300 > "$TMP/got" 2>&1 &
		echo "$!" >> "$TMP/pids"
		wait_for grep -q '^Subscribed' "$TMP/got" || fail "a subscriber over $to"
		over "$from" mosquitto_pub -h "$from" -t "from/$from" -q 1 -l < "$TMP/wanted"
		wait "$!" || fail "the subscriber over $to got them all"
		equal "messages from $from to $to" "$(< "$TMP/wanted")" "$(grep '^message ' "$TMP/got")"
	done <<- END
		127.0.0.1 ::1
		::1 127.0.0.1
		localhost localhost
	END
	stop 1883
	row "Mosquitto $(version mosquitto)" "mosquitto_pub, mosquitto_sub" \
		"$((3 * MESSAGES)) messages published, all received"
}

run_tests "$@"
