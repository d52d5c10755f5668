package ops

// loadAlerts are about load adaptation.
var loadAlerts = []Alert{
	{
		Name: "MaculaPressureHigh", Expr: `macula_pressure_level >= 2`, For: "15m", Severity: warning,
		Summary:     "{{ $labels.instance }} is under high pressure",
		Description: "Memory or scheduling latency has kept the node at high pressure for a quarter of an hour: it takes fewer clients, keeps fewer idle connections and shortens times to live.",
		Fires:       Case{Series: series{"macula_pressure_level": "0 2x30"}, At: "20m"},
		Quiet:       Case{Series: series{"macula_pressure_level": "0 1x30"}, At: "20m"},
	},
	{
		Name: "MaculaPressureCritical", Expr: `macula_pressure_level >= 3`, For: "2m", Severity: critical,
		Summary:     "{{ $labels.instance }} is under critical pressure",
		Description: "The node is about to run out of memory or does not get to run: it is not ready and takes nobody new.",
		Fires:       Case{Series: series{"macula_pressure_level": "2 3x10"}, At: "5m"},
		Quiet:       Case{Series: series{"macula_pressure_level": "2 3 2x10"}, At: "5m"},
	},
	{
		Name: "MaculaPressureFlaps", Expr: `increase(macula_pressure_changes_total[1h]) > 20`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: the pressure goes up and down",
		Description: "The level of pressure has changed more than twenty times within an hour: the thresholds lie too close to what is normal here.",
		Fires:       Case{Series: series{"macula_pressure_changes_total": "0+1x120"}, At: "100m"},
		Quiet:       Case{Series: series{"macula_pressure_changes_total": "0x60 10x60"}, At: "100m"},
	},
}

// callAlerts are about calls and the connections that they need.
var callAlerts = []Alert{
	{
		Name: "MaculaCallErrors", Expr: `macula:rpc_calls_failed:ratio5m > 0.05 and macula:rpc_calls:rate5m > 0.1`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: calls fail",
		Description: "{{ $value | humanizePercentage }} of the calls from here fail for a reason that is neither the caller's nor the handler's.",
		Fires:       Case{Series: series{`macula_rpc_calls_total{outcome="ok"}`: "0+90x30", `macula_rpc_calls_total{outcome="unreachable"}`: "0+10x30"}, At: "25m", Value: "10%"},
		Quiet:       Case{Series: series{`macula_rpc_calls_total{outcome="ok"}`: "0+90x30", `macula_rpc_calls_total{outcome="cancelled"}`: "0+50x30", `macula_rpc_calls_total{outcome="application"}`: "0+50x30"}, At: "25m"},
	},
	{
		Name: "MaculaCallLatency", Expr: `macula:rpc_call_duration_seconds:p99_5m > 1`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: calls are slow",
		Description: "One of a hundred calls from here takes longer than {{ $value | humanizeDuration }}.",
		Fires:       Case{Series: series{`macula_rpc_call_duration_seconds_bucket{le="1"}`: "0+50x30", `macula_rpc_call_duration_seconds_bucket{le="2"}`: "0+100x30", `macula_rpc_call_duration_seconds_bucket{le="+Inf"}`: "0+100x30"}, At: "25m", Value: "1.98s"},
		Quiet:       Case{Series: series{`macula_rpc_call_duration_seconds_bucket{le="0.1"}`: "0+100x30", `macula_rpc_call_duration_seconds_bucket{le="1"}`: "0+100x30", `macula_rpc_call_duration_seconds_bucket{le="+Inf"}`: "0+100x30"}, At: "25m"},
	},
	{
		Name: "MaculaRetryBudgetExhausted", Expr: `increase(macula_rpc_retry_budget_exhausted_total[5m]) > 0`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: too many calls would have to be tried again",
		Description: "For ten minutes failed calls were not tried at another provider, because one try in five is already a second one: the providers fail together.",
		Fires:       Case{Series: series{"macula_rpc_retry_budget_exhausted_total": "0+2x30"}, At: "20m"},
		Quiet:       Case{Series: series{"macula_rpc_retry_budget_exhausted_total": "0x5 4x25"}, At: "20m"},
	},
	{
		Name: "MaculaDialErrors", Expr: `increase(macula_pool_dial_errors_total[15m]) > 10 and increase(macula_pool_dial_errors_total[15m]) > 0.5 * increase(macula_pool_dials_total[15m])`, For: "15m", Severity: warning,
		Summary:     "{{ $labels.instance }} does not reach its peers",
		Description: "More than half of the dials of the last quarter of an hour have failed.",
		Fires:       Case{Series: series{"macula_pool_dial_errors_total": "0+3x60", "macula_pool_dials_total": "0+4x60"}, At: "45m"},
		Quiet:       Case{Series: series{"macula_pool_dial_errors_total": "0+3x60", "macula_pool_dials_total": "0+40x60"}, At: "45m"},
	},
}

// keepingAlerts are about the keeping of a node.
var keepingAlerts = []Alert{
	{
		Name: "MaculaReloadRefused", Expr: `macula_config_last_reload_success == 0`, Severity: warning,
		Summary:     "{{ $labels.instance }} has refused its configuration",
		Description: "The last reload was refused, so the node runs with the values from before. It would not start with this file.",
		Fires:       Case{Series: series{"macula_config_last_reload_success": "1 1 0x20"}, At: "10m"},
		Quiet:       Case{Series: series{"macula_config_last_reload_success": "1 0 0 1x20"}, At: "10m"},
	},
	{
		Name: "MaculaCertificateExpiry", Expr: `macula_certificate_expiry_timestamp_seconds - time() < 7 * 86400 and macula_certificate_expiry_timestamp_seconds > 0`, For: "1h", Severity: critical,
		Summary:     "{{ $labels.instance }}: the certificate was not renewed",
		Description: "The certificate ends in {{ $value | humanizeDuration }}. The node makes a new one fifteen days before the end, so this one should be gone.",
		Fires:       Case{Series: series{"macula_certificate_expiry_timestamp_seconds": "352800x40"}, Every: "5m", At: "2h", Value: "4d 0h 0m 0s"},
		Quiet:       Case{Series: series{"macula_certificate_expiry_timestamp_seconds": "1728000x40"}, Every: "5m", At: "2h"},
	},
	{
		Name: "MaculaLogLinesLeftOut", Expr: `rate(macula_log_lines_left_out_total[10m]) > 1`, For: "30m", Severity: info,
		Summary:     "{{ $labels.instance }}: somebody fills the log",
		Description: "{{ $value | humanize }} lines a second are left out of the log because lines like them were just written: one peer or client does the same thing again and again.",
		Fires:       Case{Series: series{"macula_log_lines_left_out_total": "0+120x60"}, At: "50m", Value: "2"},
		Quiet:       Case{Series: series{"macula_log_lines_left_out_total": "0+30x60"}, At: "50m"},
	},
}
