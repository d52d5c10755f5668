package ops

// bookAlerts are about things that are wrong whatever the load: a bug of
// maculanode, or of a handler.
var bookAlerts = []Alert{
	{
		Name: "MaculaInvariantViolated", Expr: `macula_invariant_violations_total > 0`, Severity: critical,
		Summary:     "{{ $labels.instance }}: a recount does not agree with the books",
		Description: "The node has counted its tables again and found {{ $value | humanize }} times that they contradict each other. This is a bug. The alert stays until the process restarts, so that what is needed to find it can be kept first.",
		Fires:       Case{Series: series{"macula_invariant_violations_total": "0 1x5"}, At: "2m", Value: "1"},
		Quiet:       Case{Series: series{"macula_invariant_violations_total": "0x5"}, At: "2m"},
	},
	{
		Name: "MaculaInvariantsUnchecked", Expr: `increase(macula_invariant_checks_total[3h]) == 0 and on (job, instance) macula_uptime_seconds > 3 * 3600`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }} has not counted its tables again for three hours",
		Description: "A recount comes with every tenth cleanup. Without one MaculaInvariantViolated cannot fire.",
		Fires:       Case{Series: series{"macula_invariant_checks_total": "9x60", "macula_uptime_seconds": "9000+300x60"}, Every: "5m", At: "4h30m"},
		Quiet:       Case{Series: series{"macula_invariant_checks_total": "9+1x60", "macula_uptime_seconds": "9000+300x60"}, Every: "5m", At: "4h30m"},
	},
	{
		Name: "MaculaLedgerDrift", Expr: `macula_ledger_drift != 0`, For: "5m", Severity: critical,
		Summary:     "{{ $labels.instance }}: the ledger does not add up",
		Description: "The sums of the ledger differ from its leases by {{ $value | humanize }}. This is a bug: what is held may be more than the limits say.",
		Fires:       Case{Series: series{"macula_ledger_drift": "0 3x15"}, At: "10m", Value: "3"},
		Quiet:       Case{Series: series{"macula_ledger_drift": "0 3 0x14"}, At: "10m"},
	},
	{
		Name: "MaculaLedgerDoubleRelease", Expr: `macula_ledger_double_releases_total > 0`, Severity: critical,
		Summary:     "{{ $labels.instance }}: a lease was given back twice",
		Description: "{{ $value | humanize }} leases of the ledger were released twice. The second release did nothing, but this is a bug: the log has the kind of the lease.",
		Fires:       Case{Series: series{"macula_ledger_double_releases_total": "0 1x5"}, At: "2m", Value: "1"},
		Quiet:       Case{Series: series{"macula_ledger_double_releases_total": "0x5"}, At: "2m"},
	},
	{
		Name: "MaculaHandlerPanics", Expr: `increase(macula_rpc_handler_panics_total[15m]) > 0`, Severity: warning,
		Summary:     "{{ $labels.instance }}: a handler panicked",
		Description: "A handler of this node has panicked within the last quarter of an hour. Its caller got an internal error; the log has the stack.",
		Fires:       Case{Series: series{"macula_rpc_handler_panics_total": "0 0 1x10"}, At: "5m"},
		Quiet:       Case{Series: series{"macula_rpc_handler_panics_total": "4x40"}, At: "30m"},
	},
	{
		Name: "MaculaHandlersAbandoned", Expr: `macula_rpc_handlers_abandoned > 0`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: handlers run on for nobody",
		Description: "{{ $value | humanize }} handlers have not returned although their caller is gone or their deadline has passed. Each holds a permit until it returns.",
		Fires:       Case{Series: series{"macula_rpc_handlers_abandoned": "0 4x20"}, At: "15m", Value: "4"},
		Quiet:       Case{Series: series{"macula_rpc_handlers_abandoned": "0 4 0 4 0 4 0x20"}, At: "15m"},
	},
	{
		Name: "MaculaCleanupStale", Expr: `time() - macula_cleanup_last_success_timestamp_seconds > 600 and on (job, instance) macula_uptime_seconds > 600`, For: "5m", Severity: critical,
		Summary:     "{{ $labels.instance }}: the cleanup does not run",
		Description: "The last run of the cleanup ended {{ $value | humanizeDuration }} ago; it should be cleanup_interval, one minute. What has expired is not found any more, but it stays in memory.",
		Fires:       Case{Series: series{"macula_cleanup_last_success_timestamp_seconds": "60x60", "macula_uptime_seconds": "0+60x60"}, At: "31m", Value: "30m 0s"},
		Quiet:       Case{Series: series{"macula_cleanup_last_success_timestamp_seconds": "0+60x60", "macula_uptime_seconds": "0+60x60"}, At: "31m"},
	},
	{
		Name: "MaculaCleanupSlow", Expr: `macula_cleanup_duration_seconds > 5`, For: "10m", Severity: warning,
		Summary:     "{{ $labels.instance }}: the cleanup is slow",
		Description: "A run of the cleanup takes {{ $value | humanizeDuration }}. It works in batches and blocks nobody, but its time should be that of what has expired: milliseconds.",
		Fires:       Case{Series: series{"macula_cleanup_duration_seconds": "8x20"}, At: "15m", Value: "8s"},
		Quiet:       Case{Series: series{"macula_cleanup_duration_seconds": "0.01 8 0.01x20"}, At: "15m"},
	},
}
