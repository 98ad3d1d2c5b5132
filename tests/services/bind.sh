#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# BIND on addresses of lo1.

# shellcheck source-path=SCRIPTDIR source=names.sh
. "$(dirname "$0")/names.sh"

TESTS=(
	"dummy: listen-on, listen-on-v6 and query-source are addresses of a dummy"
	"rust_lo: of a rust_lo device"
)

serve_names()
{
	lo1_is "$1"
	forwarder
	cat > "$TMP/named.conf" <<- END
		options {
			directory "$TMP";
			pid-file none;
			session-keyfile none;
			listen-on { $(printf '%s; ' "${ADDRESSES4[@]}")};
			listen-on-v6 { $(printf '%s; ' "${ADDRESSES6[@]}")};
			query-source ${ADDRESSES4[0]};
			query-source-v6 ${ADDRESSES6[0]};
			allow-query { any; };
			allow-recursion { any; };
			recursion yes;
			dnssec-validation no;
		};
		controls { };
		zone "here.example" { type primary; file "here.zone"; };
		zone "v4.example" { type forward; forward only; forwarders { $FORWARDER4; }; };
		zone "v6.example" { type forward; forward only; forwarders { $FORWARDER6; }; };
	END
	cat > "$TMP/here.zone" <<- END
		\$TTL 60
		@ SOA ns root 1 60 60 60 60
		@ NS ns
		@ A 203.0.113.1
		ns A 203.0.113.1
	END
	serve 53 named -g -n 1 -c "$TMP/named.conf"
	ask_all
	ask_forwarder
	names_row "BIND $(version bind9)"
	ask_from_wire
	stop 53
}

dummy()
{
	serve_names dummy
}

rust_lo()
{
	serve_names rust_lo
}

run_tests "$@"
