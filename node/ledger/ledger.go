// Package ledger is the budget of everything that a remote side can make a
// node hold. Whoever takes a connection, a stream, a call or a queued byte for
// a peer takes a lease on it first, and gives it back exactly once.
//
// A lease is charged to three accounts at a time: the peer's, its realm's and
// the node's; it is granted when all of them have room for all that it
// claims. Accounts of peers and realms exist only while something is held.
//
// All methods are safe for concurrent use and none blocks.
package ledger

import (
	"sync"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// Ledger holds the accounts and the leases.
type Ledger struct {
	cfg   Config
	realm [classes]Limit
	peer  [classes]Limit

	mu       sync.Mutex //simvet:allow sync a leaf knows no runtime; it guards a few additions, no call leaves the package and nothing parks under it
	node     *account
	realms   map[string]*account // bound: those with a lease
	peers    map[Scope]*account  // bound: those with a lease
	oldest   *record             // the live leases, in the order in which they were taken
	newest   *record
	spare    *record // records to use again, by next
	spares   int
	doubles  uint64
	refused  uint64
	acquired uint64
	peak     int
}

// Scope says whom a lease is charged to. It is a value; making one costs
// nothing and holds nothing.
type Scope struct {
	Realm string
	Peer  transport.PeerID
}

// Claim is what a lease holds of one class.
type Claim struct {
	Class Class
	Count int
	Bytes int64
}

// Lease is something held. Copies stand for the same lease. The zero Lease
// holds nothing.
type Lease struct {
	rec *record
	gen uint64
}

// usage is what an account or a lease holds of a class.
type usage struct {
	count int
	bytes int64
}

// account is the books of one scope. What it holds is never over its limits.
type account struct {
	scope  Scope
	above  *account // the wider scope; nil above the node
	limits *[classes]Limit
	held   [classes]usage
	leases int
}

// record is one lease.
type record struct {
	ledger     *Ledger
	gen        uint64 // of the lease that it stands for now; it goes up at every release
	name       string
	peer       *account
	held       [classes]usage
	prev, next *record
}

// maxSpares is how many records are kept to use again: those of a busy node,
// of 200 bytes each.
const maxSpares = 1024

// New returns a ledger that holds nothing. It panics when cfg does not pass
// Validate.
func New(cfg Config) *Ledger {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		panic("macula bug: " + err.Error())
	}
	limits := cfg.Node.vector()
	return &Ledger{
		cfg: cfg, realm: cfg.Realm.vector(), peer: cfg.Peer.vector(),
		node:   &account{limits: &limits},
		realms: map[string]*account{}, peers: map[Scope]*account{},
	}
}

// Scope returns the scope of a peer.
func (l *Ledger) Scope(realm string, peer transport.PeerID) Scope { return Scope{realm, peer} }

// Acquire takes a lease on all that is claimed, or on nothing. Claims of one
// class add up; none of them may be negative. The name, a constant, says what
// the lease is for. The error is Overload, and says which scope has no room.
func (l *Ledger) Acquire(s Scope, name string, claims ...Claim) (Lease, error) {
	var want [classes]usage
	for _, c := range claims {
		if c.Class >= classes || c.Count < 0 || c.Count > maxCount || c.Bytes < 0 || c.Bytes > maxBytes {
			panic("macula bug: ledger.Acquire: a claim of " + name + " makes no sense")
		}
		want[c.Class].count += c.Count
		want[c.Class].bytes += c.Bytes
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(s)
	for at := a; at != nil; at = at.above {
		if class, ok := at.room(&want); !ok {
			l.refused++
			held, limit := at.held[class], at.limits[class]
			l.forget(a)
			return Lease{}, fault.New("ledger.Acquire", fault.Overload, "%s has no room for a %s: %d of %d held of class %s, %d of %d bytes",
				l.level(at), name, held.count, limit.Count, class, held.bytes, limit.Bytes)
		}
	}
	for at := a; at != nil; at = at.above {
		at.add(&want)
	}
	r := l.record()
	r.name, r.peer, r.held = name, a, want
	l.link(r)
	l.acquired++
	l.peak = max(l.peak, l.node.leases)
	return Lease{r, r.gen}, nil
}

// Release gives the lease back. A second release is a bug of the caller: it
// panics in a strict ledger, and else is counted and reported, and changes
// nothing.
func (le Lease) Release() {
	if le.rec == nil {
		return
	}
	l := le.rec.ledger
	l.mu.Lock()
	if le.rec.gen == le.gen {
		l.release(le.rec)
		l.mu.Unlock()
		return
	}
	l.doubles++
	name := le.rec.name
	l.mu.Unlock()
	if l.cfg.Strict {
		panic("macula bug: ledger: a lease was released twice; its record was last used for a " + name)
	}
	if l.cfg.OnDoubleRelease != nil {
		l.cfg.OnDoubleRelease(name)
	}
}

func (l *Ledger) release(r *record) {
	a := r.peer
	for at := a; at != nil; at = at.above {
		at.sub(&r.held)
	}
	l.unlink(r)
	r.gen++
	r.peer = nil
	if l.spares < maxSpares {
		r.prev, r.next = nil, l.spare
		l.spare = r
		l.spares++
	}
	l.forget(a)
}

// account returns the account of s, a new one if there is none.
func (l *Ledger) account(s Scope) *account {
	if a := l.peers[s]; a != nil {
		return a
	}
	realm := l.realms[s.Realm]
	if realm == nil {
		realm = &account{scope: Scope{Realm: s.Realm}, above: l.node, limits: &l.realm}
		l.realms[s.Realm] = realm
	}
	a := &account{scope: s, above: realm, limits: &l.peer}
	l.peers[s] = a
	return a
}

// forget drops the account of a peer, and that of its realm, when nothing is
// held.
func (l *Ledger) forget(a *account) {
	if a.leases == 0 {
		delete(l.peers, a.scope)
	}
	if a.above.leases == 0 {
		delete(l.realms, a.scope.Realm)
	}
}

func (l *Ledger) level(a *account) string {
	switch a.above {
	case nil:
		return "the node"
	case l.node:
		return "the realm"
	}
	return "the peer"
}

func (l *Ledger) record() *record {
	r := l.spare
	if r == nil {
		return &record{ledger: l}
	}
	l.spare, r.next = r.next, nil
	l.spares--
	return r
}

func (l *Ledger) link(r *record) {
	r.prev, r.next = l.newest, nil
	if l.newest == nil {
		l.oldest = r
	} else {
		l.newest.next = r
	}
	l.newest = r
}

func (l *Ledger) unlink(r *record) {
	if r.prev == nil {
		l.oldest = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.newest = r.prev
	} else {
		r.next.prev = r.prev
	}
}

// room reports whether the account can hold more, or the class that it cannot.
func (a *account) room(more *[classes]usage) (Class, bool) {
	for c := range more {
		if more[c].count > a.limits[c].Count-a.held[c].count || more[c].bytes > a.limits[c].Bytes-a.held[c].bytes {
			return Class(c), false
		}
	}
	return 0, true
}

func (a *account) add(u *[classes]usage) {
	for c := range u {
		a.held[c].count += u[c].count
		a.held[c].bytes += u[c].bytes
	}
	a.leases++
}

func (a *account) sub(u *[classes]usage) {
	for c := range u {
		a.held[c].count -= u[c].count
		a.held[c].bytes -= u[c].bytes
	}
	a.leases--
}
