// Package pool keeps the node's mesh connections: at most Cap of them, the
// least recently used idle one evicted for a newcomer, one dial per peer
// however many callers wait.
//
// What holds after every step: admitted connections are at most Cap, those of
// them that peers have dialled at most MaxInbound, dials in flight at most
// Dials, newcomers that wait for room at most Waiting, and evicted connections
// that are not closed yet at most Closing, beside those that a lower cap or
// another policy has shed. A connection in use is never evicted, and nothing is
// evicted before the newcomer is there to take the place: a failed dial costs
// nobody anything.
package pool

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Conn is a connection as the pool sees it.
type Conn interface {
	Peer() transport.PeerID
	// Dialled reports whether we opened it.
	Dialled() bool
	// Incarnation tells two runs of one peer apart.
	Incarnation() uint64
	// Alive asks the peer for a sign of life. It may block until ctx ends.
	Alive(ctx context.Context) bool
	// GoAway closes it gracefully within the deadline. It never blocks.
	GoAway(why fault.Kind, retryAfter, deadline time.Duration)
	// Refuse ends a connection that was not admitted. It may block.
	Refuse(err error)
}

// Config holds the limits. Zero fields take the default beside them.
type Config struct {
	Self         transport.PeerID // our id, for the tie-break
	Cap          int              // admitted connections; 1,000
	MaxInbound   int              // of those, the ones that peers have dialled; 0 is no limit of their own
	Dials        int              // dials in flight; 64: each costs a handshake on both sides
	DialRate     int              // dials begun in any second; 256: a pool that is smaller than what is called would dial for every call
	Targets      int              // peers that callers wait for a dial to; 1,024
	Waiting      int              // newcomers that wait for room; 128
	Closing      int              // evicted connections that are not closed yet; 64
	Addrs        int              // addresses tried in one dial; 4
	DrainTimeout time.Duration    // for the calls of an evicted connection; 2 s
	ProbeTimeout time.Duration    // for a sign of life when two connections compete; 1 s
	Takeovers    int              // how often in a minute a peer that has started anew takes the place of its older connection without a look whether that is alive; 3: two machines with one key would do it for ever
	RetryAfter   time.Duration    // told to a newcomer that found no room; 1 s
	Backoff      backoff.Config   // after a failed dial
	Remembered   int              // targets whose backoff is remembered; 4,096
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.Cap = cmp.Or(c.Cap, 1000)
	c.Dials = cmp.Or(c.Dials, 64)
	c.DialRate = cmp.Or(c.DialRate, 256)
	c.Targets = cmp.Or(c.Targets, 1024)
	c.Waiting = cmp.Or(c.Waiting, 128)
	c.Closing = cmp.Or(c.Closing, 64)
	c.Addrs = cmp.Or(c.Addrs, 4)
	c.Remembered = cmp.Or(c.Remembered, 4096)
	c.Takeovers = cmp.Or(c.Takeovers, 3)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 2*time.Second)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, time.Second)
	c.RetryAfter = cmp.Or(c.RetryAfter, time.Second)
	return c
}

// Deps is the world of a pool.
type Deps[C Conn] struct {
	Runtime rt.Runtime
	// Dial makes a connection that the peer has admitted.
	Dial func(ctx context.Context, peer transport.PeerID, addr transport.Addr) (C, error)
	// Run is told of every admitted connection that the pool dialled. It must
	// start a task that serves it, and call slot.Gone when it is closed. It
	// must not block.
	Run func(slot *Slot[C])
	// Mark is told when something rare happened; may be nil.
	Mark func(string)
}

// Pool is the table. All methods are safe for concurrent use.
type Pool[C Conn] struct {
	r     rt.Runtime
	cfg   Config
	deps  Deps[C]
	ctx   context.Context
	stop  context.CancelCauseFunc
	group *rt.Group
	slots *rt.Semaphore // dials in flight
	turn  *rt.Semaphore // of the dial that is the next to begin

	mu      rt.Mutex
	begun   *backoff.Rate // the dials of the last second
	lru     *bounded.LRU[transport.PeerID, *Slot[C]]
	dials   *bounded.Map[transport.PeerID, *dial[C]]
	retry   *bounded.Map[transport.PeerID, *target]
	inbound int      // what Config.MaxInbound says, or SetLimits
	waiting queue[C] // bound: cfg.Waiting
	closing int
	// shedding is those of them that were shed: see SetLimits.
	shedding int
	closed   bool
	counts   Counts

	mostWaiting, mostClosing, mostInbound int // at a time
}

// Counts are the totals of a pool.
type Counts struct {
	Hits, Misses      uint64 // Get found a connection, or had to wait for a dial
	Dials, DialErrors uint64
	Paced             uint64 // dials that had to wait for others to be a second old
	Admitted          uint64
	Evicted           uint64 // to make room
	Reaped            uint64 // idle for too long
	Superseded        uint64 // a newer connection of the same peer took over
	LimitLowered      uint64 // taken out because the cap or the quota was lowered
	Pressure          uint64 // idle ones, closed because the node was short of memory
	Policy            uint64 // taken out because the peer is not allowed any more
	Refused           uint64 // newcomers that found no room
	Peak              int    // most admitted at a time
}

// New returns an empty pool.
func New[C Conn](cfg Config, deps Deps[C]) *Pool[C] {
	cfg = cfg.WithDefaults()
	r := deps.Runtime
	p := &Pool[C]{
		r: r, cfg: cfg, deps: deps, inbound: cfg.MaxInbound,
		group: rt.NewGroup(r), slots: rt.NewSemaphore(r, cfg.Dials), turn: rt.NewSemaphore(r, 1), mu: rt.NewMutex(r),
		lru:   bounded.NewLRU[transport.PeerID, *Slot[C]]("pool", cfg.Cap),
		dials: bounded.NewMap[transport.PeerID, *dial[C]]("dials", cfg.Targets),
		begun: backoff.NewRate(cfg.DialRate, time.Second),
		retry: bounded.NewMap[transport.PeerID, *target]("backoff", cfg.Remembered),
	}
	p.ctx, p.stop = r.WithCancelCause(context.Background())
	return p
}

// Slot is the place of one admitted connection.
type Slot[C Conn] struct {
	Conn    C
	pool    *Pool[C]
	peer    transport.PeerID
	ref     bounded.Ref
	out     bool // evicted or superseded: closing
	shed    bool // out because of a lower cap or another policy
	why     fault.Kind
	reason  string        // why it is out, for people
	turns   *backoff.Rate // how often the peer started anew lately; nil as long as it has not
	dead    bool          // gave no sign of life
	leaving bool          // the peer asked us to stop using it
	gone    bool
}

// What Reason says.
const (
	reasonSuperseded = "another connection has taken over"
	reasonRoom       = "evicted for another peer"
	reasonLimit      = "limit lowered"
	reasonPolicy     = "not in the list of peers any more"
	reasonIdle       = "idle"
	reasonPressure   = "pressure"
	reasonClosed     = "node is shutting down"
)

// Order is higher for a connection that was admitted later.
func (s *Slot[C]) Order() uint64 { return uint64(s.ref) }

// Reason says why the pool has taken the connection out; empty when it has not.
func (s *Slot[C]) Reason() string {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return s.reason
}

// Use marks the connection as in use, so that it is not evicted, until Done.
// It reports false when the connection is being evicted already.
func (s *Slot[C]) Use() bool {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return !s.leaving && p.lru.Use(s.peer, s.ref)
}

// Another returns the connection that has taken the place of this one, in use,
// waiting for a dial that is under way, but not longer than ProbeTimeout: the
// caller may have another peer to ask. An error when there is none.
func (s *Slot[C]) Another(ctx context.Context) (*Slot[C], error) {
	soon, cancel := s.pool.r.WithTimeout(ctx, s.pool.cfg.ProbeTimeout)
	defer cancel()
	next, err := s.pool.Get(soon, s.peer)
	if next == s {
		s.Done()
		return nil, fault.New("pool.Another", fault.Unreachable, "there is no other connection")
	}
	return next, err
}

// Leave says that the peer has asked us to stop using the connection. It
// keeps its place until it is closed, but nobody gets it any more.
func (s *Slot[C]) Leave() {
	s.pool.mu.Lock()
	s.leaving = true
	s.pool.mu.Unlock()
}

// Done ends one Use. When the connection becomes idle, a waiting newcomer may
// take its place.
func (s *Slot[C]) Done() {
	p := s.pool
	p.mu.Lock()
	var out []*Slot[C]
	if !s.out && !s.gone {
		p.lru.Done(s.peer, s.ref, p.r.Now())
		if p.waiting.len() > 0 {
			out = p.serveWaiting()
		}
	}
	p.mu.Unlock()
	p.evict(out)
}

// Gone takes a connection that is closed out of the books. Exactly one call
// per slot, by whoever served the connection.
func (s *Slot[C]) Gone() {
	p := s.pool
	p.mu.Lock()
	switch {
	case s.gone:
	case s.out:
		p.closing--
		if s.shed {
			p.shedding--
		}
	default:
		p.lru.Remove(s.peer, s.ref)
	}
	s.gone = true
	out := p.serveWaiting()
	p.mu.Unlock()
	p.evict(out)
}

// Stats is what a pool holds.
type Stats struct {
	Cap, Open, InUse, Dialling, Waiting, Closing int
	Inbound                                      int // of those that are open: dialled by their peers
	InboundLimit                                 int // of those; Cap when they have no limit of their own
	Shedding                                     int // of those that are closing: over a cap that was lowered, or not allowed any more
	Counts
}

// Stats returns the books at this moment.
func (p *Pool[C]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{
		Cap: p.lru.Cap(), Open: p.lru.Len(), InUse: p.lru.InUse(), Dialling: p.dials.Len(),
		Inbound: p.lru.Marked(), InboundLimit: p.inboundLimit(),
		Waiting: p.waiting.len(), Closing: p.closing, Shedding: p.shedding, Counts: p.counts,
	}
}

// Conns returns the admitted connections in a fixed order.
func (p *Pool[C]) Conns() []C {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]C, 0, p.lru.Len())
	for _, s := range p.lru.All() {
		out = append(out, s.Conn)
	}
	return out
}

// Lookup returns the admitted connection to peer without touching it.
func (p *Pool[C]) Lookup(peer transport.PeerID) (C, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, _, ok := p.lru.Get(peer)
	if !ok {
		var none C
		return none, false
	}
	return s.Conn, true
}

// Check compares the books with the limits in constant time.
func (p *Pool[C]) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.lru.Len() > p.lru.Cap():
		return fmt.Errorf("pool: %d connections admitted, the cap is %d", p.lru.Len(), p.lru.Cap())
	case p.lru.Marked() > p.inboundLimit():
		return fmt.Errorf("pool: %d connections that peers have dialled, the quota is %d", p.lru.Marked(), p.inboundLimit())
	case p.waiting.len() > p.cfg.Waiting:
		return fmt.Errorf("pool: %d newcomers wait, the limit is %d", p.waiting.len(), p.cfg.Waiting)
	case p.closing-p.shedding > p.cfg.Closing && !p.closed:
		return fmt.Errorf("pool: %d connections are closing and %d were shed, the limit without those is %d", p.closing, p.shedding, p.cfg.Closing)
	case p.closing < p.shedding || p.shedding < 0:
		return fmt.Errorf("pool: closing is %d, %d of them shed", p.closing, p.shedding)
	}
	return nil
}

// Audit recounts the tables.
func (p *Pool[C]) Audit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, err := range []error{p.lru.Recount(), p.dials.Recount(), p.retry.Recount()} {
		if err != nil {
			return err
		}
	}
	inbound := 0
	for peer, s := range p.lru.All() {
		if s.out || s.gone || s.peer != peer {
			return fmt.Errorf("pool: the slot of a peer is out=%v gone=%v", s.out, s.gone)
		}
		if !s.Conn.Dialled() {
			inbound++
		}
	}
	if inbound != p.lru.Marked() {
		return fmt.Errorf("pool: peers have dialled %d connections, counted as %d", inbound, p.lru.Marked())
	}
	return p.waiting.recount()
}

// Reap closes connections that have been idle since before the instant, and
// returns how many. At most max, so that one call stays short.
func (p *Pool[C]) Reap(now, idleSince mono.Time, max int) int {
	var out []*Slot[C]
	p.mu.Lock()
	if rt.Buggify(p.r, "pool: reap early") {
		idleSince, max = now, 1
	}
	for len(out) < max && p.mayClose(1) {
		_, s, since, ok := p.lru.Oldest()
		if !ok || since.After(idleSince) {
			break
		}
		p.takeOut(s, fault.Overload)
		s.reason = reasonIdle
		p.counts.Reaped++
		out = append(out, s)
	}
	p.mu.Unlock()
	p.evict(out)
	return len(out)
}

// Close refuses everybody from now on, asks every connection to go away
// within the deadline and waits for the pool's own tasks. The connections end
// with the tasks that serve them.
func (p *Pool[C]) Close(why fault.Kind, deadline time.Duration) {
	p.stop(fault.New("pool", fault.Draining, "the node is shutting down"))
	var out []*Slot[C]
	p.mu.Lock()
	p.closed = true
	for _, s := range p.lru.All() {
		p.takeOut(s, why)
		s.reason = reasonClosed
		out = append(out, s)
	}
	p.waiting.removeIf(func(n *newcomer[C]) bool {
		n.finish(nil, errClosed())
		return true
	})
	p.mu.Unlock()
	for _, s := range out {
		s.Conn.GoAway(why, 0, deadline)
	}
	p.group.Close()
	p.group.Wait(context.Background())
}

func errClosed() error {
	return fault.New("pool", fault.Draining, "the node is shutting down")
}

func (p *Pool[C]) mark(name string) {
	if p.deps.Mark != nil {
		p.deps.Mark(name)
	}
}
