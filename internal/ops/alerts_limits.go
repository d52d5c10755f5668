package ops

// limitAlerts are about tables that are full, or should never be fuller.
var limitAlerts = []Alert{
	{
		Name: "MaculaTableOverLimit", Expr: `macula_table_entries > macula_table_limit and macula_table_limit > 0`, For: "2m", Severity: critical,
		Summary:     "{{ $labels.instance }}: table {{ $labels.table }} is over its limit",
		Description: "The table {{ $labels.table }} holds {{ $value | humanize }} entries, more than its limit allows. This must never be, but for the drain timeout after a limit was lowered.",
		Fires:       Case{Series: series{`macula_table_entries{table="pool"}`: "900 1001x10", `macula_table_limit{table="pool"}`: "1000x11"}, At: "5m", Value: "1.001k", Labels: labels{"table": "pool"}},
		Quiet:       Case{Series: series{`macula_table_entries{table="pool"}`: "900 1000x10", `macula_table_limit{table="pool"}`: "1000x11"}, At: "5m"},
	},
	{
		Name: "MaculaTableNearLimit", Expr: `macula:table_used:ratio{table!~"` + tablesApart + `"} > 0.9`, For: "15m", Severity: warning,
		Summary:     "{{ $labels.instance }}: table {{ $labels.table }} is nearly full",
		Description: "The table {{ $labels.table }} has been {{ $value | humanizePercentage }} full for a quarter of an hour. What does not fit is refused.",
		Fires:       Case{Series: series{`macula_table_entries{table="services"}`: "950x30", `macula_table_limit{table="services"}`: "1000x30"}, At: "20m", Value: "95%", Labels: labels{"table": "services"}},
		Quiet: Case{Series: series{`macula_table_entries{table="services"}`: "880x30", `macula_table_limit{table="services"}`: "1000x30",
			`macula_table_entries{table="pool"}`: "1000x30", `macula_table_limit{table="pool"}`: "1000x30", `macula_table_entries{table="free"}`: "9x30", `macula_table_limit{table="free"}`: "0x30"}, At: "20m"},
	},
	{
		Name: "MaculaTableRefuses", Expr: `increase(macula_table_refused_total{table!~"` + tablesApart + `"}[5m]) > 0`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: table {{ $labels.table }} refuses entries",
		Description: "The table {{ $labels.table }} has refused entries for ten minutes: somebody does not get what they ask for.",
		Fires:       Case{Series: series{`macula_table_refused_total{table="services"}`: "0+5x30"}, At: "20m", Labels: labels{"table": "services"}},
		Quiet:       Case{Series: series{`macula_table_refused_total{table="services"}`: "0x5 7x25", `macula_table_refused_total{table="clients"}`: "0+5x30"}, At: "20m"},
	},
	{
		Name: "MaculaPoolNearCap", Expr: `macula:table_used:ratio{table="` + tablePool + `"} >= 0.95`, For: "1h", Severity: info,
		Summary:     "{{ $labels.instance }}: the pool is at its cap",
		Description: "The connections to peers have been at {{ $value | humanizePercentage }} of max_peers for an hour. That alone is no fault: idle ones make room. See whether MaculaPoolThrash or MaculaPoolInUse fire too.",
		Fires:       Case{Series: series{`macula_table_entries{table="pool"}`: "1000x90", `macula_table_limit{table="pool"}`: "1000x90"}, At: "70m", Value: "100%", Labels: labels{"table": "pool"}},
		Quiet:       Case{Series: series{`macula_table_entries{table="pool"}`: "1000x40 800x50", `macula_table_limit{table="pool"}`: "1000x90"}, At: "70m"},
	},
	{
		Name: "MaculaPoolInUse", Expr: `macula_pool_connections_in_use / ignoring (table) (macula_table_limit{table="` + tablePool + `"} > 0) > 0.9`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: nearly every connection of the pool is in use",
		Description: "{{ $value | humanizePercentage }} of max_peers are in use. One in use is never cut, so newcomers wait, and are refused when their time is over.",
		Fires:       Case{Series: series{"macula_pool_connections_in_use": "960x20", `macula_table_limit{table="pool"}`: "1000x20"}, At: "15m", Value: "96%"},
		Quiet:       Case{Series: series{"macula_pool_connections_in_use": "100x20", `macula_table_limit{table="pool"}`: "1000x20"}, At: "15m"},
	},
	{
		Name: "MaculaPoolThrash", Expr: `rate(macula_pool_evictions_total{reason="capacity"}[5m]) > on (job, instance) macula_table_limit{table="` + tablePool + `"} / 600`, For: "15m", Severity: warning,
		Summary:     "{{ $labels.instance }}: the pool evicts as fast as it dials",
		Description: "{{ $value | humanize }} connections a second make room for others: at this rate the whole pool is replaced in less than ten minutes, and calls pay for a handshake.",
		Fires:       Case{Series: series{`macula_pool_evictions_total{reason="capacity"}`: "0+120x40", `macula_table_limit{table="pool"}`: "600x40"}, At: "30m", Value: "2"},
		Quiet:       Case{Series: series{`macula_pool_evictions_total{reason="capacity"}`: "0+30x40", `macula_pool_evictions_total{reason="idle"}`: "0+600x40", `macula_table_limit{table="pool"}`: "600x40"}, At: "30m"},
	},
	{
		Name: "MaculaPoolRefuses", Expr: `increase(macula_pool_refused_total[5m]) > 0`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: the pool refuses connections",
		Description: "For ten minutes connections to peers were refused: no idle one could make room within the time of those that waited.",
		Fires:       Case{Series: series{"macula_pool_refused_total": "0+3x30"}, At: "20m"},
		Quiet:       Case{Series: series{"macula_pool_refused_total": "0x5 3x25"}, At: "20m"},
	},
	{
		Name: "MaculaHandlersAtLimit", Expr: `macula_rpc_handlers / (macula_rpc_handlers_limit > 0) > 0.9 or increase(macula_rpc_handlers_refused_total[5m]) > 0`, For: "5m", Severity: warning,
		Summary:     "{{ $labels.instance }}: handlers are at their limit",
		Description: "More than nine of ten handlers that may run do run, or calls are refused for want of one. Callers see overload and try another provider.",
		Fires:       Case{Series: series{"macula_rpc_handlers": "9500x15", "macula_rpc_handlers_limit": "10000x15", "macula_rpc_handlers_refused_total": "0x15"}, At: "10m"},
		Quiet:       Case{Series: series{"macula_rpc_handlers": "500x15", "macula_rpc_handlers_limit": "10000x15", "macula_rpc_handlers_refused_total": "7x15"}, At: "10m"},
	},
	{
		Name: "MaculaLedgerNearLimit", Expr: `macula_ledger_bytes / (macula_ledger_bytes_limit > 0) > 0.9 or macula_ledger_held / (macula_ledger_held_limit > 0) > 0.9`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: the ledger is nearly out of {{ $labels.class }}",
		Description: "Others hold {{ $value | humanizePercentage }} of what the ledger allows of the class {{ $labels.class }}. What goes over is refused.",
		Fires:       Case{Series: series{`macula_ledger_bytes{class="call"}`: "95x20", `macula_ledger_bytes_limit{class="call"}`: "100x20"}, At: "15m", Value: "95%", Labels: labels{"class": "call"}},
		Quiet:       Case{Series: series{`macula_ledger_bytes{class="conn"}`: "95x20", `macula_ledger_bytes_limit{class="conn"}`: "0x20", `macula_ledger_bytes{class="call"}`: "50x20", `macula_ledger_bytes_limit{class="call"}`: "100x20"}, At: "15m"},
	},
	{
		Name: "MaculaDescriptorsNearLimit", Expr: `process_open_fds{job=~".*macula.*"} / process_max_fds > 0.8`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: file descriptors run out",
		Description: "The process has {{ $value | humanizePercentage }} of the descriptors that it may have open. A node needs few: all of QUIC is one socket.",
		Fires:       Case{Series: series{"process_open_fds": "900x20", "process_max_fds": "1024x20"}, At: "15m", Value: "87.89%"},
		Quiet:       Case{Series: series{"process_open_fds": "30x20", "process_max_fds": "1024x20"}, At: "15m"},
	},
}

// clientAlerts are about those who attach.
var clientAlerts = []Alert{
	{
		Name: "MaculaClientsNearLimit", Expr: `macula_clients / (macula_clients_limit > 0) > 0.9`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }} has nearly all the clients that it takes",
		Description: "{{ $value | humanizePercentage }} of max_clients are attached. The next ones are refused, and told when to come again.",
		Fires:       Case{Series: series{"macula_clients": "9500x20", "macula_clients_limit": "10000x20"}, At: "15m", Value: "95%"},
		Quiet:       Case{Series: series{"macula_clients": "9500x5 5000x15", "macula_clients_limit": "10000x20"}, At: "15m"},
	},
	{
		Name: "MaculaClientsRefused", Expr: `sum by (job, instance, reason) (increase(macula_clients_refused_total{reason=~"full|pressure"}[5m])) > 0`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }} refuses clients: {{ $labels.reason }}",
		Description: "For ten minutes clients were turned away because of {{ $labels.reason }}.",
		Fires:       Case{Series: series{`macula_clients_refused_total{reason="full"}`: "0+2x30"}, At: "20m", Labels: labels{"reason": "full"}},
		Quiet:       Case{Series: series{`macula_clients_refused_total{reason="full"}`: "0x30", `macula_clients_refused_total{reason="draining"}`: "0+2x30"}, At: "20m"},
	},
	{
		Name: "MaculaHandshakesFail",
		Expr: `sum by (job, instance) (rate(macula_handshakes_total{outcome!="admitted"}[5m])) > 1` + "\n" +
			`and sum by (job, instance) (rate(macula_handshakes_total{outcome!="admitted"}[5m])) > 0.5 * sum by (job, instance) (rate(macula_handshakes_total[5m]))`,
		For: "15m", Severity: warning,
		Summary:     "{{ $labels.instance }}: most of those who connect do not get in",
		Description: "{{ $value | humanize }} connections a second are refused or fail before they are admitted, more than half of all.",
		Fires:       Case{Series: series{`macula_handshakes_total{outcome="failed"}`: "0+120x40", `macula_handshakes_total{outcome="admitted"}`: "0+6x40"}, At: "30m", Value: "2"},
		Quiet:       Case{Series: series{`macula_handshakes_total{outcome="failed"}`: "0+120x40", `macula_handshakes_total{outcome="admitted"}`: "0+600x40"}, At: "30m"},
	},
}
