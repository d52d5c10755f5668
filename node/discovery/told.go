package discovery

import (
	"context"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Told is a Discovery among connected peers. Every peer is brought up to date
// by a task that exists only while there is something to say: what is sent is
// read from the table at that moment, so a name that changes ten times while
// the peer is slow is sent once.
type Told struct {
	r     rt.Runtime
	cfg   Config
	deps  Deps
	group *rt.Group

	mu      rt.Mutex
	names   *bounded.Map[string, *name]           // in the order of their last change
	peers   *bounded.Map[transport.PeerID, *peer] // connected
	asks    *bounded.Map[uint32, *ask]
	seq     uint64 // of the last change
	version uint64
	lastAsk uint32
	stats   Stats
}

// name is what was last said of one name.
type name struct {
	name    string
	seq     uint64
	version uint64
	ttl     time.Duration
	until   mono.Time // when the advertisement ends, as far as its owner said
	gone    bool      // withdrawn
}

type peer struct {
	link  Link
	order uint64 // of the link
	sent  uint64 // the change up to which it was told
	busy  bool   // its task runs
}

type ask struct {
	from []transport.PeerID // peers that have not answered; bound: the fanout
	done *rt.Event

	refused []transport.PeerID // providers that may not be peers; bound: maxRefused
}

// maxRefused is how many are counted of the providers that one question finds and
// that may not be peers.
const maxRefused = 64

// NewTold returns a discovery that knows nobody.
func NewTold(cfg Config, deps Deps) *Told {
	cfg = cfg.WithDefaults()
	return &Told{
		r: deps.Runtime, cfg: cfg, deps: deps, group: rt.NewGroup(deps.Runtime), mu: rt.NewMutex(deps.Runtime),
		names: bounded.NewMap[string, *name]("advertised", cfg.Names),
		peers: bounded.NewMap[transport.PeerID, *peer]("told peers", cfg.Peers),
		asks:  bounded.NewMap[uint32, *ask]("questions", cfg.Asks),
	}
}

// Advertise implements Discovery.
func (d *Told) Advertise(n string, ttl time.Duration) error {
	now := d.r.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.version++
	return d.change(&name{name: n, version: d.version, ttl: ttl, until: now.Add(ttl)}, now.Add(ttl))
}

// Withdraw implements Discovery.
func (d *Told) Withdraw(n string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.r.Now()
	old, _, ok := d.names.Get(n, now)
	if !ok || old.gone {
		return
	}
	d.version++
	// A peer that was away meanwhile believes in the name for as long as it was
	// told that it may.
	d.change(&name{name: n, version: d.version, gone: true}, max(now, old.until).Add(d.cfg.Forget))
}

// change records what is new of a name, at the end of the table, and wakes
// the tasks that tell the peers. Called with the lock held.
func (d *Told) change(n *name, expires mono.Time) error {
	d.names.DeleteAny(n.name)
	if d.names.Len() == d.names.Cap() {
		d.makeRoom()
	}
	d.seq++
	n.seq = d.seq
	if _, err := d.names.Put(n.name, n, expires); err != nil {
		return &fault.Error{Op: "discovery.Advertise", Kind: fault.Overload, Detail: "too many names are advertised here", Err: err}
	}
	for _, p := range d.peers.All() {
		d.wake(p)
	}
	return nil
}

// makeRoom drops what is over: what has expired, else the name that was
// withdrawn longest ago. A peer that has not heard of that yet believes in it
// until it expires there. Called with the lock held.
func (d *Told) makeRoom() {
	if d.names.Expire(d.r.Now(), d.names.Len(), nil) > 0 {
		return
	}
	for key, n := range d.names.All() {
		if n.gone {
			d.names.DeleteAny(key)
			return
		}
	}
}

// wake starts the task of a peer, if it does not run. Called with the lock
// held.
func (d *Told) wake(p *peer) {
	if !p.busy && p.sent < d.seq {
		p.busy = d.group.Go("discovery/tell", func() { d.tell(p) })
	}
}

// tell brings one peer up to date and ends.
func (d *Told) tell(p *peer) {
	for {
		if rt.Buggify(d.r, "discovery: tell late") {
			rt.Sleep(p.link.Context(), d.r, 10*time.Millisecond)
		}
		// Behind what a slow peer has not read yet a change would only wait,
		// and the next one of the same name with it.
		if p.link.Drained(p.link.Context()) != nil {
			return // the link ends, and the peer leaves the table with it
		}
		batch := d.next(p)
		if len(batch) == 0 {
			return
		}
		addr := d.deps.Addr()
		for _, n := range batch {
			if p.link.Send(p.link.Context(), func(buf []byte) []byte { return d.frame(buf, n, addr) }) != nil {
				return
			}
		}
	}
}

func (d *Told) frame(buf []byte, n *name, addr transport.Addr) []byte {
	if n.gone {
		return wire.AppendWithdraw(buf, &wire.Withdraw{Name: n.name, Provider: d.deps.Self, Version: n.version})
	}
	left := n.until.Sub(d.r.Now())
	return wire.AppendAdvertise(buf, &wire.Advertise{Name: n.name, Provider: d.deps.Self, Version: n.version, TTL: max(left, time.Millisecond), Addr: addr})
}

// next returns the oldest changes that the peer has not heard of. With none
// left its task ends.
func (d *Told) next(p *peer) []*name {
	d.mu.Lock()
	defer d.mu.Unlock()
	var batch []*name
	now := d.r.Now()
	for _, n := range d.names.All() {
		if n.seq <= p.sent || (!n.gone && n.until.Reached(now)) {
			continue
		}
		batch = append(batch, n)
		if len(batch) == d.cfg.SendBatch {
			break
		}
	}
	if len(batch) == 0 {
		p.sent, p.busy = d.seq, false
		return nil
	}
	p.sent = batch[len(batch)-1].seq
	d.stats.Sent += uint64(len(batch))
	return batch
}

// Up implements Discovery.
func (d *Told) Up(l Link, order uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if newer, _, ok := d.peers.Get(l.Peer(), 0); ok && newer.order > order {
		return // l was replaced before its task came here
	}
	p := &peer{link: l, order: order}
	if _, err := d.peers.Put(l.Peer(), p, 0); err == nil {
		d.wake(p)
	}
}

// Down implements Discovery.
func (d *Told) Down(l Link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ref, ok := d.peers.Get(l.Peer(), 0); ok && p.link == l {
		d.peers.Delete(l.Peer(), ref)
	}
	// Its answers will not come: whoever waits only for it goes on.
	for id, a := range d.asks.All() {
		d.heard(id, a, l.Peer(), false)
	}
}

// Raise implements Discovery. It never lowers: peers beyond a lower limit may
// still be on their way out.
func (d *Told) Raise(peers int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers.SetCap(max(peers, d.peers.Cap()))
}

// Sweep implements Discovery.
func (d *Told) Sweep(max int) int {
	now := d.r.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names.Expire(now, max, nil)
}

// NextExpiry implements Discovery.
func (d *Told) NextExpiry() mono.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names.NextExpiry()
}

// Ask implements Discovery.
func (d *Told) Ask(ctx context.Context, n string) error {
	id, a, links, err := d.open()
	if err != nil || len(links) == 0 {
		return err
	}
	defer d.shut(id)
	for _, l := range links {
		if l.Tell(func(buf []byte) []byte { return wire.AppendQuery(buf, &wire.Query{ID: id, Name: n}) }) != nil {
			d.answered(id, l.Peer(), false)
		}
	}
	if err := a.done.Wait(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(a.refused) > 0 {
		return fault.New("discovery.Ask", fault.Unauthorized, "providers that are not in this node's list of peers: %d", len(a.refused))
	}
	return nil
}

// open makes a question and chooses whom to ask: as many as the fanout says,
// from a random place of the table on.
func (d *Told) open() (uint32, *ask, []Link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	total := d.peers.Len()
	if total == 0 {
		return 0, nil, nil, nil
	}
	var links []Link
	for _, p := range d.peers.All() {
		links = append(links, p.link)
	}
	if total > d.cfg.Fanout {
		start := d.r.Rand("discovery/ask").IntN(total)
		links = append(slices.Clone(links[start:]), links[:start]...)[:d.cfg.Fanout]
	}
	a := &ask{done: rt.NewEvent(d.r)}
	for _, l := range links {
		a.from = append(a.from, l.Peer())
	}
	d.lastAsk++
	if _, err := d.asks.Put(d.lastAsk, a, 0); err != nil {
		return 0, nil, nil, &fault.Error{Op: "discovery.Ask", Kind: fault.Overload, Detail: "too many questions are open", Err: err}
	}
	d.stats.Questions++
	return d.lastAsk, a, links, nil
}

func (d *Told) shut(id uint32) {
	d.mu.Lock()
	d.asks.DeleteAny(id)
	d.mu.Unlock()
}

// refuse counts a provider that an open question has found in vain.
func (d *Told) refuse(id uint32, provider transport.PeerID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a, _, ok := d.asks.Get(id, 0); ok && len(a.refused) < maxRefused && !slices.Contains(a.refused, provider) {
		a.refused = append(a.refused, provider)
	}
}

// answered notes the answer of one peer to an open question.
func (d *Told) answered(id uint32, from transport.PeerID, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a, _, ok := d.asks.Get(id, 0); ok {
		d.heard(id, a, from, found)
	}
}

// heard ends the question when somebody knows, or when nobody is left to
// answer. Called with the lock held.
func (d *Told) heard(id uint32, a *ask, from transport.PeerID, found bool) {
	i := slices.Index(a.from, from)
	if i < 0 {
		return // was not asked, or has answered
	}
	a.from = slices.Delete(a.from, i, i+1)
	if found || len(a.from) == 0 {
		d.asks.DeleteAny(id)
		a.done.Fire()
	}
}

// Stats implements Discovery.
func (d *Told) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Names, s.Peers, s.Asks = d.names.Len(), d.peers.Len(), d.asks.Len()
	return s
}

// Tables implements Discovery.
func (d *Told) Tables() []bounded.Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []bounded.Stats{d.names.Stats(), d.peers.Stats(), d.asks.Stats()}
}

// Audit implements Discovery.
func (d *Told) Audit() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, err := range []error{d.names.Recount(), d.peers.Recount(), d.asks.Recount()} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Close implements Discovery. The links must have ended.
func (d *Told) Close() {
	d.group.Close()
	d.group.Wait(context.Background())
}
