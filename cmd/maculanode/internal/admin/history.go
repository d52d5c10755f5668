package admin

import (
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// maxSamples is an hour of points ten seconds apart, and the one before it.
const maxSamples = 361

// latencyMetric is the histogram from which the latency chart is made.
const latencyMetric = "macula_rpc_call_duration_seconds"

// history is the ring of samples of the last hour. Its one writer is the
// sampler.
type history struct {
	gatherer prometheus.Gatherer

	mu      sync.Mutex
	samples []sample // bound: maxSamples; the oldest first
	holders []control.Holder
	buckets []bucket // of the latency, at the last sample
}

// sample is what is kept of one moment.
type sample struct {
	at      float64 // seconds of the uptime
	peers   float64
	clients float64
	known   float64 // services
	heap    float64 // bytes
	tasks   float64 // goroutines
	p99     float64 // seconds, of the calls since the sample before; NaN when there were none
	counts  [len(counters)]uint64
}

// counters are what the page shows per second.
var counters = [...]struct {
	name string
	of   func(*control.Status) uint64
}{
	{"calls answered here", func(s *control.Status) uint64 { return s.Server.Served }},
	{"calls refused here", func(s *control.Status) uint64 { return s.Server.Refused }},
	{"calls made from here", func(s *control.Status) uint64 { return s.Caller.OK + s.Caller.Failed }},
	{"of those failed", func(s *control.Status) uint64 { return s.Caller.Failed }},
	{"failovers", func(s *control.Status) uint64 { return s.Caller.Failovers }},
	{"peers dialled", func(s *control.Status) uint64 { return s.Pool.Dials }},
	{"dials failed", func(s *control.Status) uint64 { return s.Pool.DialErrors }},
	{"peers admitted", func(s *control.Status) uint64 { return s.Pool.Admitted }},
	{"peers evicted", func(s *control.Status) uint64 { return s.Pool.Evicted }},
	{"clients admitted", func(s *control.Status) uint64 { return s.Clients.Admitted }},
	{"clients refused", func(s *control.Status) uint64 { return s.Clients.Refused }},
	{"services added", func(s *control.Status) uint64 { return s.Registry.Added }},
	{"services refreshed", func(s *control.Status) uint64 { return s.Registry.Refreshed }},
	{"services expired", func(s *control.Status) uint64 { return s.Registry.Expired }},
	{"services refused", func(s *control.Status) uint64 { return s.Registry.Refused }},
	{"leases refused", func(s *control.Status) uint64 { return s.Ledger.Refused }},
}

// These are the places of two of them.
const (
	countServed = 0
	countMade   = 2
)

func newHistory(g prometheus.Gatherer) *history { return &history{gatherer: g} }

// add takes a sample.
func (h *history) add(s *control.Status, holders []control.Holder) {
	n := sample{
		at: s.Uptime, peers: float64(s.Pool.Now), clients: float64(s.Clients.Now), known: float64(s.Registry.Now),
		heap: float64(s.Process.Heap), tasks: float64(s.Process.Goroutines),
	}
	for i := range counters {
		n.counts[i] = counters[i].of(s)
	}
	buckets := h.latency()
	h.mu.Lock()
	defer h.mu.Unlock()
	n.p99 = math.NaN()
	if len(h.samples) > 0 {
		n.p99 = quantile(0.99, since(h.buckets, buckets))
	}
	h.buckets, h.holders = buckets, holders
	if len(h.samples) == maxSamples {
		h.samples = h.samples[:copy(h.samples, h.samples[1:])]
	}
	h.samples = append(h.samples, n)
}

// read returns a copy of the samples, and who held the most at the last one.
func (h *history) read() ([]sample, []control.Holder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]sample(nil), h.samples...), h.holders
}

// rate is how often per second a counter has gone up over about so many
// seconds. It is NaN as long as there are no two samples.
func rate(all []sample, counter int, over float64) float64 {
	if len(all) < 2 {
		return math.NaN()
	}
	last := &all[len(all)-1]
	from := &all[0]
	for i := len(all) - 2; i >= 0; i-- {
		if last.at-all[i].at >= over-0.5 { // a tick may come a little early
			from = &all[i]
			break
		}
	}
	return slope(from, last, counter)
}

// slope is how often per second a counter went up between two samples.
func slope(from, to *sample, counter int) float64 {
	took := to.at - from.at
	if took <= 0 || to.counts[counter] < from.counts[counter] {
		return math.NaN()
	}
	return float64(to.counts[counter]-from.counts[counter]) / took
}

// bucket is one of a histogram: how many were at most that long, those of the
// buckets below included.
type bucket struct {
	most  float64
	count uint64
}

// latency reads the histogram of the calls, nil if there is none.
func (h *history) latency() []bucket {
	if h.gatherer == nil {
		return nil
	}
	families, _ := h.gatherer.Gather() // what there is, beside an error
	for _, f := range families {
		if f.GetName() != latencyMetric || f.GetType() != dto.MetricType_HISTOGRAM {
			continue
		}
		var sum []bucket
		total := uint64(0)
		for _, m := range f.GetMetric() {
			total += m.GetHistogram().GetSampleCount()
			for i, b := range m.GetHistogram().GetBucket() {
				if i == len(sum) {
					sum = append(sum, bucket{most: b.GetUpperBound()})
				}
				sum[i].count += b.GetCumulativeCount()
			}
		}
		return append(sum, bucket{math.Inf(1), total})
	}
	return nil
}

// since is what came into the buckets between two readings.
func since(from, to []bucket) []bucket {
	if len(from) != len(to) {
		return nil
	}
	out := make([]bucket, len(to))
	for i := range to {
		if to[i].count < from[i].count {
			return nil
		}
		out[i] = bucket{to[i].most, to[i].count - from[i].count}
	}
	return out
}

// quantile is the value below which that share of what was counted lies, by a
// straight line within its bucket, as Prometheus does it. It is NaN when
// nothing was counted, and the highest bound when it lies above that.
func quantile(q float64, b []bucket) float64 {
	if len(b) == 0 || b[len(b)-1].count == 0 {
		return math.NaN()
	}
	rank := q * float64(b[len(b)-1].count)
	for i := range b {
		if float64(b[i].count) < rank {
			continue
		}
		low, before := 0.0, uint64(0)
		if i > 0 {
			low, before = b[i-1].most, b[i-1].count
		}
		if math.IsInf(b[i].most, 1) || b[i].count == before {
			return low
		}
		return low + (b[i].most-low)*(rank-float64(before))/float64(b[i].count-before)
	}
	return b[len(b)-1].most
}
