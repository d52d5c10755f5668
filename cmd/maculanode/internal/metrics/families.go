package metrics

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maculamesh/macula/node/histogram"
)

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// families are all metrics but the histograms and those of the process.
var families = slices.Concat(ofNode, ofTables, ofConnections, ofRegistry, ofCalls, ofBooks)

// spreads are the histograms.
var spreads = []spread{
	{"macula_rpc_call_duration_seconds", "Time from a call of this node or its clients to its result, failures included, in seconds.", func(s *Snapshot) *histogram.Snapshot { return &s.Node.CallTimes }},
	{"macula_rpc_handler_duration_seconds", "Time from the arrival of a call to the end of its answer here, in seconds.", func(s *Snapshot) *histogram.Snapshot { return &s.Node.HandlerTimes }},
}

// one is a family with a single series.
func one[N int | int64 | uint64 | float64](name string, kind prometheus.ValueType, help string, read func(s *Snapshot) N) family {
	return family{name: name, kind: kind, help: help, read: func(s *Snapshot, put put) { put(float64(read(s))) }}
}

// split is a family with a series for each value of a label.
func split(name string, kind prometheus.ValueType, label, help string, read func(s *Snapshot, put put)) family {
	return family{name: name, kind: kind, labels: []string{label}, help: help, read: read}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// instant is a time of the calendar in seconds, and zero for none.
func instant(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

var ofNode = []family{
	{"macula_build_info", gauge, []string{"version", "go_version"}, "Always 1; the labels say which version runs.", func(s *Snapshot, put put) { put(1, s.Version, runtime.Version()) }},
	one("macula_uptime_seconds", gauge, "Time since the node was made, in seconds.", func(s *Snapshot) float64 { return s.Node.Uptime.Seconds() }),
	one("macula_ready", gauge, "1 when others should be sent to this node: it listens, is joined or alone, does not drain, and pressure is below critical.", func(s *Snapshot) float64 { return flag(s.Ready) }),
	one("macula_draining", gauge, "1 when the node takes no more clients, services and calls.", func(s *Snapshot) float64 { return flag(s.Node.Draining) }),
	split("macula_oldest_seconds", gauge, "what", "Age of the oldest thing that ought to be short, in seconds; 0 without any.", func(s *Snapshot, put put) {
		put(s.Sight.Oldest.Call.Seconds(), "call")
		put(s.Sight.Oldest.Handshake.Seconds(), "handshake")
		put(s.Sight.Oldest.HalfClosed.Seconds(), "half_closed_stream")
	}),
	one("macula_pressure_level", gauge, "How short the node is of memory or processor time: 0 normal, 1 elevated, 2 high, 3 critical.", func(s *Snapshot) int { return int(s.Pressure.Level) }),
	one("macula_pressure_changes_total", counter, "Changes of the pressure level.", func(s *Snapshot) uint64 { return s.Pressure.Changes }),
	one("macula_memory_used_bytes", gauge, "Memory that counts against the limit, in bytes.", func(s *Snapshot) int64 { return s.Pressure.Used }),
	one("macula_memory_limit_bytes", gauge, "Limit of the memory, from GOMEMLIMIT or the control group, in bytes; 0 when there is none.", func(s *Snapshot) int64 { return s.Pressure.Limit }),
	one("macula_scheduling_latency_seconds", gauge, "Time that 99 of 100 tasks wait at most for a processor, in seconds.", func(s *Snapshot) float64 { return s.Pressure.Latency.Seconds() }),
	one("macula_log_lines_left_out_total", counter, "Log lines that were left out because there were too many alike.", func(s *Snapshot) uint64 { return s.LogLinesLeftOut }),
	split("macula_config_reloads_total", counter, "result", "Times that the configuration was read again, by whether it was taken.", func(s *Snapshot, put put) {
		put(float64(s.ReloadsChanged), "changed")
		put(float64(s.ReloadsRefused), "refused")
	}),
	one("macula_config_last_reload_timestamp_seconds", gauge, "When the configuration was taken last, the start included, in seconds since 1970.", func(s *Snapshot) float64 { return instant(s.Reloaded) }),
	one("macula_config_last_reload_success", gauge, "1 when the last reload of the configuration was taken, or there was none; 0 when it was refused.", func(s *Snapshot) float64 { return flag(!s.ReloadFailed) }),
	one("macula_certificate_expiry_timestamp_seconds", gauge, "Until when the certificate is valid that others are shown, in seconds since 1970. It is renewed by itself.", func(s *Snapshot) float64 { return instant(s.Certificate) }),
}

var ofTables = []family{
	split("macula_table_entries", gauge, "table", "Entries of a bounded table.", func(s *Snapshot, put put) {
		for _, t := range s.Sight.Tables {
			put(float64(t.Entries), label(t.Name))
		}
	}),
	split("macula_table_limit", gauge, "table", "Entries that a table may have; of those that there are once for each connection, summed over the connections.", func(s *Snapshot, put put) {
		for _, t := range s.Sight.Tables {
			put(float64(t.Limit), label(t.Name))
		}
	}),
	split("macula_table_peak", gauge, "table", "Most entries that a table had at a time since the start.", func(s *Snapshot, put put) {
		for _, t := range s.Sight.Tables {
			put(float64(t.Peak), label(t.Name))
		}
	}),
	split("macula_table_refused_total", counter, "table", "Newcomers that found a table full.", func(s *Snapshot, put put) {
		for _, t := range s.Sight.Tables {
			put(float64(t.Refused), label(t.Name))
		}
	}),
}

// label is the name of a table as a label.
func label(name string) string { return strings.NewReplacer(" ", "_", "-", "_").Replace(name) }

var ofRegistry = []family{
	one("macula_registry_names", gauge, "Names that somebody provides, as far as this node knows.", func(s *Snapshot) int { return s.Node.Registry.Names }),
	one("macula_registry_owners", gauge, "Sessions and nodes that provide something.", func(s *Snapshot) int { return s.Node.Registry.Owners }),
	one("macula_registry_added_total", counter, "Entries that were added.", func(s *Snapshot) uint64 { return s.Node.Registry.Added }),
	one("macula_registry_refreshed_total", counter, "Entries that were advertised again in time.", func(s *Snapshot) uint64 { return s.Node.Registry.Refreshed }),
	one("macula_registry_stale_total", counter, "Advertisements that were older than what is known.", func(s *Snapshot) uint64 { return s.Node.Registry.Stale }),
	one("macula_registry_refused_total", counter, "Advertisements for which a limit left no room.", func(s *Snapshot) uint64 { return s.Node.Registry.Refused }),
	one("macula_registry_removed_total", counter, "Entries that were withdrawn, or whose owner has left.", func(s *Snapshot) uint64 { return s.Node.Registry.Removed }),
	one("macula_registry_expired_total", counter, "Entries whose time to live has ended.", func(s *Snapshot) uint64 { return s.Node.Registry.Expired }),

	one("macula_discovery_names", gauge, "Names that are told to peers, those withdrawn lately included.", func(s *Snapshot) int { return s.Node.Discovery.Names }),
	one("macula_discovery_peers", gauge, "Peers that are told.", func(s *Snapshot) int { return s.Node.Discovery.Peers }),
	one("macula_discovery_asks", gauge, "Questions to peers that are open.", func(s *Snapshot) int { return s.Node.Discovery.Asks }),
	one("macula_discovery_sent_total", counter, "Announcements sent to peers.", func(s *Snapshot) uint64 { return s.Node.Discovery.Sent }),
	one("macula_discovery_heard_total", counter, "Announcements heard from peers.", func(s *Snapshot) uint64 { return s.Node.Discovery.Heard }),
	one("macula_discovery_questions_total", counter, "Questions asked.", func(s *Snapshot) uint64 { return s.Node.Discovery.Questions }),

	one("macula_cleanup_runs_total", counter, "Runs of the periodic cleanup.", func(s *Snapshot) uint64 { return s.Node.Cleanup.Runs }),
	split("macula_cleanup_removed_total", counter, "table", "What the cleanup has removed.", func(s *Snapshot, put put) {
		put(float64(s.Node.Cleanup.Expired.Services), "services")
		put(float64(s.Node.Cleanup.Expired.Lookups), "lookups")
		put(float64(s.Node.Cleanup.Expired.Names), "names")
		put(float64(s.Node.Cleanup.Expired.Backoffs), "backoffs")
		put(float64(s.Node.Cleanup.Expired.IdleConnections), "idle_connections")
	}),
	one("macula_cleanup_duration_seconds", gauge, "Time that the last cleanup took, in seconds.", func(s *Snapshot) float64 { return s.Node.Cleanup.Last.Seconds() }),
	one("macula_cleanup_last_success_timestamp_seconds", gauge, "When a cleanup ended last, in seconds since 1970; before the first one the start of the node.", func(s *Snapshot) float64 {
		if s.Node.Cleanup.Runs == 0 {
			return instant(s.Started)
		}
		ago := s.Node.Uptime - s.Node.Cleanup.LastAt // so that it follows a clock that is set
		return instant(s.Now.Add(-ago))
	}),
}
