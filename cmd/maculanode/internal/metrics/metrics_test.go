package metrics_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/maculamesh/macula/cmd/maculanode/internal/metrics"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/histogram"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/rt/realrt"
)

// promised is every metric that dashboards and rules may count on, with the
// values of its label.
const promised = `
macula_build_info macula_uptime_seconds macula_ready macula_draining
macula_table_entries{table} macula_table_limit{table} macula_table_peak{table} macula_table_refused_total{table}
macula_pool_connections macula_pool_connections_in_use macula_pool_connections_inbound macula_pool_dialling macula_pool_waiting macula_pool_closing
macula_pool_hits_total macula_pool_misses_total
macula_pool_evictions_total{reason=capacity|idle|superseded|limit_lowered|pressure|policy}
macula_pool_dials_total macula_pool_dial_errors_total macula_pool_dials_paced_total macula_pool_admitted_total macula_pool_refused_total
macula_transport_connections macula_transport_connections_limit macula_transport_handshakes macula_transport_streams
macula_handshakes_total{outcome=admitted|refused|failed}
macula_clients macula_clients_limit macula_clients_acting_limit macula_clients_admitted_total
macula_clients_refused_total{reason=full|pressure|disputed|draining|unauthorized|other}
macula_clients_superseded_total macula_clients_shed_total macula_clients_left_total
macula_registry_names macula_registry_owners macula_registry_added_total macula_registry_refreshed_total macula_registry_stale_total
macula_registry_refused_total macula_registry_removed_total macula_registry_expired_total
macula_cleanup_runs_total macula_cleanup_removed_total{table=services|lookups|names|backoffs|idle_connections}
macula_cleanup_duration_seconds macula_cleanup_last_success_timestamp_seconds
macula_rpc_calls_in_flight
macula_rpc_calls_total{outcome=ok|deadline|cancelled|caller_gone|not_found|overload|unauthorized|draining|unreachable|application|internal|other}
macula_rpc_call_duration_seconds macula_rpc_failovers_total macula_rpc_lookups_total macula_rpc_lookups_shared_total
macula_rpc_retry_budget_exhausted_total macula_rpc_ejections_total macula_rpc_late_replies_total
macula_rpc_handlers macula_rpc_handlers_limit macula_rpc_served_total macula_rpc_handlers_refused_total macula_rpc_handler_panics_total
macula_rpc_handlers_abandoned macula_rpc_caller_gone_total macula_rpc_handler_duration_seconds
macula_ledger_leases macula_ledger_bytes{class=conn|stream|call|queue|entry} macula_ledger_bytes_limit{class=conn|stream|call|queue|entry}
macula_ledger_held{class=conn|stream|call|queue|entry} macula_ledger_held_limit{class=conn|stream|call|queue|entry}
macula_ledger_refused_total macula_ledger_drift macula_ledger_double_releases_total
macula_invariant_checks_total macula_invariant_violations_total
macula_pressure_level macula_pressure_changes_total macula_memory_used_bytes macula_memory_limit_bytes macula_scheduling_latency_seconds
macula_discovery_names macula_discovery_peers macula_discovery_asks macula_discovery_sent_total macula_discovery_heard_total macula_discovery_questions_total
macula_oldest_seconds{what=call|handshake|half_closed_stream}
macula_log_lines_left_out_total macula_config_reloads_total{result=changed|refused} macula_config_last_reload_timestamp_seconds macula_config_last_reload_success
macula_certificate_expiry_timestamp_seconds
process_open_fds process_max_fds process_cpu_seconds_total process_resident_memory_bytes go_goroutines go_memstats_heap_inuse_bytes
`

// fixed is a source that a test fills.
type fixed struct{ s metrics.Snapshot }

func (f *fixed) Snapshot() metrics.Snapshot { return f.s }

// books are parts of a node, without a network.
type books struct {
	fixed
	clients  *clients.Table[int]
	registry *registry.Registry[int]
	ledger   *ledger.Ledger
	calls    histogram.Histogram
}

func newBooks(r *realrt.Runtime) *books {
	b := &books{clients: clients.New[int](r, clients.Config{Limit: 100}), registry: registry.New[int](r, registry.Config{}, nil), ledger: ledger.New(ledger.Config{})}
	b.look()
	return b
}

// look takes the snapshot.
func (b *books) look() {
	st := node.Status{Clients: b.clients.Stats(), Registry: b.registry.Stats(), Ledger: b.ledger.Stats(), CallTimes: b.calls.Snapshot()}
	b.s = metrics.Snapshot{Version: "test", Node: st, Sight: node.Sight{Tables: append(b.clients.Tables(), b.registry.Tables()...)}}
}

func gather(t *testing.T, g prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range list {
		byName[f.GetName()] = f
	}
	return byName
}

// values returns the values of a label of a family.
func values(f *dto.MetricFamily, label string) (list []string) {
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				list = append(list, l.GetValue())
			}
		}
	}
	slices.Sort(list)
	return list
}

func TestEveryPromisedMetricIsInAScrapeWithItsLabels(t *testing.T) {
	all := gather(t, metrics.New(newBooks(realrt.New(realrt.Config{}))))
	for _, p := range strings.Fields(promised) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(p, "}"), "{")
		f := all[name]
		if f == nil || len(f.GetMetric()) == 0 || f.GetHelp() == "" {
			t.Errorf("%s is not in the scrape, or says not what it is", name)
			continue
		}
		if label, list, ok := strings.Cut(rest, "="); ok {
			want := strings.Split(list, "|")
			slices.Sort(want)
			if got := values(f, label); !slices.Equal(got, want) {
				t.Errorf("%s: the values of %s are %v, want %v", name, label, got, want)
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "macula_") && !strings.Contains(promised, name) {
			t.Errorf("%s is not in the list of this test", name)
		}
	}
}

// series names every series of a scrape.
func series(all map[string]*dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, m := range all[name].GetMetric() {
			key := fmt.Sprint(name, m.GetLabel())
			out[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if h := m.GetHistogram(); h != nil {
				out[key+"_count"] = float64(h.GetSampleCount())
				for _, b := range h.GetBucket() {
					out[fmt.Sprint(key, "_bucket", b.GetUpperBound())] = float64(b.GetCumulativeCount())
				}
			}
		}
	}
	return out
}

func TestTenThousandWhoComeAndGoLeaveTheSeriesAsTheyAreAndCountersOnlyGoUp(t *testing.T) {
	b := newBooks(realrt.New(realrt.Config{}))
	reg := metrics.New(b)
	before := series(gather(t, reg))
	last := before
	for i := range 10_000 {
		id := ident.Simulated(7, fmt.Sprint("client ", i))
		s, _, err := b.clients.Admit(id, i, nil)
		lease, lerr := b.ledger.Acquire(b.ledger.Scope("org.example", id), "connection", ledger.Claim{Class: ledger.Conn, Count: 1})
		if lerr != nil {
			t.Fatal(lerr)
		}
		owner := registry.Owner{ID: id, Session: 1}
		if err := b.registry.Put(registry.Entry[int]{Name: fmt.Sprint("service.", i), Provider: id, Owner: owner, IsLocal: true}); err != nil {
			t.Fatal(err)
		}
		b.calls.Observe(time.Duration(i) * time.Millisecond)
		if i%1000 == 0 {
			b.look()
			now := series(gather(t, reg))
			for key, v := range now {
				if up := strings.Contains(key, "_total") || strings.Contains(key, "_bucket") || strings.HasSuffix(key, "_count"); up && v < last[key] {
					t.Errorf("%s has gone from %v to %v", key, last[key], v)
				}
			}
			last = now
		}
		lease.Release()
		b.registry.Drop(owner)
		if err == nil && i%2 == 0 {
			b.clients.Remove(s)
		}
	}
	b.look()
	after := series(gather(t, reg))
	if len(after) != len(before) {
		t.Errorf("%d series, %d before", len(after), len(before))
	}
	for key := range after {
		if _, ok := before[key]; !ok {
			t.Errorf("a new series: %s", key)
		}
	}
	if got := b.s.Node.Clients.Admitted; got < 100 || b.s.Node.Clients.Refused == 0 || after["macula_clients_admitted_total[]"] != float64(got) {
		t.Errorf("admitted %d, shown as %v", got, after["macula_clients_admitted_total[]"])
	}
}

func TestAHistogramIsWhatWasObserved(t *testing.T) {
	b := newBooks(realrt.New(realrt.Config{}))
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Hour} {
		b.calls.Observe(d)
	}
	b.look()
	h := gather(t, metrics.New(b))["macula_rpc_call_duration_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 4 || h.GetSampleSum() != 3601.001001 {
		t.Errorf("%d, %v", h.GetSampleCount(), h.GetSampleSum())
	}
	for _, bucket := range h.GetBucket() {
		want := uint64(0)
		for _, d := range []float64{1e-6, 1e-3, 1} {
			if d <= bucket.GetUpperBound() {
				want++
			}
		}
		if bucket.GetCumulativeCount() != want {
			t.Errorf("%d up to %v s, want %d", bucket.GetCumulativeCount(), bucket.GetUpperBound(), want)
		}
	}
}

func TestTheLastCleanupIsAnInstantOfTheCalendar(t *testing.T) {
	f := &fixed{}
	f.s.Started, f.s.Now = time.Unix(1000, 0), time.Unix(2000, 0)
	f.s.Node.Uptime, f.s.Node.Cleanup.LastAt = 900*time.Second, 880*time.Second
	shown := func() float64 {
		return gather(t, metrics.New(f))["macula_cleanup_last_success_timestamp_seconds"].GetMetric()[0].GetGauge().GetValue()
	}
	if got := shown(); got != 1000 {
		t.Errorf("before the first one it is %v", got)
	}
	f.s.Node.Cleanup.Runs = 1
	if got := shown(); got != 1980 { // whatever the clock was when it ended
		t.Errorf("%v", got)
	}
}

func TestEveryFailureIsOneOutcome(t *testing.T) {
	f := &fixed{}
	for kind := range f.s.Node.Caller.Kinds {
		f.s.Node.Caller.Kinds[kind] = 1
	}
	sum := 0.0
	for _, m := range gather(t, metrics.New(f))["macula_rpc_calls_total"].GetMetric() {
		sum += m.GetCounter().GetValue()
	}
	if sum != fault.Kinds {
		t.Errorf("%v failures are shown, there are %d", sum, fault.Kinds)
	}
}
