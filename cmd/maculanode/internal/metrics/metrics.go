// Package metrics shows the books of a node to Prometheus. Every name begins
// with macula_, every unit is a base unit, and every set of labels is closed:
// no id of a peer, a client or a call ever becomes a label, so the number of
// series does not depend on who comes and goes.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/histogram"
)

// Source is what a collector asks at every scrape, once.
type Source interface {
	// Snapshot returns the books at this moment. It must not block for long and
	// may be called by several at the same time.
	Snapshot() Snapshot
}

// Snapshot is the books of a node and its process at one moment.
type Snapshot struct {
	Version  string
	Now      time.Time // by the calendar, as all times here
	Started  time.Time
	Ready    bool // others should come to this node
	Node     node.Status
	Pressure node.Pressure
	Sight    node.Sight // with the tables of the process besides those of the node
	Handlers int        // the limit of running handlers
	Conns    int        // the limit of connections of the transport

	LogLinesLeftOut uint64
	ReloadsChanged  uint64
	ReloadsRefused  uint64
	ReloadFailed    bool      // the last reload was refused
	Reloaded        time.Time // when the configuration was taken last; Started before the first reload
	Certificate     time.Time // until when the certificate is valid
}

// New returns a registry with the metrics of a node, of its process and of the
// Go runtime.
func New(src Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(src), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// family is a metric with all of its series.
type family struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	help   string
	read   func(s *Snapshot, put put)
}

// put adds one series: its value, and those of the labels.
type put func(v float64, labels ...string)

// spread is a histogram.
type spread struct {
	name string
	help string
	read func(s *Snapshot) *histogram.Snapshot
}

// collector implements prometheus.Collector.
type collector struct {
	src      Source
	families []*prometheus.Desc // as in the table
	spreads  []*prometheus.Desc
}

func newCollector(src Source) *collector {
	c := &collector{src: src}
	for _, f := range families {
		c.families = append(c.families, prometheus.NewDesc(f.name, f.help, f.labels, nil))
	}
	for _, h := range spreads {
		c.spreads = append(c.spreads, prometheus.NewDesc(h.name, h.help, nil, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append(c.families, c.spreads...) {
		ch <- d
	}
}

// Collect implements prometheus.Collector: all metrics of a scrape are of one
// snapshot.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.src.Snapshot()
	for i, f := range families {
		f.read(&s, func(v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(c.families[i], f.kind, v, labels...)
		})
	}
	for i, h := range spreads {
		n, sum, buckets := cumulative(h.read(&s))
		ch <- prometheus.MustNewConstHistogram(c.spreads[i], n, sum, buckets)
	}
}

// cumulative turns counts per bucket into what Prometheus wants: how many were
// at most as long as each bound.
func cumulative(h *histogram.Snapshot) (n uint64, sum float64, buckets map[float64]uint64) {
	buckets = map[float64]uint64{} // bound: the buckets
	for i, bound := range histogram.Bounds() {
		n += h.Counts[i]
		buckets[bound.Seconds()] = n
	}
	return n + h.Counts[histogram.Buckets], h.Sum.Seconds(), buckets
}
