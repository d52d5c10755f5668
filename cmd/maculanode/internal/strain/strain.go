// Package strain measures how much memory the process uses, how much it may,
// and how long its goroutines wait for a processor: what load adaptation goes
// by.
package strain

import (
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/maculamesh/macula/node/pressure"
)

// The metrics that are read, in the order of Meter.samples.
const (
	total     = iota // mapped by the runtime
	released         // of that, given back to the system
	free             // could be given back
	unused           // reserved for objects that are not there
	objects          // objects, dead ones that were not swept yet too
	live             // objects that the last collection has found in use
	limit            // GOMEMLIMIT
	cycles           // collections
	latencies        // of goroutines that are ready
	count
)

var names = [count]string{
	"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes",
	"/memory/classes/heap/unused:bytes", "/memory/classes/heap/objects:bytes", "/gc/heap/live:bytes",
	"/gc/gomemlimit:bytes", "/gc/cycles/total:gc-cycles", "/sched/latencies:seconds",
}

const (
	// lookAgain is after how many readings the limit of the control group is read
	// again: it can be changed while the process runs.
	lookAgain = 10
	// collectAfter is after how many readings without a collection one is made,
	// when much of the memory seems to be in use: what is free by now would else
	// count until somebody allocates.
	collectAfter = 10
	// collectAbove is much, as a share of the limit: below what an operator is
	// likely to choose for the lowest level, less its margin. Above the share at
	// which a level is left, an idle process would stay at that level.
	collectAbove = 0.25
	// fewWaits are too few to say what 99 of 100 wait.
	fewWaits = 100
)

// Meter reads the figures. It is not safe for concurrent use.
type Meter struct {
	root    fs.FS
	samples [count]metrics.Sample
	waits   []uint64 // counts of the histogram at the last reading
	reads   int
	group   int64 // the limit of the control group; 0 is none
	cycles  uint64
	idle    int // readings since the last collection
}

// New returns a meter of this process.
func New() *Meter { return newMeter(os.DirFS("/")) }

func newMeter(root fs.FS) *Meter {
	m := &Meter{root: root}
	for i := range m.samples {
		m.samples[i].Name = names[i]
	}
	return m
}

// Read returns the figures of now. Used is what is in use by the last
// collection, with stacks and what the runtime itself needs: garbage that nobody
// had to collect yet is no pressure. Limit is GOMEMLIMIT, else the limit of the
// control group, else 0. Latency is that since the reading before. It takes
// microseconds, and now and then as long as a collection.
func (m *Meter) Read() pressure.Sample {
	s := m.read()
	if c := m.value(cycles); c != m.cycles {
		m.cycles, m.idle = c, 0
	} else if m.idle++; m.idle >= collectAfter && s.Limit > 0 && float64(s.Used) >= collectAbove*float64(s.Limit) {
		runtime.GC()
		latency := s.Latency
		s = m.read()
		m.cycles, m.idle, s.Latency = m.value(cycles), 0, latency
	}
	return s
}

func (m *Meter) read() pressure.Sample {
	metrics.Read(m.samples[:])
	s := pressure.Sample{Used: m.used(), Limit: m.limit()}
	if h := m.samples[latencies]; h.Value.Kind() == metrics.KindFloat64Histogram {
		now := h.Value.Float64Histogram()
		s.Latency = since(now.Buckets, m.waits, now.Counts)
		m.waits = append(m.waits[:0], now.Counts...)
	}
	return s
}

// used is what counts against the limit and a collection would not free.
func (m *Meter) used() int64 {
	garbage := uint64(0)
	if o, l := m.value(objects), m.value(live); l > 0 && o > l {
		garbage = o - l
	}
	return int64(m.value(total) - m.value(released) - m.value(free) - m.value(unused) - garbage)
}

// limit is GOMEMLIMIT, or that of the control group.
func (m *Meter) limit() int64 {
	if l := m.value(limit); l > 0 && l < math.MaxInt64 {
		return int64(l)
	}
	if m.reads%lookAgain == 0 {
		m.group = groupLimit(m.root)
	}
	m.reads++
	return m.group
}

// value is a metric, or 0 when this runtime has none of that name.
func (m *Meter) value(i int) uint64 {
	if v := m.samples[i].Value; v.Kind() == metrics.KindUint64 {
		return v.Uint64()
	}
	return 0
}

// since is what 99 of 100 of those wait no longer than that were counted
// between two readings of a histogram; 0 when there were few.
func since(bounds []float64, before, now []uint64) time.Duration {
	if len(before) != len(now) || len(bounds) != len(now)+1 {
		return 0
	}
	sum := uint64(0)
	for i := range now {
		sum += now[i] - before[i]
	}
	if sum < fewWaits {
		return 0
	}
	rest := sum / 100 // may wait longer
	for i := len(now) - 1; i >= 0; i-- {
		n := now[i] - before[i]
		if n > rest {
			upper := bounds[i+1]
			if math.IsInf(upper, 1) {
				upper = bounds[i]
			}
			return time.Duration(max(upper, 0) * float64(time.Second))
		}
		rest -= n
	}
	return 0
}
