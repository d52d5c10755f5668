// Package registry knows who provides which service: local handlers, attached
// clients and other nodes.
//
// Every entry has a time to live and an owner. An expired entry is not found,
// at once, whether it was swept or not; the end of the owner removes all that
// it owns. Advertising again refreshes.
package registry

import (
	"cmp"
	"fmt"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Config holds the limits. Zero fields take the default beside them.
type Config struct {
	Entries   int           // all entries; 100,000
	PerOwner  int           // entries of one client or one node; 1,000
	Providers int           // providers of one name; 32: a call tries far fewer
	TTL       time.Duration // when an advertisement names none; 300 s
	MinTTL    time.Duration // shorter ones are raised; 1 s
	MaxTTL    time.Duration // longer ones are cut; 1 h: less than a third of what providers ask for makes their services come and go
	TTLs      []NameTTL     // of some names, when an advertisement names none, instead of TTL
	// Pause is after how long without a sign that the node runs it is taken to
	// have stood still: that time counts for no time to live. 10 s; Beat has to
	// be called more often.
	Pause time.Duration
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.Entries = cmp.Or(c.Entries, 100_000)
	c.PerOwner = cmp.Or(c.PerOwner, 1000)
	c.Providers = cmp.Or(c.Providers, 32)
	// A default that is not between those that are set gives way to them.
	c.MinTTL = cmp.Or(c.MinTTL, min(time.Second, cmp.Or(c.TTL, time.Second), cmp.Or(c.MaxTTL, time.Second)))
	c.MaxTTL = cmp.Or(c.MaxTTL, max(time.Hour, c.TTL, c.MinTTL))
	c.TTL = cmp.Or(c.TTL, min(max(300*time.Second, c.MinTTL), c.MaxTTL))
	c.Pause = cmp.Or(c.Pause, 10*time.Second)
	return c
}

// Owner is whose end removes an entry: a client's session, another node, or a
// local task.
type Owner struct {
	ID      transport.PeerID
	Session bounded.Ref // 0 for other nodes
}

// Entry is one provider of one name. It is not changed after it was handed
// out.
type Entry[L any] struct {
	Name     string
	Provider transport.PeerID
	Owner    Owner
	Epoch    uint64 // the run of the provider that said it
	Version  uint64 // of two advertisements of one run the one with the higher version counts
	Addr     transport.Addr
	Hops     uint8
	Local    L    // what answers here; zero for other nodes
	IsLocal  bool // served by this node, itself or by a client of it
	Expires  mono.Time
	TTL      time.Duration
}

type key struct {
	name     string
	provider transport.PeerID
}

// record is an entry with its place in the two indices.
type record[L any] struct {
	Entry[L]
	ref     bounded.Ref
	lease   ledger.Lease // of the owner, from the first advertisement to the end
	inName  int          // position in the list of its name
	inOwner int          // position in the list of its owner
}

// Registry is the table. All methods are safe for concurrent use and none
// blocks.
type Registry[L any] struct {
	r      rt.Runtime
	cfg    Config
	charge func(Owner) (ledger.Lease, error)

	mu      rt.Mutex
	entries *bounded.Map[key, *record[L]]
	byName  map[string][]*record[L] // bound: no more keys than entries, no empty value
	byOwner map[Owner][]*record[L]  // bound: no more keys than entries, no empty value
	counts  Counts
	short   bool          // see Shorten
	beat    mono.Time     // when the node was last seen to run
	paused  time.Duration // for how long it has stood still
}

// Counts are the totals of a registry.
type Counts struct {
	Added, Refreshed, Stale, Refused, Removed, Expired uint64
	Pauses                                             uint64 // of the node that were noticed
	Peak                                               int
}

// New returns an empty registry. charge takes the lease that an entry of an
// owner costs and must not block; nil charges nobody.
func New[L any](r rt.Runtime, cfg Config, charge func(Owner) (ledger.Lease, error)) *Registry[L] {
	cfg = cfg.WithDefaults()
	return &Registry[L]{
		r: r, cfg: cfg, charge: charge, mu: rt.NewMutex(r),
		entries: bounded.NewMap[key, *record[L]]("services", cfg.Entries),
		byName:  map[string][]*record[L]{},
		byOwner: map[Owner][]*record[L]{},
	}
}

// now is the clock of the entries. Called with the lock held.
func (g *Registry[L]) now() mono.Time { return g.at(g.r.Now()) }

// at is the clock of the entries at t: the monotonic one, without the time in
// which the node has stood still. Those who renew were not heard then, so that
// to count it would end everything at once. Called with the lock held.
func (g *Registry[L]) at(t mono.Time) mono.Time { return t.Add(-g.paused - g.gap(t)) }

// gap is for how long the node has stood still and not said that it goes on.
func (g *Registry[L]) gap(t mono.Time) time.Duration {
	if gap := t.Sub(g.beat); gap > g.cfg.Pause && !g.beat.IsZero() {
		return gap
	}
	return 0
}

// Beat says that the node runs. Without a first one no pause is noticed.
func (g *Registry[L]) Beat() {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.r.Now()
	if gap := g.gap(t); gap > 0 {
		g.paused += gap
		g.counts.Pauses++
	}
	g.beat = t
}

// Now is the clock of Entry.Expires.
func (g *Registry[L]) Now() mono.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now()
}

// Put adds or refreshes an entry; e.TTL is clamped to the configured range
// and e.Expires is set from it. Errors: Superseded when a newer version is
// known or the provider itself has advertised what somebody else passes on,
// Overload when a limit is reached.
func (g *Registry[L]) Put(e Entry[L]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	e.TTL = g.grant(e.Name, e.TTL, e.IsLocal)
	e.Expires = now.Add(e.TTL)
	k := key{e.Name, e.Provider}
	if old, _, ok := g.entries.Get(k, now); ok {
		hint := e.Epoch == 0 && !e.IsLocal // what others say of a provider has no order
		if !hint && e.Epoch == old.Epoch && e.Version < old.Version {
			g.counts.Stale++
			return fault.New("registry.Put", fault.Superseded, "version %d of %s is older than %d", e.Version, e.Name, old.Version)
		}
		if old.Owner.ID == old.Provider && e.Owner.ID != e.Provider {
			g.counts.Stale++
			return fault.New("registry.Put", fault.Superseded, "the provider of %s has spoken for itself", e.Name)
		}
		if e.Owner == old.Owner {
			g.counts.Refreshed++
			// A new record: whoever holds the old one goes on with it.
			fresh := &record[L]{Entry: e, lease: old.lease, inName: old.inName, inOwner: old.inOwner}
			fresh.ref, _ = g.entries.Put(k, fresh, e.Expires)
			g.byName[e.Name][fresh.inName] = fresh
			g.byOwner[e.Owner][fresh.inOwner] = fresh
			return nil
		}
	}
	// An entry that has expired, or belongs to somebody else, is not
	// refreshed: it goes, and the new one has to find room.
	if old, ok := g.entries.DeleteAny(k); ok {
		g.unlink(old)
	}
	return g.add(k, e, now)
}

// sweepOnAdd is how many expired entries one addition removes at most: with
// more than one, the dead ones can never outnumber the living for long.
const sweepOnAdd = 4

func (g *Registry[L]) add(k key, e Entry[L], now mono.Time) error {
	g.expire(now, sweepOnAdd)
	g.sweep(g.byName[e.Name], now)
	if len(g.byOwner[e.Owner]) >= g.cfg.PerOwner {
		g.sweep(g.byOwner[e.Owner], now) // of a thousand, so not each time
	}
	if n := len(g.byOwner[e.Owner]); n >= g.cfg.PerOwner {
		g.counts.Refused++
		return fault.New("registry.Put", fault.Overload, "this owner has %d services, the limit", n)
	}
	if n := len(g.byName[e.Name]); n >= g.cfg.Providers {
		g.counts.Refused++
		return fault.New("registry.Put", fault.Overload, "%s has %d providers, the limit", e.Name, n)
	}
	rec := &record[L]{Entry: e}
	if g.charge != nil {
		lease, err := g.charge(e.Owner)
		if err != nil {
			g.counts.Refused++
			return fault.Wrap("registry.Put", err)
		}
		rec.lease = lease
	}
	ref, err := g.entries.Put(k, rec, e.Expires)
	if err != nil {
		rec.lease.Release()
		g.counts.Refused++
		return &fault.Error{Op: "registry.Put", Kind: fault.Overload, Detail: "the registry is full", Err: err}
	}
	rec.ref = ref
	rec.inName, rec.inOwner = len(g.byName[e.Name]), len(g.byOwner[e.Owner])
	g.byName[e.Name] = append(g.byName[e.Name], rec)
	g.byOwner[e.Owner] = append(g.byOwner[e.Owner], rec)
	g.counts.Added++
	g.counts.Peak = max(g.counts.Peak, g.entries.Len())
	return nil
}

// Lookup appends the providers of name that are live at now, the runtime's
// clock, to buf, in an order that means nothing but is the same at every run.
// It does not allocate when buf has room.
func (g *Registry[L]) Lookup(name string, now mono.Time, buf []*Entry[L]) []*Entry[L] {
	g.mu.Lock()
	defer g.mu.Unlock()
	now = g.at(now)
	for _, rec := range g.byName[name] {
		if !rec.Expires.Reached(now) {
			buf = append(buf, &rec.Entry)
		}
	}
	return buf
}

// Remove withdraws the provider's entry for name, if it belongs to owner and
// its version is not newer; versions of two runs have no order, and the run that
// speaks now is the later one. It reports whether there was one.
func (g *Registry[L]) Remove(name string, provider transport.PeerID, owner Owner, epoch, version uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := key{name, provider}
	rec, ref, ok := g.entries.Get(k, 0)
	if !ok || rec.Owner != owner || rec.Epoch == epoch && rec.Version > version {
		return false
	}
	g.entries.Delete(k, ref)
	g.unlink(rec)
	g.counts.Removed++
	return true
}

// Drop removes everything that owner has, in one step, and returns it.
func (g *Registry[L]) Drop(owner Owner) []Entry[L] {
	g.mu.Lock()
	defer g.mu.Unlock()
	recs := g.byOwner[owner]
	out := make([]Entry[L], 0, len(recs))
	for len(recs) > 0 {
		rec := recs[len(recs)-1]
		g.entries.Delete(key{rec.Name, rec.Provider}, rec.ref)
		g.unlink(rec)
		out = append(out, rec.Entry)
		recs = g.byOwner[owner]
	}
	g.counts.Removed += uint64(len(out))
	return out
}

// Clear removes everything: the node is over.
func (g *Registry[L]) Clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, rec := range g.entries.All() {
		g.entries.Delete(k, rec.ref)
		g.unlink(rec)
		g.counts.Removed++
	}
}

// Expire removes up to max expired entries and returns how many; its work is
// in proportion to that.
func (g *Registry[L]) Expire(max int) int {
	if rt.Buggify(g.r, "registry: sweep skipped") {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.expire(g.now(), max)
}

func (g *Registry[L]) expire(now mono.Time, max int) int {
	n := g.entries.Expire(now, max, func(_ key, rec *record[L], _ bounded.Ref) { g.unlink(rec) })
	g.counts.Expired += uint64(n)
	return n
}

// sweep removes the expired ones of a list, so that they do not keep a new one
// out. It goes backwards: unlink moves what was looked at already.
func (g *Registry[L]) sweep(list []*record[L], now mono.Time) {
	for i := len(list) - 1; i >= 0; i-- {
		if rec := list[i]; rec.Expires.Reached(now) {
			g.entries.Delete(key{rec.Name, rec.Provider}, rec.ref)
			g.unlink(rec)
			g.counts.Expired++
		}
	}
}

// unlink takes a record out of both indices: the last one of each list takes
// its place.
func (g *Registry[L]) unlink(rec *record[L]) {
	rec.lease.Release()
	names := g.byName[rec.Name]
	last := names[len(names)-1]
	names[rec.inName], last.inName = last, rec.inName
	names[len(names)-1] = nil
	if names = names[:len(names)-1]; len(names) == 0 {
		delete(g.byName, rec.Name)
	} else {
		g.byName[rec.Name] = names
	}
	owned := g.byOwner[rec.Owner]
	last = owned[len(owned)-1]
	owned[rec.inOwner], last.inOwner = last, rec.inOwner
	owned[len(owned)-1] = nil
	if owned = owned[:len(owned)-1]; len(owned) == 0 {
		delete(g.byOwner, rec.Owner)
	} else {
		g.byOwner[rec.Owner] = owned
	}
}

// Entries returns all live entries, in the order in which they were last
// advertised.
func (g *Registry[L]) Entries() []Entry[L] {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	out := make([]Entry[L], 0, g.entries.Len())
	for _, rec := range g.entries.All() {
		if !rec.Expires.Reached(now) {
			out = append(out, rec.Entry)
		}
	}
	return out
}

// Stats is what a registry holds.
type Stats struct {
	Limit, Entries, Names, Owners int // Entries counts those that are expired and not swept yet
	Counts
}

// Stats returns the books at this moment.
func (g *Registry[L]) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Limit: g.entries.Cap(), Entries: g.entries.Len(), Names: len(g.byName), Owners: len(g.byOwner), Counts: g.counts}
}

// Check compares the books with the limit in constant time.
func (g *Registry[L]) Check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.entries.Len(); n > g.entries.Cap() {
		return fmt.Errorf("registry: %d entries, the limit is %d", n, g.entries.Cap())
	}
	return nil
}

// Owners returns who owns something, in the order of their oldest entry.
func (g *Registry[L]) Owners() []Owner {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := make(map[Owner]bool, len(g.byOwner))
	out := make([]Owner, 0, len(g.byOwner))
	for _, rec := range g.entries.All() {
		if !seen[rec.Owner] {
			seen[rec.Owner] = true
			out = append(out, rec.Owner)
		}
	}
	return out
}

// NextExpiry is when, by the clock of Now, the oldest entry expires that is
// still held, or has expired if it was not swept yet; zero when there is none.
func (g *Registry[L]) NextExpiry() mono.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.entries.NextExpiry()
}

// Audit recounts: both indices hold exactly the entries, each in its place,
// and no list is empty.
func (g *Registry[L]) Audit() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.entries.Recount(); err != nil {
		return err
	}
	names, owned := 0, 0
	for _, list := range g.byName { //simvet:allow maprange only counts
		if len(list) == 0 {
			return fmt.Errorf("registry: a name without providers")
		}
		names += len(list)
	}
	for _, list := range g.byOwner { //simvet:allow maprange only counts
		if len(list) == 0 {
			return fmt.Errorf("registry: an owner without services")
		}
		owned += len(list)
	}
	if n := g.entries.Len(); names != n || owned != n {
		return fmt.Errorf("registry: %d entries, %d by name, %d by owner", n, names, owned)
	}
	for k, rec := range g.entries.All() {
		if k.name != rec.Name || g.byName[rec.Name][rec.inName] != rec || g.byOwner[rec.Owner][rec.inOwner] != rec {
			return fmt.Errorf("registry: the entry of %s is not where the index says", rec.Name)
		}
	}
	return nil
}
