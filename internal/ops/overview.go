package ops

// overview is the dashboard of all nodes together.
func overview() *board {
	return &board{
		UID: "macula-overview", Title: "Macula / overview", Several: true, Other: "Nodes",
		Description: "All nodes of a mesh: who is up, what is held against the limits, how calls go.",
		Rows: []row{
			{"Nodes", overviewNodes()},
			{"Use against limits", overviewLimits()},
			{"Calls", overviewCalls()},
			{"Load and turnover", overviewLoad()},
		},
	}
}

func overviewNodes() []panel {
	return []panel{
		{Title: "Up", Kind: number, Width: 4, Unit: "short", Description: "Nodes that answer Prometheus.",
			Queries: []query{{`sum(up{@})`, "up"}}, Alerts: []string{"MaculaNodeDown"}},
		{Title: "Down", Kind: number, Width: 4, Unit: "short", Amber: 1, Red: 1, Description: "Nodes that do not.",
			Queries: []query{{`count(up{@} == 0) or vector(0)`, "down"}}, Alerts: []string{"MaculaNodeDown"}},
		{Title: "Not ready", Kind: number, Width: 4, Unit: "short", Amber: 1, Red: 1, Description: "Nodes that run and take nobody: joining, draining, or under critical pressure.",
			Queries: []query{{`count(macula_ready{@} == 0) or vector(0)`, "not ready"}}, Alerts: []string{"MaculaNodeNotReady", "MaculaNodeDraining"}},
		{Title: "Clients", Kind: number, Width: 4, Unit: "short", Description: "Attached clients of all nodes.",
			Queries: []query{{`sum(macula_clients{@})`, "clients"}}, Alerts: []string{"MaculaClientsNearLimit"}},
		{Title: "Alerts", Kind: number, Width: 4, Unit: "short", Amber: 1, Red: 5, Description: "Alerts that fire now, but for those of severity info.",
			Queries: []query{{`count(ALERTS{@,alertstate="firing",severity=~"warning|critical"}) or vector(0)`, "firing"}}},
		{Title: "Books that do not add up", Kind: number, Width: 4, Unit: "short", Amber: 1, Red: 1, Description: "Recounts that contradicted the tables, leases released twice, and drift of the ledger. Anything but 0 is a bug.",
			Queries: []query{{`sum(macula_invariant_violations_total{@}) + sum(macula_ledger_double_releases_total{@}) + sum(abs(macula_ledger_drift{@}))`, "findings"}},
			Alerts:  []string{"MaculaInvariantViolated", "MaculaLedgerDrift", "MaculaLedgerDoubleRelease"}},
		{Title: "Nodes", Kind: listing, Width: 24, Height: 7, Unit: "short", Description: "Each node with what it holds.",
			Queries: []query{
				{`macula_ready{@}`, "ready"}, {`macula_draining{@}`, "draining"}, {`macula_pressure_level{@}`, "pressure"},
				{`macula_pool_connections{@}`, "peers"}, {`macula_clients{@}`, "clients"}, {`macula_registry_names{@}`, "names"},
				{`macula_rpc_calls_in_flight{@}`, "calls out"}, {`macula_rpc_handlers{@}`, "handlers"}, {`macula_uptime_seconds{@}`, "uptime, s"},
			}},
	}
}

func overviewLimits() []panel {
	return []panel{
		{Title: "Pool", Width: 8, Unit: "percentunit", Max: 1, Amber: 0.95, Red: 1.0001, Description: "Connections to peers against max_peers. At the cap the least recently used idle one makes room; over it there must be nothing.",
			Queries: []query{{`macula:table_used:ratio{@,table="pool"}`, "{{instance}}"}}, Alerts: []string{"MaculaPoolNearCap", "MaculaTableOverLimit"}},
		{Title: "Clients", Width: 8, Unit: "percentunit", Max: 1, Amber: 0.9, Red: 1.0001, Description: "Attached clients against max_clients.",
			Queries: []query{{`macula_clients{@} / (macula_clients_limit{@} > 0)`, "{{instance}}"}}, Alerts: []string{"MaculaClientsNearLimit"}},
		{Title: "Services", Width: 8, Unit: "percentunit", Max: 1, Amber: 0.9, Red: 1.0001, Description: "Known services against max_services.",
			Queries: []query{{`macula:table_used:ratio{@,table="services"}`, "{{instance}}"}}, Alerts: []string{"MaculaTableNearLimit", "MaculaRegistryGrowth"}},
		{Title: "Fullest tables", Kind: bars, Width: 12, Height: 8, Unit: "percentunit", Max: 1, Amber: 0.9, Red: 1, Description: "The ten tables of all nodes that are closest to their limits.",
			Queries: []query{{`topk(10, macula:table_used:ratio{@})`, "{{instance}} {{table}}"}}, Alerts: []string{"MaculaTableNearLimit"}},
		{Title: "Refused", Width: 12, Height: 8, Unit: "ops", Description: "Entries that tables have refused because they were full, a second.",
			Queries: []query{
				{`sum by (table) (rate(macula_table_refused_total{@}[$__rate_interval])) > 0`, "table {{table}}"},
				{`sum by (reason) (rate(macula_clients_refused_total{@}[$__rate_interval]))`, "clients, {{reason}}"},
				{`sum(rate(macula_pool_refused_total{@}[$__rate_interval]))`, "peers"},
				{`sum(rate(macula_rpc_handlers_refused_total{@}[$__rate_interval]))`, "calls"},
			}, Alerts: []string{"MaculaTableRefuses", "MaculaClientsRefused", "MaculaPoolRefuses"}},
	}
}

func overviewCalls() []panel {
	return []panel{
		{Title: "Calls a second", Width: 8, Unit: "ops", Stacked: true, Description: "Calls that have ended, by the node that made them.",
			Queries: []query{{`sum by (instance) (rate(macula_rpc_calls_total{@}[$__rate_interval]))`, "{{instance}}"}}},
		{Title: "Failed share", Width: 8, Unit: "percentunit", Amber: 0.01, Red: 0.05, Description: "Of the calls that have ended, those that failed for a reason that is neither the caller's nor the handler's.",
			Queries: []query{{`macula:rpc_calls_failed:ratio5m{@}`, "{{instance}}"}}, Alerts: []string{"MaculaCallErrors"}},
		{Title: "Latency", Width: 8, Unit: "s", Red: 1, Amber: 0.5, Description: "How long calls take, over all nodes.",
			Queries: []query{
				{`histogram_quantile(0.5, sum by (le) (rate(macula_rpc_call_duration_seconds_bucket{@}[$__rate_interval])))`, "median"},
				{`histogram_quantile(0.99, sum by (le) (rate(macula_rpc_call_duration_seconds_bucket{@}[$__rate_interval])))`, "99 %"},
			}, Alerts: []string{"MaculaCallLatency"}},
		{Title: "How calls end", Width: 12, Unit: "ops", Description: "By outcome, without those that are answered.",
			Queries: []query{{`sum by (outcome) (rate(macula_rpc_calls_total{@,outcome!="ok"}[$__rate_interval]))`, "{{outcome}}"}}, Alerts: []string{"MaculaCallErrors"}},
		{Title: "Second tries", Width: 12, Unit: "ops", Description: "Calls that went to another provider, and those that might have and for which the budget was spent.",
			Queries: []query{
				{`sum(rate(macula_rpc_failovers_total{@}[$__rate_interval]))`, "failovers"},
				{`sum(rate(macula_rpc_retry_budget_exhausted_total{@}[$__rate_interval]))`, "no budget"},
				{`sum(rate(macula_rpc_ejections_total{@}[$__rate_interval]))`, "providers left out"},
			}, Alerts: []string{"MaculaRetryBudgetExhausted"}},
	}
}

func overviewLoad() []panel {
	return []panel{
		{Title: "Pressure", Width: 8, Unit: "short", Max: 3, Amber: 2, Red: 3, Mapped: []string{"normal", "elevated", "high", "critical"}, Description: "The level by which load adaptation acts.",
			Queries: []query{{`macula_pressure_level{@}`, "{{instance}}"}}, Alerts: []string{"MaculaPressureHigh", "MaculaPressureCritical", "MaculaPressureFlaps"}},
		{Title: "Memory", Width: 8, Unit: "bytes", Description: "Heap and stacks of the process.",
			Queries: []query{{`macula_memory_used_bytes{@}`, "{{instance}}"}}, Alerts: []string{"MaculaMemoryGrowth"}},
		{Title: "Processor", Width: 8, Unit: "short", Description: "Processors that the process keeps busy.",
			Queries: []query{{`rate(process_cpu_seconds_total{@}[$__rate_interval])`, "{{instance}}"}}},
		{Title: "Evictions", Width: 12, Unit: "ops", Description: "Connections of the pool that were closed, by reason. capacity: to make room for another.",
			Queries: []query{{`sum by (reason) (rate(macula_pool_evictions_total{@}[$__rate_interval]))`, "{{reason}}"}}, Alerts: []string{"MaculaPoolThrash"}},
		{Title: "Dials and handshakes", Width: 12, Unit: "ops", Description: "Connections that are begun, by us and by others.",
			Queries: []query{
				{`sum(rate(macula_pool_dials_total{@}[$__rate_interval]))`, "dials"},
				{`sum(rate(macula_pool_dial_errors_total{@}[$__rate_interval]))`, "dials that failed"},
				{`sum by (outcome) (rate(macula_handshakes_total{@}[$__rate_interval]))`, "accepted, {{outcome}}"},
			}, Alerts: []string{"MaculaDialErrors", "MaculaHandshakesFail"}},
	}
}
