#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prometheus that scrapes a node exporter.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

TESTS=("prometheus: scrapes a node exporter over each name of localhost")

SCRAPES=5

query()
{
	in_ns "$NS" curl -sS --fail --max-time 60 -G http://127.0.0.1:9090/api/v1/query --data-urlencode "query=$1" |
		jq -r '.data.result | sort_by(.metric.instance)[] | .value[1]' | paste -sd' '
}

scraped()
{
	[ "$(query "count_over_time((up == 1)[1h:1s]) >= bool $SCRAPES")" = "1 1 1" ]
}

prometheus()
{
	local before

	localhost
	cat > "$TMP/conf" <<- END
		global:
		  scrape_interval: 5s
		scrape_configs:
		  - job_name: node
		    static_configs:
		      - targets: ['127.0.0.1:9100', '[::1]:9100', 'localhost:9100']
	END
	serve 9100 prometheus-node-exporter --web.listen-address=:9100 --collector.disable-defaults \
		--collector.netdev --collector.loadavg --collector.meminfo
	serve 9090 prometheus --config.file="$TMP/conf" --storage.tsdb.path="$TMP/data" --web.listen-address=127.0.0.1:9090
	wait_for scraped || fail "$SCRAPES scrapes of each target: $(query up)"
	over 127.0.0.1 curl -sS --fail --max-time 60 http://127.0.0.1:9090/api/v1/targets
	ADDRESSES='127.0.0.1, ::1, localhost'
	equal "targets by health" "3 up" "$(jq -r '.data.activeTargets[].health' <<< "$OUT" | sort | uniq -c | xargs)"
	equal "packets over lo, by the exporter" "0 0 0" "$(query 'node_network_receive_packets_total{device="lo"}')"
	before=$(query 'min(node_network_receive_packets_total{device="rust_lo0"})')
	number "packets over rust_lo0, by the exporter" "${before:-0}" -gt 0
	stop 9090
	row "Prometheus $(version prometheus), node exporter $(version prometheus-node-exporter)" "Prometheus, curl" \
		"3 targets up, each scraped $SCRAPES times or more"
}

run_tests "$@"
