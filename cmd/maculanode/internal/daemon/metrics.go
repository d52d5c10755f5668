package daemon

import (
	"bytes"
	"fmt"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/maculamesh/macula/cmd/maculanode/internal/metrics"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
)

// Snapshot implements metrics.Source.
func (h *host) Snapshot() metrics.Snapshot {
	s := metrics.Snapshot{
		Version: h.cfg.version, Now: time.Now(), Started: h.begun, Reloaded: h.begun, Ready: h.n.NotReady() == "",
		Node: h.n.Status(), Pressure: h.n.Pressure(), Sight: h.sight(), Handlers: h.n.Acting().Handlers, Conns: h.n.MaxConns(),
	}
	if h.live == nil {
		return s
	}
	r := h.Reloads()
	s.ReloadsChanged, s.ReloadsRefused, s.ReloadFailed = r.Changed, r.Refused, r.Failed
	if !r.Last.IsZero() {
		s.Reloaded = r.Last
	}
	s.LogLinesLeftOut, s.Certificate = h.live.d.opt.Log.Dropped(), h.live.d.quic.Expires()
	return s
}

// sight is that of the node, with the tables of the process.
func (h *host) sight() node.Sight {
	s := h.n.Sight()
	h.mu.Lock()
	more := slices.Clone(h.tables)
	s.Tables = append(s.Tables, node.Table{Name: "adverts", Entries: len(h.adverts), Limit: h.cfg.services, Peak: h.mostAdverts})
	h.mu.Unlock()
	for _, table := range more {
		s.Tables = append(s.Tables, table())
	}
	return s
}

// show adds a table of the process to the status and the metrics. Its name
// must be its own. Those that are shown from the start on make the number of
// series the same all the time.
func (h *host) show(table func() node.Table) {
	h.mu.Lock()
	h.tables = append(h.tables, table)
	h.mu.Unlock()
}

// Metrics implements control.Node.
func (h *host) Metrics() ([]byte, error) {
	families, err := h.registry.Gather()
	if err != nil {
		return nil, fault.New("metrics", fault.Internal, "%v", err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			return nil, fault.New("metrics", fault.Internal, "%v", err)
		}
	}
	return text.Bytes(), nil
}

// profiles are those that Profile makes.
var profiles = []string{"goroutine", "heap"}

// Profile implements control.Node: in the format of "go tool pprof".
func (h *host) Profile(name string) ([]byte, error) {
	if !slices.Contains(profiles, name) {
		return nil, fault.New("", fault.Invalid, "there is no profile %.40q: there are %v", name, profiles)
	}
	var data bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&data, 0); err != nil {
		return nil, fault.New("", fault.Internal, "%v", fmt.Errorf("profile %s: %w", name, err))
	}
	return data.Bytes(), nil
}

// since is for how long something is as it is; begun is of the node's clock.
func (h *host) since(p node.Pressure) time.Duration { return h.r.Now().Sub(p.Since) }
