// Package clients is the table of attached clients: at most Limit of them,
// one session per authenticated id.
//
// Everything that belongs to a client is keyed by its session, never by its
// id alone: when two sessions of one id overlap, the end of the older one
// takes nothing away from the newer.
package clients

import (
	"cmp"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Config holds the limits. Zero fields take the default beside them.
type Config struct {
	Limit      int           // attached clients; 10,000
	Takeovers  int           // how often in a minute a newer session takes over without a look whether the older one is alive; 3: two machines with one key would do it for ever
	RetryAfter time.Duration // told to a client that finds no place, plus up to as much again; 5 s, so that refused ones do not return at once together
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.Limit = cmp.Or(c.Limit, 10_000)
	c.Takeovers = cmp.Or(c.Takeovers, 3)
	c.RetryAfter = cmp.Or(c.RetryAfter, 5*time.Second)
	return c
}

// Session is one attachment of a client.
type Session[C any] struct {
	ID   transport.PeerID
	Ref  bounded.Ref // the session: unique for the life of the table
	Conn C

	shed  bool          // out because of a lower limit; its connection is not closed yet
	turns *backoff.Rate // of the id: how often a newer session took over lately; nil as long as none has
}

// Table holds the sessions. All methods are safe for concurrent use and none
// blocks.
type Table[C any] struct {
	r   rt.Runtime
	cfg Config

	mu       rt.Mutex
	byID     *bounded.Map[transport.PeerID, *Session[C]]
	admit    int // newcomers are refused from so many on; the limit or fewer
	shedding int // sessions that were shed and are not closed yet
	counts   Counts
}

// Counts are the totals of a table.
type Counts struct {
	Admitted   uint64
	Refused    uint64
	Superseded uint64
	Disputed   uint64 // takeovers that were refused because the older session is alive
	Left       uint64
	Shed       uint64 // told to go because the limit was lowered

	RefusedPressure uint64 // of the refused ones: there was a place, but the node was short of memory
	Peak            int    // most attached at a time
}

// New returns an empty table.
func New[C any](r rt.Runtime, cfg Config) *Table[C] {
	cfg = cfg.WithDefaults()
	return &Table[C]{r: r, cfg: cfg, mu: rt.NewMutex(r), admit: cfg.Limit, byID: bounded.NewMap[transport.PeerID, *Session[C]]("clients", cfg.Limit)}
}

// Admit attaches a client. An older session of the same id is superseded in
// the same step, full table or not, and returned: the caller ends it. When the
// table is full the error is Overload with a retry-after.
//
// When the id has changed hands too often lately the error is Superseded, with
// the time after which it may again, and older is the session that stays
// unless it gives no sign of life: then the caller calls again with it as
// dead.
func (t *Table[C]) Admit(id transport.PeerID, c C, dead *Session[C]) (s, older *Session[C], err error) {
	s = &Session[C]{ID: id, Conn: c}
	now := t.r.Now()
	t.mu.Lock()
	older, _, _ = t.byID.Get(id, 0)
	if older != nil && older != dead && older.turns != nil {
		if wait := older.turns.Wait(now); wait > 0 {
			t.mu.Unlock()
			return nil, older, &fault.Error{Op: "clients.Admit", Kind: fault.Superseded, Detail: "another session of this id is alive, and they take turns: two machines have the key", RetryAfter: wait}
		}
	}
	if older == nil {
		if refused := t.refusal(); refused != nil {
			t.mu.Unlock()
			refused.RetryAfter = t.RetryAfter()
			return nil, nil, refused
		}
	}
	s.Ref, _ = t.byID.Put(id, s, 0) // there is room, or it takes the place of the older one
	t.counts.Admitted++
	t.counts.Peak = max(t.counts.Peak, t.byID.Len())
	if older != nil {
		t.counts.Superseded++
		if s.turns = older.turns; s.turns == nil {
			s.turns = backoff.NewRate(t.cfg.Takeovers, time.Minute)
		}
		s.turns.Note(now)
	}
	t.mu.Unlock()
	return s, older, nil
}

// Disputed counts a takeover that was refused: the older session is alive.
func (t *Table[C]) Disputed() {
	t.mu.Lock()
	t.counts.Disputed++
	t.mu.Unlock()
}

// Remove detaches a session and reports whether it was attached: one that was
// superseded or shed is not.
func (t *Table[C]) Remove(s *Session[C]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.shed {
		s.shed = false
		t.shedding--
	}
	if _, ok := t.byID.Delete(s.ID, s.Ref); !ok {
		return false
	}
	t.counts.Left++
	return true
}

// Get returns the session of id.
func (t *Table[C]) Get(id transport.PeerID) (*Session[C], bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, _, ok := t.byID.Get(id, 0)
	return s, ok
}

// Sessions returns all sessions, the oldest first.
func (t *Table[C]) Sessions() []*Session[C] {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*Session[C], 0, t.byID.Len())
	for _, s := range t.byID.All() {
		out = append(out, s)
	}
	return out
}

// Stats is what a table holds.
type Stats struct {
	Limit, Attached int
	Admission       int // newcomers are refused from so many on: the limit, or fewer while the node is short of memory
	Shedding        int // sessions over a limit that was lowered, whose connections are not closed yet
	Counts
}

// Stats returns the books at this moment.
func (t *Table[C]) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{Limit: t.byID.Cap(), Attached: t.byID.Len(), Admission: t.admit, Shedding: t.shedding, Counts: t.counts}
}

// Check compares the books with the limit in constant time.
func (t *Table[C]) Check() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.byID.Len(); n > t.byID.Cap() {
		return fmt.Errorf("clients: %d attached, the limit is %d", n, t.byID.Cap())
	}
	return nil
}

// Audit recounts the table.
func (t *Table[C]) Audit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID.Recount()
}
