package link

import (
	"sync/atomic"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/transport"
)

// Totals are the counts of all links of a node, those that have ended
// included. The zero value is ready to use. Its methods are safe for
// concurrent use and never block.
type Totals struct {
	in, out, halves       gauge
	refusedIn, refusedOut atomic.Uint64
	refusedHalves         atomic.Uint64
	late, cancelled, gone atomic.Uint64
}

// TotalCounts are the counts of Totals at one moment.
type TotalCounts struct {
	PeakIn, PeakOut       int    // most calls in flight at a time: the peers', ours
	PeakHalves            int    // most streams half closed at a time
	RefusedIn, RefusedOut uint64 // calls for which the table of their link had no room
	RefusedHalves         uint64 // streams that were half closed and not noted
	Late                  uint64 // replies that nobody waited for any more
	Cancelled             uint64 // calls that their caller gave up
	Gone                  uint64 // calls of peers whose caller went away before the answer
}

// Counts returns the totals so far.
func (t *Totals) Counts() TotalCounts {
	return TotalCounts{
		PeakIn: int(t.in.peak.Load()), PeakOut: int(t.out.peak.Load()), PeakHalves: int(t.halves.peak.Load()),
		RefusedIn: t.refusedIn.Load(), RefusedOut: t.refusedOut.Load(), RefusedHalves: t.refusedHalves.Load(),
		Late: t.late.Load(), Cancelled: t.cancelled.Load(), Gone: t.gone.Load(),
	}
}

// gauge counts what there is, and the most that there ever was.
type gauge struct{ now, peak atomic.Int64 }

func (g *gauge) more() {
	now := g.now.Add(1)
	for peak := g.peak.Load(); now > peak && !g.peak.CompareAndSwap(peak, now); {
		peak = g.peak.Load()
	}
}

func (g *gauge) less(n int) { g.now.Add(int64(-n)) }

// Glance is what is seen of a link without a list of its calls.
type Glance struct {
	In, Out    bounded.Stats // the tables of calls in flight
	Halves     bounded.Stats // the table of streams that are half closed
	Abandoned  int           // calls of the peer that nobody waits for any more, and whose handlers have not returned
	OldestCall mono.Time     // when the oldest call in flight began; zero without one
	HalfClosed mono.Time     // since when the oldest stream waits for the peer to end its half; zero without one
}

// Glance looks at a link. Its work is in proportion to the calls in flight.
func (l *Link) Glance() Glance {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := Glance{In: l.inbound.Stats(), Halves: l.halves.Stats()}
	older := func(t mono.Time) {
		if g.OldestCall.IsZero() || t.Before(g.OldestCall) {
			g.OldestCall = t
		}
	}
	for _, in := range l.inbound.All() {
		older(in.begun)
		if in.over() != nil {
			g.Abandoned++
		}
	}
	if l.pending != nil {
		g.Out = l.pending.Stats()
		for _, p := range l.pending.All() {
			older(p.begun)
		}
	}
	for _, since := range l.halves.All() {
		g.HalfClosed = since
		break // they are in the order of their coming
	}
	return g
}

// maxHalves is how many streams a link knows to be half closed. The transport
// and the ledger let a peer have no more than that.
const maxHalves = 256

// half notes that our half of a stream has ended, and the peer's has not.
func (l *Link) half(s transport.Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return // the task that would say that it is whole may be gone already
	}
	if _, err := l.halves.Put(s, l.r.Now(), 0); err != nil {
		l.deps.Totals.refusedHalves.Add(1) // it is not seen, and nothing else
		return
	}
	l.deps.Totals.halves.more()
}

// whole notes that a stream has ended.
func (l *Link) whole(s transport.Stream) {
	l.mu.Lock()
	_, ok := l.halves.DeleteAny(s)
	l.mu.Unlock()
	if ok {
		l.deps.Totals.halves.less(1)
	}
}

// InFlight is a call that has no answer yet.
type InFlight struct {
	Service string
	Caller  transport.PeerID // who asked
	Out     bool             // ours
	Begun   mono.Time
	Until   mono.Time // its deadline
	Bytes   int       // of the request
}

// InFlight lists calls in flight, at most as many as given of each direction,
// the oldest first in each.
func (l *Link) InFlight(most int) (list []InFlight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending != nil {
		for _, p := range l.pending.All() {
			if len(list) == most {
				break
			}
			list = append(list, InFlight{Service: p.name, Caller: p.caller, Out: true, Begun: p.begun, Until: p.until, Bytes: p.bytes})
		}
	}
	ours := len(list)
	for _, in := range l.inbound.All() {
		if len(list)-ours == most {
			break
		}
		list = append(list, InFlight{Service: in.Name, Caller: in.Caller, Begun: in.begun, Until: in.deadline, Bytes: in.bytes})
	}
	return list
}
