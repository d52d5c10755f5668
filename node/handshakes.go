package node

import (
	"errors"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
)

// HandshakeCounts are how accepted connections have ended their way in.
type HandshakeCounts struct {
	Admitted uint64
	Refused  uint64 // by this node, with a reason
	Failed   uint64 // the other end went away, said nothing in time, or what cannot be understood

	// Of the refused ones, those who wanted to be clients, beside those that
	// the table of clients counts: no place, and another session that is alive.
	ClientsDraining     uint64
	ClientsUnauthorized uint64
	ClientsOther        uint64
}

// handshakes are the accepted connections that are on their way in. All
// methods are safe for concurrent use and none blocks.
type handshakes struct {
	r rt.Runtime

	mu     rt.Mutex
	open   *bounded.Map[uint64, mono.Time] // since when, in the order of their coming
	last   uint64
	counts HandshakeCounts
}

func newHandshakes(r rt.Runtime, limit int) *handshakes {
	return &handshakes{r: r, mu: rt.NewMutex(r), open: bounded.NewMap[uint64, mono.Time]("handshakes", limit)}
}

// begin notes a connection; the result is to be called when it is in or out.
func (h *handshakes) begin() (end func()) {
	now := h.r.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	id := h.last
	h.open.Put(id, now, 0) // there is a place for each, so there is room
	return func() {
		h.mu.Lock()
		h.open.DeleteAny(id)
		h.mu.Unlock()
	}
}

// admitted counts a connection that is in.
func (h *handshakes) admitted() {
	h.mu.Lock()
	h.counts.Admitted++
	h.mu.Unlock()
}

// ended counts a connection that is not let in because of err.
func (h *handshakes) ended(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var f *fault.Error
	if ours(fault.KindOf(err)) && !(errors.As(err, &f) && f.Remote) {
		h.counts.Refused++
	} else {
		h.counts.Failed++
	}
}

// ours reports whether this node refuses connections for that reason; others
// are those of connections that come to nothing.
func ours(k fault.Kind) bool {
	switch k {
	case fault.Overload, fault.Unauthorized, fault.RealmMismatch, fault.Draining, fault.Superseded, fault.Version, fault.Invalid:
		return true
	}
	return false
}

// endedClient counts a client that is not let in because of err.
func (h *handshakes) endedClient(err error) {
	h.ended(err)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch fault.KindOf(err) {
	case fault.Overload, fault.Superseded: // the table has counted it
	case fault.Draining:
		h.counts.ClientsDraining++
	case fault.Unauthorized:
		h.counts.ClientsUnauthorized++
	default:
		h.counts.ClientsOther++
	}
}

// totals returns the counts so far.
func (h *handshakes) totals() HandshakeCounts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts
}

// oldest is since when the oldest one is on its way; zero without any.
func (h *handshakes) oldest() mono.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, since := range h.open.All() {
		return since
	}
	return 0
}

// stats returns the books of the table.
func (h *handshakes) stats() bounded.Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open.Stats()
}
