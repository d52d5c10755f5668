package ops

import (
	"regexp"
	"slices"
	"strings"
)

// metricNames are the families of a node's exposition that rules and dashboards
// may use. The test with the tag ops compares it with what a node says.
var metricNames = strings.Fields(`
macula_build_info macula_uptime_seconds macula_ready macula_draining
macula_table_entries macula_table_limit macula_table_peak macula_table_refused_total
macula_pool_connections macula_pool_connections_in_use macula_pool_connections_inbound macula_pool_dialling macula_pool_waiting macula_pool_closing
macula_pool_hits_total macula_pool_misses_total macula_pool_evictions_total macula_pool_dials_total
macula_pool_dial_errors_total macula_pool_dials_paced_total macula_pool_admitted_total macula_pool_refused_total
macula_transport_connections macula_transport_connections_limit macula_transport_handshakes macula_transport_streams
macula_handshakes_total
macula_clients macula_clients_limit macula_clients_acting_limit macula_clients_admitted_total macula_clients_refused_total
macula_clients_superseded_total macula_clients_shed_total macula_clients_left_total
macula_registry_names macula_registry_owners macula_registry_added_total macula_registry_refreshed_total
macula_registry_stale_total macula_registry_refused_total macula_registry_removed_total macula_registry_expired_total
macula_cleanup_runs_total macula_cleanup_removed_total macula_cleanup_duration_seconds
macula_cleanup_last_success_timestamp_seconds
macula_rpc_calls_in_flight macula_rpc_calls_total macula_rpc_call_duration_seconds macula_rpc_failovers_total
macula_rpc_lookups_total macula_rpc_lookups_shared_total macula_rpc_retry_budget_exhausted_total
macula_rpc_ejections_total macula_rpc_late_replies_total
macula_rpc_handlers macula_rpc_handlers_limit macula_rpc_served_total macula_rpc_handlers_refused_total
macula_rpc_handler_panics_total macula_rpc_handlers_abandoned macula_rpc_caller_gone_total
macula_rpc_handler_duration_seconds
macula_ledger_leases macula_ledger_bytes macula_ledger_bytes_limit macula_ledger_held macula_ledger_held_limit
macula_ledger_refused_total macula_ledger_drift macula_ledger_double_releases_total
macula_invariant_checks_total macula_invariant_violations_total
macula_pressure_level macula_pressure_changes_total macula_memory_used_bytes macula_memory_limit_bytes
macula_scheduling_latency_seconds
macula_discovery_names macula_discovery_peers macula_discovery_asks macula_discovery_sent_total
macula_discovery_heard_total macula_discovery_questions_total
macula_oldest_seconds macula_log_lines_left_out_total
macula_config_reloads_total macula_config_last_reload_timestamp_seconds macula_config_last_reload_success
macula_certificate_expiry_timestamp_seconds
process_cpu_seconds_total process_open_fds process_max_fds process_resident_memory_bytes process_start_time_seconds
go_goroutines go_memstats_heap_inuse_bytes go_memstats_stack_inuse_bytes go_gc_duration_seconds
`)

// The tables that rules name. Everything else about tables is for all of them.
const (
	tablePool     = "pool"
	tableServices = "services"
	// tablesApart have alerts of their own, follow a table that has, or forget
	// their oldest entry instead of refusing one. A dot stands for a space.
	tablesApart = "pool|clients|handlers|local.calls|told.peers|waiting.newcomers|inbound.connections|backoff|let.down.by|negative.lookups|log.keys"
)

// ofMacula selects the metrics that do not have the prefix macula_.
const ofMacula = `job=~".*macula.*"`

var (
	quoted     = regexp.MustCompile(`"[^"]*"`)
	metricName = regexp.MustCompile(`\b(?:macula[_:]|process_|go_)[a-zA-Z0-9_:]+|\bup\b`)
)

// metricsOf returns the metrics that a PromQL expression reads, sorted, each
// once. A recorded one is replaced by those that it is made of, and a series
// of a histogram by the name of the histogram.
func metricsOf(expr string) []string {
	var names []string
	for _, name := range metricName.FindAllString(quoted.ReplaceAllString(expr, `""`), -1) {
		if r := recordingOf(name); r != nil {
			names = append(names, metricsOf(r.Expr)...)
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && slices.Contains(metricNames, base) {
				name = base
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
