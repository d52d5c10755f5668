package rpc

import (
	"errors"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// health remembers which providers have let calls down, and leaves those out
// for a while that did it again and again: outlier ejection, as Envoy calls it.
//
// Only silence counts: the provider had the call, and said nothing in the time
// that it had. What this node refuses, because one of its own limits is reached,
// says nothing of the provider; what the provider refuses is an answer; and for
// one that cannot be dialled the pool waits longer and longer.
//
// A value for one owner: not safe for concurrent use.
type health struct {
	cfg   CallerConfig
	table *bounded.Map[transport.PeerID, *letdowns]
}

// letdowns is what is remembered of a provider since its last answer.
type letdowns struct {
	count int       // calls in flight together count as one
	last  mono.Time // when the last of them was counted
	times int       // that it was left out
	until mono.Time // when it may be asked again
}

func newHealth(cfg CallerConfig) health {
	return health{cfg: cfg, table: bounded.NewMap[transport.PeerID, *letdowns]("let down by", cfg.Remembered)}
}

// letDown counts a call that was with the provider from begun to now without an
// answer, and reports whether the provider is left out for that. One that does
// not fit into the table any more is not counted: it is asked like everybody
// else.
func (h *health) letDown(id transport.PeerID, begun, now mono.Time) bool {
	d, _, ok := h.table.Get(id, now)
	if !ok {
		d = &letdowns{}
	} else if begun.Before(d.last) {
		return false // it was in flight with one that counted
	}
	d.count, d.last = d.count+1, now
	if _, err := h.table.Put(id, d, now.Add(h.forget())); err != nil || d.count < h.cfg.EjectAfter || now.Before(d.until) {
		return false
	}
	d.until = now.Add(min(h.cfg.EjectFor<<min(d.times, 10), h.cfg.MaxEject))
	d.times++
	return true
}

// forget is how long a call that was let down is remembered when no other one
// follows: twice as long as anybody is left out.
func (h *health) forget() time.Duration { return 2 * h.cfg.MaxEject }

// answered forgets what the provider has done before.
func (h *health) answered(id transport.PeerID) {
	if h.table.Len() > 0 {
		h.table.DeleteAny(id)
	}
}

// ejected reports whether the provider is left out at now.
func (h *health) ejected(id transport.PeerID, now mono.Time) bool {
	d, _, ok := h.table.Get(id, now)
	return ok && now.Before(d.until)
}

// blames reports whether the end of an attempt is the provider's doing, which
// had the call for so long. A caller that waits for less than a tenth of what is
// usual is impatient, and says nothing of the provider.
func (h *health) blames(err error, waited time.Duration) bool {
	return fault.KindOf(err) == fault.Deadline && !remote(err) && waited >= h.cfg.Timeout/10
}

// remote reports whether the provider itself has said err.
func remote(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Remote
}
