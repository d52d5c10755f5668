package ops

// nodeBoard is the dashboard of one node.
func nodeBoard() *board {
	return &board{
		UID: "macula-node", Title: "Macula / node", Other: "All nodes",
		Description: "One node: every table against its limit, and what each part does.",
		Rows: []row{
			{"State", nodeState()},
			{"Tables", nodeTables()},
			{"Ledger", nodeLedger()},
			{"Pool", nodePool()},
			{"Clients", nodeClients()},
			{"Registry and cleanup", nodeRegistry()},
			{"Calls", nodeCalls()},
			{"Load adaptation", nodeLoad()},
			{"Process", nodeProcess()},
		},
	}
}

func nodeState() []panel {
	return []panel{
		{Title: "Ready", Kind: number, Width: 3, Unit: "short", Amber: 1, Red: 0.5, Below: true, Mapped: []string{"no", "yes"}, Description: "What /readyz says.",
			Queries: []query{{`macula_ready{@}`, "ready"}}, Alerts: []string{"MaculaNodeNotReady"}},
		{Title: "Draining", Kind: number, Width: 3, Unit: "short", Amber: 1, Red: 2, Mapped: []string{"no", "yes"}, Description: "Whether the node was told to take nobody new.",
			Queries: []query{{`macula_draining{@}`, "draining"}}, Alerts: []string{"MaculaNodeDraining"}},
		{Title: "Pressure", Kind: number, Width: 3, Unit: "short", Amber: 2, Red: 3, Mapped: []string{"normal", "elevated", "high", "critical"}, Description: "The level of load adaptation.",
			Queries: []query{{`macula_pressure_level{@}`, "pressure"}}, Alerts: []string{"MaculaPressureHigh", "MaculaPressureCritical"}},
		{Title: "Uptime", Kind: number, Width: 3, Unit: "s", Description: "Since the process began.",
			Queries: []query{{`macula_uptime_seconds{@}`, "uptime"}}, Alerts: []string{"MaculaNodeRestarts"}},
		{Title: "Certificate ends", Kind: number, Width: 3, Unit: "dateTimeFromNow", Description: "The node makes a new one fifteen days before.",
			Queries: []query{{`macula_certificate_expiry_timestamp_seconds{@} * 1000`, "end"}}, Alerts: []string{"MaculaCertificateExpiry"}},
		{Title: "Configuration", Kind: number, Width: 3, Unit: "dateTimeFromNow", Description: "When it was taken the last time; at first that is the start.",
			Queries: []query{{`(macula_config_last_reload_timestamp_seconds{@} > 0) * 1000`, "reload"}}, Alerts: []string{"MaculaReloadRefused"}},
		{Title: "Findings", Kind: number, Width: 3, Unit: "short", Amber: 1, Red: 1, Description: "Recounts that contradicted the tables, leases released twice, drift of the ledger. Anything but 0 is a bug.",
			Queries: []query{{`sum(macula_invariant_violations_total{@}) + sum(macula_ledger_double_releases_total{@}) + sum(abs(macula_ledger_drift{@}))`, "findings"}},
			Alerts:  []string{"MaculaInvariantViolated", "MaculaInvariantsUnchecked", "MaculaLedgerDrift", "MaculaLedgerDoubleRelease"}},
		{Title: "Version", Kind: number, Width: 3, Unit: "short", Description: "Of maculanode.",
			Queries: []query{{`macula_build_info{@}`, "{{version}}"}}, Alerts: []string{"MaculaVersionsDiffer"}},
	}
}

func nodeTables() []panel {
	return []panel{
		{Title: "Every table", Kind: listing, Width: 12, Height: 12, Unit: "short", Description: "Whatever another side can make grow, with its limit, the most that there ever was, and how often it refused.",
			Queries: []query{{`macula_table_entries{@}`, "entries"}, {`macula_table_limit{@}`, "limit"}, {`macula_table_peak{@}`, "peak"}, {`macula_table_refused_total{@}`, "refused"}},
			Alerts:  []string{"MaculaTableOverLimit", "MaculaTableNearLimit", "MaculaTableRefuses"}},
		{Title: "Use", Kind: bars, Width: 12, Height: 12, Unit: "percentunit", Max: 1, Amber: 0.9, Red: 1, Description: "Entries against the limit, the fullest first.",
			Queries: []query{{`sort_desc(macula:table_used:ratio{@})`, "{{table}}"}}, Alerts: []string{"MaculaTableNearLimit"}},
		{Title: "Entries", Width: 12, Unit: "short", Description: "Each table over time. A leak is a line that only rises.",
			Queries: []query{{`macula_table_entries{@}`, "{{table}}"}}, Alerts: []string{"MaculaRegistryGrowth"}},
		{Title: "Oldest", Width: 12, Unit: "s", Amber: 600, Red: 660, Description: "The age of the oldest call, handshake and half-closed stream. Each has a deadline; a line that rises with the clock is something that was forgotten.",
			Queries: []query{{`macula_oldest_seconds{@}`, "{{what}}"}}, Alerts: []string{"MaculaCallTooOld", "MaculaHandshakeTooOld", "MaculaStreamHalfClosed"}},
	}
}

func nodeLedger() []panel {
	return []panel{
		{Title: "Bytes by class", Width: 8, Unit: "bytes", Stacked: true, Description: "Bytes that others make this node hold, by class.",
			Queries: []query{{`macula_ledger_bytes{@}`, "{{class}}"}}, Alerts: []string{"MaculaLedgerNearLimit"}},
		{Title: "Bytes against the limit", Kind: bars, Width: 8, Unit: "percentunit", Max: 1, Amber: 0.7, Red: 0.9, Description: "By class.",
			Queries: []query{{`macula_ledger_bytes{@} / (macula_ledger_bytes_limit{@} > 0)`, "{{class}} bytes"}, {`macula_ledger_held{@} / (macula_ledger_held_limit{@} > 0)`, "{{class}} count"}}, Alerts: []string{"MaculaLedgerNearLimit"}},
		{Title: "Leases", Width: 8, Unit: "short", Description: "Leases that are out, and those refused a second.",
			Queries: []query{{`macula_ledger_leases{@}`, "leases"}, {`rate(macula_ledger_refused_total{@}[$__rate_interval])`, "refused a second"}}, Alerts: []string{"MaculaLedgerDrift"}},
	}
}

func nodePool() []panel {
	return []panel{
		{Title: "Connections", Width: 8, Unit: "short", Description: "Connections to peers, those in use, those that peers have dialled, and their limits max_peers and max_inbound_peers.",
			Queries: []query{{`macula_pool_connections{@}`, "connections"}, {`macula_pool_connections_in_use{@}`, "in use"}, {`macula_pool_connections_inbound{@}`, "inbound"}, {`macula_table_limit{@,table="pool"}`, "limit"}, {`macula_table_limit{@,table="inbound_connections"}`, "limit of inbound"}}, Alerts: []string{"MaculaPoolNearCap", "MaculaPoolInUse", "MaculaNodeAlone"}},
		{Title: "On their way", Width: 8, Unit: "short", Description: "Connections that are being made or closed, and callers that wait for one.",
			Queries: []query{{`macula_pool_dialling{@}`, "dialling"}, {`macula_pool_waiting{@}`, "waiting"}, {`macula_pool_closing{@}`, "closing"}}, Alerts: []string{"MaculaPoolRefuses"}},
		{Title: "Evictions", Width: 8, Unit: "ops", Stacked: true, Description: "Connections that were closed, by reason.",
			Queries: []query{{`rate(macula_pool_evictions_total{@}[$__rate_interval])`, "{{reason}}"}}, Alerts: []string{"MaculaPoolThrash"}},
		{Title: "Hits and misses", Width: 8, Unit: "ops", Description: "Calls that found a connection, and those that had to make one.",
			Queries: []query{{`rate(macula_pool_hits_total{@}[$__rate_interval])`, "hits"}, {`rate(macula_pool_misses_total{@}[$__rate_interval])`, "misses"}}},
		{Title: "Dials", Width: 8, Unit: "ops", Description: "Connections that were begun from here. Paced ones had to wait for their turn.",
			Queries: []query{{`rate(macula_pool_dials_total{@}[$__rate_interval])`, "dials"}, {`rate(macula_pool_dial_errors_total{@}[$__rate_interval])`, "failed"}, {`rate(macula_pool_dials_paced_total{@}[$__rate_interval])`, "paced"}}, Alerts: []string{"MaculaDialErrors"}},
		{Title: "Admitted and refused", Width: 8, Unit: "ops", Description: "Connections that came into the pool, and those that did not.",
			Queries: []query{{`rate(macula_pool_admitted_total{@}[$__rate_interval])`, "admitted"}, {`rate(macula_pool_refused_total{@}[$__rate_interval])`, "refused"}}, Alerts: []string{"MaculaPoolRefuses"}},
		{Title: "Transport", Width: 12, Unit: "short", Description: "What QUIC counts by its own books: all connections, those whose handshake goes on, and streams.",
			Queries: []query{{`macula_transport_connections{@}`, "connections"}, {`macula_transport_connections_limit{@}`, "limit"}, {`macula_transport_handshakes{@}`, "handshakes"}, {`macula_transport_streams{@}`, "streams"}}, Alerts: []string{"MaculaStreamsOrphaned"}},
		{Title: "Accepted connections", Width: 12, Unit: "ops", Description: "What came of those who connected to this node.",
			Queries: []query{{`rate(macula_handshakes_total{@}[$__rate_interval])`, "{{outcome}}"}}, Alerts: []string{"MaculaHandshakesFail"}},
	}
}

func nodeClients() []panel {
	return []panel{
		{Title: "Clients", Width: 8, Unit: "short", Description: "Attached clients, and max_clients. Under pressure fewer count; the row Load adaptation shows that.",
			Queries: []query{{`macula_clients{@}`, "clients"}, {`macula_clients_limit{@}`, "limit"}, {`macula_clients_acting_limit{@}`, "limit now"}}, Alerts: []string{"MaculaClientsNearLimit"}},
		{Title: "Coming and going", Width: 8, Unit: "ops", Description: "Superseded: the same client came again. Shed: it had to go because a limit was lowered or the node drains.",
			Queries: []query{{`rate(macula_clients_admitted_total{@}[$__rate_interval])`, "admitted"}, {`rate(macula_clients_left_total{@}[$__rate_interval])`, "left"}, {`rate(macula_clients_superseded_total{@}[$__rate_interval])`, "superseded"}, {`rate(macula_clients_shed_total{@}[$__rate_interval])`, "shed"}}},
		{Title: "Refused", Width: 8, Unit: "ops", Description: "Clients that were turned away, by reason.",
			Queries: []query{{`rate(macula_clients_refused_total{@}[$__rate_interval])`, "{{reason}}"}}, Alerts: []string{"MaculaClientsRefused"}},
	}
}

func nodeRegistry() []panel {
	return []panel{
		{Title: "Services", Width: 8, Unit: "short", Description: "Providers that this node knows, their names and their owners.",
			Queries: []query{{`macula_table_entries{@,table="services"}`, "providers"}, {`macula_registry_names{@}`, "names"}, {`macula_registry_owners{@}`, "owners"}}, Alerts: []string{"MaculaRegistryGrowth"}},
		{Title: "Changes", Width: 8, Unit: "ops", Description: "What happens to advertisements. Stale ones came late and were older than what is known.",
			Queries: []query{{`rate(macula_registry_added_total{@}[$__rate_interval])`, "added"}, {`rate(macula_registry_refreshed_total{@}[$__rate_interval])`, "refreshed"}, {`rate(macula_registry_removed_total{@}[$__rate_interval])`, "removed"}, {`rate(macula_registry_expired_total{@}[$__rate_interval])`, "expired"}, {`rate(macula_registry_stale_total{@}[$__rate_interval])`, "stale"}, {`rate(macula_registry_refused_total{@}[$__rate_interval])`, "refused"}}, Alerts: []string{"MaculaTableRefuses"}},
		{Title: "Discovery", Width: 8, Unit: "short", Description: "Names that peers have told, the peers, questions that wait for an answer, and messages a second.",
			Queries: []query{{`macula_discovery_names{@}`, "names"}, {`macula_discovery_peers{@}`, "peers"}, {`macula_discovery_asks{@}`, "asking"}, {`rate(macula_discovery_sent_total{@}[$__rate_interval])`, "sent a second"}, {`rate(macula_discovery_heard_total{@}[$__rate_interval])`, "heard a second"}, {`rate(macula_discovery_questions_total{@}[$__rate_interval])`, "questions a second"}}},
		{Title: "Since the last cleanup", Width: 8, Unit: "s", Amber: 300, Red: 600, Description: "It runs every cleanup_interval, 60 s.",
			Queries: []query{{`time() - (macula_cleanup_last_success_timestamp_seconds{@} > 0)`, "ago"}}, Alerts: []string{"MaculaCleanupStale"}},
		{Title: "Removed by the cleanup", Width: 8, Unit: "short", Description: "Expired entries that were removed within five minutes. The log has a line at INFO for each run that removed something.",
			Queries: []query{{`increase(macula_cleanup_removed_total{@}[5m])`, "{{table}}"}, {`increase(macula_cleanup_runs_total{@}[5m])`, "runs"}}, Alerts: []string{"MaculaCleanupStale"}},
		{Title: "The last cleanup took", Width: 8, Unit: "s", Amber: 1, Red: 5, Description: "Its work is in proportion to what has expired.",
			Queries: []query{{`macula_cleanup_duration_seconds{@}`, "took"}}, Alerts: []string{"MaculaCleanupSlow"}},
	}
}

func nodeCalls() []panel {
	return []panel{
		{Title: "Calls from here", Width: 8, Unit: "ops", Stacked: true, Description: "By how they ended.",
			Queries: []query{{`rate(macula_rpc_calls_total{@}[$__rate_interval])`, "{{outcome}}"}}, Alerts: []string{"MaculaCallErrors"}},
		{Title: "How long they take", Width: 8, Unit: "s", Amber: 0.5, Red: 1, Description: "Seen from the caller: finding a provider, connecting, all tries.",
			Queries: []query{{`histogram_quantile(0.5, sum by (le) (rate(macula_rpc_call_duration_seconds_bucket{@}[$__rate_interval])))`, "median"}, {`histogram_quantile(0.95, sum by (le) (rate(macula_rpc_call_duration_seconds_bucket{@}[$__rate_interval])))`, "95 %"}, {`histogram_quantile(0.99, sum by (le) (rate(macula_rpc_call_duration_seconds_bucket{@}[$__rate_interval])))`, "99 %"}}, Alerts: []string{"MaculaCallLatency"}},
		{Title: "In flight", Width: 8, Unit: "short", Description: "Calls from here that have not ended, handlers that have not returned, and handlers whose caller is gone.",
			Queries: []query{{`macula_rpc_calls_in_flight{@}`, "calls"}, {`macula_rpc_handlers{@}`, "handlers"}, {`macula_rpc_handlers_limit{@}`, "limit of handlers"}, {`macula_rpc_handlers_abandoned{@}`, "abandoned"}}, Alerts: []string{"MaculaHandlersAtLimit", "MaculaHandlersAbandoned"}},
		{Title: "Finding and trying again", Width: 8, Unit: "ops", Description: "Lookups, those that shared another's answer, second tries, and answers that came too late.",
			Queries: []query{{`rate(macula_rpc_lookups_total{@}[$__rate_interval])`, "lookups"}, {`rate(macula_rpc_lookups_shared_total{@}[$__rate_interval])`, "shared"}, {`rate(macula_rpc_failovers_total{@}[$__rate_interval])`, "failovers"}, {`rate(macula_rpc_retry_budget_exhausted_total{@}[$__rate_interval])`, "no budget"}, {`rate(macula_rpc_ejections_total{@}[$__rate_interval])`, "providers left out"}, {`rate(macula_rpc_late_replies_total{@}[$__rate_interval])`, "late answers"}}, Alerts: []string{"MaculaRetryBudgetExhausted"}},
		{Title: "Calls answered here", Width: 8, Unit: "ops", Description: "Handlers that were started, calls refused at the limit, panics, and callers that were gone before the answer.",
			Queries: []query{{`rate(macula_rpc_served_total{@}[$__rate_interval])`, "served"}, {`rate(macula_rpc_handlers_refused_total{@}[$__rate_interval])`, "refused"}, {`rate(macula_rpc_handler_panics_total{@}[$__rate_interval])`, "panics"}, {`rate(macula_rpc_caller_gone_total{@}[$__rate_interval])`, "caller gone"}}, Alerts: []string{"MaculaHandlerPanics", "MaculaHandlersAtLimit"}},
		{Title: "How long handlers take", Width: 8, Unit: "s", Description: "Until they return, passing a call on included.",
			Queries: []query{{`histogram_quantile(0.5, sum by (le) (rate(macula_rpc_handler_duration_seconds_bucket{@}[$__rate_interval])))`, "median"}, {`histogram_quantile(0.99, sum by (le) (rate(macula_rpc_handler_duration_seconds_bucket{@}[$__rate_interval])))`, "99 %"}}},
	}
}

func nodeLoad() []panel {
	return []panel{
		{Title: "Memory against its limit", Width: 8, Unit: "bytes", Description: "Heap and stacks, and GOMEMLIMIT or the limit of the cgroup; 0 if there is neither.",
			Queries: []query{{`macula_memory_used_bytes{@}`, "used"}, {`macula_memory_limit_bytes{@}`, "limit"}}, Alerts: []string{"MaculaMemoryGrowth", "MaculaPressureHigh"}},
		{Title: "Waiting for a processor", Width: 8, Unit: "s", Description: "How long 99 of 100 goroutines that can run wait until they do, at most.",
			Queries: []query{{`macula_scheduling_latency_seconds{@}`, "99 %"}}, Alerts: []string{"MaculaPressureHigh"}},
		{Title: "Level", Width: 8, Unit: "short", Max: 3, Amber: 2, Red: 3, Mapped: []string{"normal", "elevated", "high", "critical"}, Description: "What load adaptation has decided, and how often within an hour.",
			Queries: []query{{`macula_pressure_level{@}`, "level"}, {`increase(macula_pressure_changes_total{@}[1h])`, "changes in an hour"}}, Alerts: []string{"MaculaPressureHigh", "MaculaPressureCritical", "MaculaPressureFlaps"}},
	}
}

func nodeProcess() []panel {
	return []panel{
		{Title: "Memory", Width: 8, Unit: "bytes", Description: "Of the process by the system, and of the Go runtime.",
			Queries: []query{{`process_resident_memory_bytes{@}`, "resident"}, {`go_memstats_heap_inuse_bytes{@}`, "heap"}, {`go_memstats_stack_inuse_bytes{@}`, "stacks"}}, Alerts: []string{"MaculaMemoryGrowth"}},
		{Title: "Goroutines", Width: 8, Unit: "short", Description: "They follow connections and handlers.",
			Queries: []query{{`go_goroutines{@}`, "goroutines"}}, Alerts: []string{"MaculaGoroutineGrowth"}},
		{Title: "Processor", Width: 8, Unit: "short", Description: "Processors that the process keeps busy.",
			Queries: []query{{`rate(process_cpu_seconds_total{@}[$__rate_interval])`, "processors"}}},
		{Title: "Descriptors", Width: 8, Unit: "short", Description: "Open files and sockets.",
			Queries: []query{{`process_open_fds{@}`, "open"}, {`process_max_fds{@}`, "limit"}}, Alerts: []string{"MaculaDescriptorsNearLimit", "MaculaDescriptorGrowth"}},
		{Title: "Garbage collection", Width: 8, Unit: "s", Description: "Seconds of pause in a second.",
			Queries: []query{{`rate(go_gc_duration_seconds_sum{@}[$__rate_interval])`, "pause"}}},
		{Title: "Log and configuration", Width: 8, Unit: "ops", Description: "Lines that were left out of the log, and reloads, a second; whether the last reload was refused.",
			Queries: []query{{`rate(macula_log_lines_left_out_total{@}[$__rate_interval])`, "lines left out"}, {`rate(macula_config_reloads_total{@}[$__rate_interval])`, "reload {{result}}"}, {`1 - macula_config_last_reload_success{@}`, "refused last"}}, Alerts: []string{"MaculaLogLinesLeftOut", "MaculaReloadRefused"}},
	}
}
