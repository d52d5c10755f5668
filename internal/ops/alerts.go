package ops

import (
	"fmt"
	"slices"
)

// The severities. A critical alert wakes somebody; a warning is for the day;
// info is for whoever looks at the dashboard.
const (
	critical = "critical"
	warning  = "warning"
	info     = "info"
)

// Alert is a rule that fires, with the two cases that show that it does and
// that it does not. In Summary and Description {{ $labels.NAME }} and
// {{ $value | FUNC }} are filled in by Prometheus.
type Alert struct {
	Name        string // also the heading of its runbook
	Expr        string
	For         string // how long Expr must hold; empty: it fires at once
	Severity    string
	Summary     string
	Description string

	Fires Case
	Quiet Case // something close to it that is no fault
}

// Group is alerts that are about one thing.
type Group struct {
	Name   string
	Alerts []Alert
}

// Groups returns all alerts in the order of the rules file.
func Groups() []Group {
	return []Group{
		{"macula-nodes", nodeAlerts},
		{"macula-limits", limitAlerts},
		{"macula-clients", clientAlerts},
		{"macula-books", bookAlerts},
		{"macula-growth", growthAlerts},
		{"macula-leftovers", leftoverAlerts},
		{"macula-load", loadAlerts},
		{"macula-calls", callAlerts},
		{"macula-keeping", keepingAlerts},
	}
}

// Alerts returns the alerts of all groups.
func Alerts() []Alert {
	var all []Alert
	for _, g := range Groups() {
		all = append(all, g.Alerts...)
	}
	return all
}

// Recording is a rule that names a result.
type Recording struct{ Name, Expr string }

// recordings are what several alerts and panels read.
var recordings = []Recording{
	{"macula:rpc_calls:rate5m", `sum by (job, instance) (rate(macula_rpc_calls_total[5m]))`},
	// What the caller has ended, and what the handler has answered, is no fault
	// of the mesh.
	{"macula:rpc_calls_failed:rate5m", `sum by (job, instance) (rate(macula_rpc_calls_total{outcome!~"ok|cancelled|caller_gone|application"}[5m]))`},
	{"macula:rpc_calls_failed:ratio5m", `macula:rpc_calls_failed:rate5m / (macula:rpc_calls:rate5m > 0)`},
	{"macula:rpc_call_duration_seconds:p99_5m", `histogram_quantile(0.99, sum by (job, instance, le) (rate(macula_rpc_call_duration_seconds_bucket[5m])))`},
	{"macula:table_used:ratio", `macula_table_entries / (macula_table_limit > 0)`},
}

func recordingOf(name string) *Recording {
	i := slices.IndexFunc(recordings, func(r Recording) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &recordings[i]
}

// rises is an expression that holds when the least value of each of four
// periods in a row is larger by at least by than that of the period before: a
// floor that rises, whatever happens above it.
func rises(metric, period string, hours int, by string) string {
	floor := func(n int) string {
		if n == 0 {
			return fmt.Sprintf("min_over_time(%s[%s])", metric, period)
		}
		return fmt.Sprintf("min_over_time(%s[%s] offset %dh)", metric, period, n*hours)
	}
	return fmt.Sprintf("%[1]s > %[2]s + %[5]s\nand %[2]s > %[3]s + %[5]s\nand %[3]s > %[4]s + %[5]s", floor(0), floor(1), floor(2), floor(3), by)
}

// steady is an expression that holds when there are not more connections on
// average than so many hours ago: what grows then does so by itself.
func steady(hours int) string {
	return fmt.Sprintf("and on (job, instance) avg_over_time(macula_transport_connections[1h]) <= 1.1 * avg_over_time(macula_transport_connections[1h] offset %dh)", hours)
}
