package main

import (
	"fmt"
	"time"
)

// The bounds of the verdict.
const (
	// leak is the slowest leak that a run which is long enough has to find, in
	// bytes a second. The bound is half of it: a leak of that size is as far
	// above it as a clean run is below.
	leak = 1024
	// restFloor is by how much the live heap of a node at rest may differ from
	// one time to the next in bytes, however short the run: maps that were
	// larger once, buffers that are kept. Measured were up to 140 KiB. So a leak
	// of leak is found when restFloor/leak seconds lie between the rests, and a
	// bit more: from three minutes of load on.
	restFloor = 192 << 10
	// rssBound is for resident memory under load, in bytes a second: the
	// collector gives memory back late and in large pieces.
	rssBound = 8 << 10
	// rssRest is by how much resident memory at rest may differ, in bytes, in a
	// short run.
	rssRest = 8 << 20
	// slopesFrom is for how long slopes under load are taken at least, in
	// seconds: in less, tables that fill and the collector's own pace make a
	// slope of anything. A shorter load is judged by the rests alone.
	slopesFrom = 600
	// warmed is the share of the load after which slopes are taken.
	warmed = 1.0 / 3
)

// exact are the series that must be the same at rest, before and after, and
// by how much they may differ.
var exact = map[string]float64{"goroutines": 0, "descriptors": 0, "leases": 0, "ledger_bytes": 0, "pool": 0, "clients": 0, "services": 0, "streams": 0}

// finding is one line of the verdict.
type finding struct {
	Node string `json:"node,omitempty"`
	What string `json:"what"`
	Saw  string `json:"saw"`
	OK   bool   `json:"ok"`
}

// verdict is what a run has shown.
type verdict struct {
	Flat     bool      `json:"flat"`
	Findings []finding `json:"findings"`
}

func (v *verdict) add(ok bool, node, what, format string, args ...any) {
	v.Findings = append(v.Findings, finding{node, what, fmt.Sprintf(format, args...), ok})
	v.Flat = v.Flat && ok
}

// failed are the findings that are not as they should be.
func (v *verdict) failed() []finding {
	var out []finding
	for _, f := range v.Findings {
		if !f.OK {
			out = append(out, f)
		}
	}
	return out
}

// watched is one node of a run.
type watched struct {
	Name    string
	Samples []sample
	Pool    int // its caps
	Clients int
}

// phase returns the samples of one phase; of those that come twice, those
// before the load or those after it.
func (w *watched) phase(name string, after bool) []sample {
	loaded := false
	var out []sample
	for _, s := range w.Samples {
		loaded = loaded || s.Phase == phaseLoad
		if s.Phase == name && (name == phaseLoad || loaded == after) {
			out = append(out, s)
		}
	}
	return out
}

// atRest is what one series was at rest, before the load or after it. Of the
// live heap that is the least that any collection found: what is allocated
// while it runs counts as in use.
func (w *watched) atRest(x *series, after bool) (point, bool) {
	rest := w.phase(phaseRest, after)
	if len(rest) == 0 {
		return point{}, false
	}
	p := level(rest, x.read)
	if x.key == "heap_live" {
		for _, s := range append(w.phase(phaseKnock, after), rest...) {
			p.value = min(p.value, x.read(&s))
		}
	}
	return p, true
}

// late are the samples of the load that slopes are taken from.
func (w *watched) late() []sample {
	all := w.phase(phaseLoad, false)
	return all[int(float64(len(all))*warmed):]
}

// points are the values of one series.
func points(samples []sample, read func(*sample) float64) []point {
	var out []point
	for i := range samples {
		out = append(out, point{samples[i].At, read(&samples[i])})
	}
	return out
}

// level is the median of one series and of its times.
func level(samples []sample, read func(*sample) float64) point {
	var v, t []float64
	for i := range samples {
		v, t = append(v, read(&samples[i])), append(t, samples[i].At)
	}
	return point{medianOf(t), medianOf(v)}
}

// judge looks at what the nodes held.
func judge(nodes []*watched) verdict {
	v := verdict{Flat: true}
	for _, w := range nodes {
		judgeCaps(&v, w)
		judgeLoad(&v, w)
		judgeRest(&v, w)
	}
	return v
}

func judgeCaps(v *verdict, w *watched) {
	for _, c := range []struct {
		key string
		cap int
	}{{"pool", w.Pool}, {"clients", w.Clients}} {
		read, high, full := find(c.key).read, 0.0, 0
		load := w.phase(phaseLoad, false)
		for i := range w.Samples {
			high = max(high, read(&w.Samples[i]))
		}
		for i := range load {
			if read(&load[i]) >= 0.9*float64(c.cap) {
				full++
			}
		}
		share := 100 * full / max(1, len(load))
		v.add(high == float64(c.cap) && share >= 50, w.Name, c.key+" at its cap and not above it",
			"at most %.0f of %d; within a tenth of it for %d %% of the time", high, c.cap, share)
	}
}

func judgeLoad(v *verdict, w *watched) {
	late := w.late()
	if n := len(late); n == 0 || late[n-1].At-late[0].At < slopesFrom {
		return
	}
	for _, c := range []struct {
		key   string
		bound float64
	}{{"heap_live", leak / 2}, {"rss", rssBound}} {
		read := find(c.key).read
		if c.key == "rss" && level(late, read).value == 0 {
			continue // not Linux
		}
		s := slopeOf(points(late, read))
		if s.Points == 0 {
			v.add(false, w.Name, find(c.key).title+" does not grow under load", "too few samples to say")
			continue
		}
		v.add(s.Low <= c.bound, w.Name, find(c.key).title+" does not grow under load", "%s, between %s and %s; red when all of that is above %s",
			rate(s.PerSecond), rate(s.Low), rate(s.High), rate(c.bound))
	}
}

// judgeRest compares a node at rest after the load with itself before.
func judgeRest(v *verdict, w *watched) {
	for i := range all {
		x := &all[i]
		a, ok := w.atRest(x, false)
		b, ok2 := w.atRest(x, true)
		if !ok || !ok2 {
			v.add(false, w.Name, "at rest it holds what it held before", "the run ended before the node was at rest")
			return
		}
		if x.key == "heap_live" {
			passed := b.at - a.at
			bound := restBound(passed)
			v.add(b.value-a.value < bound, w.Name, "live heap at rest is what it was before", "%s more after %v, which is %s; red from %s on",
				size(b.value-a.value), seconds(passed), rate((b.value-a.value)/passed), rate(bound/passed))
		}
		if x.key == "rss" && a.value > 0 {
			bound := max(rssRest, rssBound*(b.at-a.at))
			v.add(b.value-a.value < bound, w.Name, "resident memory at rest is what it was before", "%s, before %s; red from %s more on",
				size(b.value), size(a.value), size(bound))
		}
		if slack, ok := exact[x.key]; ok {
			v.add(b.value <= a.value+slack && b.value >= a.value-slack, w.Name, x.title+" at rest: as many as before", "%.0f, before %.0f", b.value, a.value)
		}
	}
}

// restBound is by how much the live heap may differ between two rests that are
// so many seconds apart.
func restBound(passed float64) float64 { return max(restFloor, leak/2*passed) }

// find is the series of that key.
func find(key string) *series {
	for i := range all {
		if all[i].key == key {
			return &all[i]
		}
	}
	panic("soak: no series " + key)
}

// rate prints bytes a second.
func rate(b float64) string { return size(b) + "/s" }

// size prints bytes.
func size(b float64) string {
	abs := max(b, -b)
	switch {
	case abs < 1000:
		return fmt.Sprintf("%.0f B", b)
	case abs < 1000<<10:
		return fmt.Sprintf("%.1f KiB", b/1024)
	}
	return fmt.Sprintf("%.2f MiB", b/(1<<20))
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
