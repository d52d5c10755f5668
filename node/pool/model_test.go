package pool

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// op is one caller of Get.
type op struct {
	peer   transport.PeerID
	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  mono.Time // when its context was seen to have ended
	dial   *dial[*conn]
	asked  bool // Get was called
	back   bool // and has returned
}

// outcome is what a dial to an address comes to.
type outcome struct {
	after time.Duration // negative is never
	err   error
	deaf  bool // does not notice that its context ends
	drain time.Duration
}

// outcomes are those of the dials, by the port that is dialled.
var outcomes = []outcome{
	{},
	{after: time.Millisecond, drain: time.Millisecond},
	{after: 2 * time.Millisecond, deaf: true, drain: 10 * time.Second},
	{after: time.Second, drain: time.Second},
	{after: time.Second, deaf: true},
	{after: -1},
	{err: fault.New("dial", fault.Unreachable, "nobody there")},
	{after: time.Second, err: fault.New("dial", fault.Unreachable, "no answer"), deaf: true},
	{after: time.Millisecond, err: &fault.Error{Kind: fault.Overload, RetryAfter: time.Second, Remote: true}},
	{after: time.Millisecond, err: fault.New("dial", ErrDuplicate, "the peer has another")},
}

// model drives a pool and knows what must hold.
type model struct {
	*world
	cfg     Config
	ops     []*op
	dialing []dialling
	reaping bool
	capping bool // the limits are being changed
	closed  bool
	cancels []context.CancelFunc // of newcomers
}

type dialling struct {
	peer transport.PeerID
	ctx  context.Context
}

func newModel(seed uint64, cfg Config) *model {
	m := &model{world: newWorld(seed, cfg), cfg: cfg}
	m.dial, m.onAway = m.tryDial, m.evicted
	m.w.AfterEach(m.check)
	return m
}

func (m *model) tryDial(ctx context.Context, c *conn, a transport.Addr) error {
	m.dialing = append(m.dialing, dialling{c.peer, ctx})
	defer func() {
		for i, d := range m.dialing {
			if d.ctx == ctx {
				m.dialing = append(m.dialing[:i], m.dialing[i+1:]...)
				break
			}
		}
	}()
	o := outcomes[a.Port()]
	c.drain = o.drain
	switch {
	case o.after < 0:
		return m.m.NewParker().Park(ctx)
	case o.deaf:
		rt.Sleep(context.Background(), m.m, o.after)
	default:
		if err := rt.Sleep(ctx, m.m, o.after); err != nil {
			return err
		}
	}
	return o.err
}

// pending is how many callers will get c who do not know it yet.
func (m *model) pending(c *conn) (n int) {
	for _, o := range m.ops {
		if !o.back && o.dial != nil && o.dial.settled && o.dial.slot != nil && o.dial.slot.Conn == c {
			n++
		}
	}
	return n
}

// evicted is called when the pool asks c to go away.
func (m *model) evicted(c *conn) {
	if c.why == fault.Unauthorized {
		c.shed = true
		return
	}
	if c.why != fault.Overload {
		return
	}
	inbound := m.inbound()
	if m.capping {
		m.shedInOrder(c, inbound)
		return
	}
	if c.holds > 0 || m.pending(c) > 0 {
		m.w.Fail(errors.New("a connection in use is evicted"))
	}
	// Over the quota a newcomer may take the place of what another peer has
	// dialled, however long the others are idle.
	within := !c.dialled && inbound == m.quota() && !m.reaping
	for peer, s := range m.p.lru.All() {
		if at := s.Conn.idleAt; at != 0 && (c.idleAt == 0 || at < c.idleAt) && !(within && s.Conn.dialled) {
			m.w.Fail(fmt.Errorf("evicted is not the one that is idle for longest: peer %v is", peer[0]))
		}
	}
	if !m.reaping && m.p.lru.Len() != m.cfg.Cap && !within {
		m.w.Fail(fmt.Errorf("evicted with nobody in its place: %d of %d are left", m.p.lru.Len(), m.cfg.Cap))
	}
}

// shedInOrder is called when c has to go because of a lower limit.
func (m *model) shedInOrder(c *conn, inbound int) {
	c.shed = true
	if m.p.lru.Len() > m.cfg.Cap || inbound > m.quota() {
		m.w.Fail(errors.New("somebody is told to go while the limits do not hold yet"))
	}
	within := !c.dialled && inbound == m.quota()
	if m.p.lru.Len() < m.cfg.Cap && !within {
		m.w.Fail(fmt.Errorf("more is shed than is over: %d of %d are left, %d of them inbound", m.p.lru.Len(), m.cfg.Cap, inbound))
	}
	if c.holds == 0 && m.pending(c) == 0 {
		return
	}
	for _, s := range m.p.lru.All() {
		if s.Conn.idleAt != 0 && !(within && s.Conn.dialled) {
			m.w.Fail(errors.New("a connection in use is shed and an idle one stays"))
		}
	}
}

// inbound is how many admitted connections their peers have dialled.
func (m *model) inbound() (n int) {
	for _, s := range m.p.lru.All() {
		if !s.Conn.dialled {
			n++
		}
	}
	return n
}

// quota is how many there may be of them.
func (m *model) quota() int {
	if m.cfg.MaxInbound == 0 {
		return m.cfg.Cap
	}
	return m.cfg.MaxInbound
}

// check is what must hold after every event.
func (m *model) check() error {
	for _, o := range m.ops {
		if o.asked && !o.back && o.dial == nil {
			o.dial, _, _ = m.p.dials.Get(o.peer, 0) // in the event in which it asked
		}
		if !o.back && o.ended == 0 && o.ctx.Err() != nil {
			o.ended = m.m.Now()
		}
		if !o.back && o.ended != 0 && o.ended != m.m.Now() {
			return errors.New("a caller whose context has ended still waits")
		}
	}
	if err := m.checkConns(); err != nil {
		return err
	}
	if len(m.dialing) > m.cfg.Dials {
		return fmt.Errorf("%d dials in flight, the limit is %d", len(m.dialing), m.cfg.Dials)
	}
	for i, a := range m.dialing {
		for _, b := range m.dialing[:i] {
			if a.peer == b.peer && a.ctx.Err() == nil && b.ctx.Err() == nil {
				return errors.New("two dials to one peer")
			}
		}
	}
	if n := m.inbound(); n > m.quota() {
		return fmt.Errorf("%d inbound connections, the quota is %d", n, m.quota())
	}
	for _, n := range m.next() {
		if _, _, ok := m.p.room(n.conn); ok {
			return errors.New("a newcomer waits while there is room")
		}
	}
	return nil
}

// next is whose turn it is among those who wait: who came first, and if that one
// waits for its quota, the first of those who do not.
func (m *model) next() []*newcomer[*conn] {
	q := &m.p.waiting
	switch {
	case q.len() == 0:
		return nil
	case len(q.accepted) == 0 || len(q.dialled) > 0 && q.dialled[0].place < q.accepted[0].place:
		return q.dialled[:1]
	case m.cfg.MaxInbound > 0 && m.inbound() == m.cfg.MaxInbound && len(q.dialled) > 0:
		return []*newcomer[*conn]{q.accepted[0], q.dialled[0]}
	}
	return q.accepted[:1]
}

func (m *model) checkConns() error {
	in, busy, closing := map[*conn]bool{}, 0, 0
	for _, s := range m.p.lru.All() {
		c := s.Conn
		in[c] = true
		uses := c.holds + m.pending(c)
		if !c.dialled && !c.known {
			uses++ // it is admitted and was not told yet
		}
		busy += uses
		switch {
		case c.away:
			return errors.New("a connection that was asked to go away is still admitted")
		case uses > 0:
			c.idleAt = 0
			busy -= uses - 1
		case c.idleAt == 0:
			c.idleAt = m.w.Events()
		}
	}
	if busy != m.p.lru.InUse() {
		return fmt.Errorf("%d connections are in use, the pool says %d", busy, m.p.lru.InUse())
	}
	for _, c := range m.conns {
		if c.away && !c.shed && !(c.over && c.known) {
			closing++
		}
		if c.known && !c.away && !c.over && !in[c] {
			return errors.New("a connection is out of the books and was not asked to go away")
		}
	}
	if closing > m.cfg.Closing && !m.closed {
		return fmt.Errorf("%d connections are closing, the limit is %d", closing, m.cfg.Closing)
	}
	return nil
}

// call is a caller that gets a connection and keeps it for a while.
func (m *model) call(peer transport.PeerID, timeout, hold time.Duration, addrs []transport.Addr) {
	o := &op{peer: peer}
	ctx, stop := m.m.WithTimeout(context.Background(), timeout)
	o.ctx, o.cancel = m.m.WithCancelCause(ctx)
	m.ops = append(m.ops, o)
	m.m.Go("caller", func() {
		defer stop()
		defer o.cancel(nil)
		o.asked = true
		s, err := m.p.Get(o.ctx, peer, addrs...)
		o.back = true
		if err != nil {
			m.failed(o, err)
			return
		}
		c := s.Conn
		c.holds++
		c.idleAt = 0
		switch {
		case c.peer != peer:
			m.w.Fail(errors.New("the connection is to another peer"))
		case c.refused != nil:
			m.w.Fail(errors.New("the connection was refused"))
		case c.away && !c.shed && c.why == fault.Overload:
			m.w.Fail(errors.New("the connection was evicted before its caller got it"))
		}
		rt.Sleep(context.Background(), m.m, hold)
		m.done(s)
	})
}

func (m *model) failed(o *op, err error) {
	var f *fault.Error
	ended := o.ctx.Err() != nil
	switch kind := fault.KindOf(err); {
	case !errors.As(err, &f):
		m.w.Fail(fmt.Errorf("an error without a kind: %v", err))
	case (kind == fault.Deadline || kind == fault.Cancelled) && !ended:
		m.w.Fail(fmt.Errorf("the context has not ended: %v", err))
	case kind == fault.Overload && f.RetryAfter <= 0:
		m.w.Fail(fmt.Errorf("an overload does not say when to come back: %v", err))
	}
}

func (m *model) done(s *Slot[*conn]) {
	c := s.Conn
	c.holds--
	if c.holds == 0 && m.pending(c) == 0 {
		c.idleAt = m.w.Events()
	}
	s.Done()
}

// admit is a newcomer that waits for room until timeout.
func (m *model) admit(c *conn, timeout time.Duration) {
	ctx, cancel := m.m.WithTimeout(context.Background(), timeout)
	m.cancels = append(m.cancels, cancel)
	m.m.Go("newcomer", func() {
		defer cancel()
		if err := m.accept(ctx, c); err != nil && !m.closed {
			if k := fault.KindOf(err); k != fault.Overload && k != fault.Unauthorized && k != ErrDuplicate && ctx.Err() == nil {
				m.w.Fail(err)
			}
		}
	})
}

// use is what a call of the peer does.
func (m *model) use(c *conn, hold time.Duration) {
	if !c.known || c.over {
		return
	}
	m.m.Go("use", func() {
		if c.over || !c.slot.Use() {
			return
		}
		if c.away {
			m.w.Fail(errors.New("a connection that goes away was taken for use"))
		}
		c.holds++
		c.idleAt = 0
		rt.Sleep(context.Background(), m.m, hold)
		m.done(c.slot)
	})
}

const modelPeers = 5

// step draws one command.
func (m *model) step(t *rapid.T) {
	i := rapid.IntRange(0, modelPeers-1).Draw(t, "peer")
	d := func(name string) time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 1, 2, 3, 10, 100, 1000, 3000}).Draw(t, name)) * time.Millisecond
	}
	some := func(ok func(*conn) bool) *conn {
		var from []*conn
		for _, c := range m.conns {
			if ok(c) {
				from = append(from, c)
			}
		}
		if len(from) == 0 {
			return nil
		}
		return from[rapid.IntRange(0, len(from)-1).Draw(t, "connection")]
	}
	live := func(c *conn) bool { return c.known && !c.over }
	switch cmd := rapid.SampledFrom([]string{"get", "get", "get", "admit", "admit", "use", "leave", "end", "dead", "reap", "cap", "trim", "expel", "cancel", "withdraw", "time", "time"}).Draw(t, "command"); cmd {
	case "get":
		var addrs []transport.Addr
		for _, k := range rapid.SliceOfN(rapid.IntRange(0, len(outcomes)-1), 0, 3).Draw(t, "addresses") {
			addrs = append(addrs, addr(i, k))
		}
		m.call(peer(i), d("timeout"), d("hold"), addrs)
	case "admit":
		c := m.newConn(peer(i), false)
		c.inc = uint64(rapid.IntRange(1, 2).Draw(t, "incarnation"))
		c.dead, c.drain = rapid.IntRange(0, 4).Draw(t, "dead") == 0, d("drain")
		m.admit(c, d("timeout"))
	case "use":
		if c := some(live); c != nil {
			m.use(c, d("hold"))
		}
	case "leave":
		if c := some(live); c != nil {
			c.slot.Leave()
		}
	case "end":
		if c := some(live); c != nil {
			c.end()
		}
	case "dead":
		if c := some(live); c != nil {
			c.dead = true
		}
	case "reap":
		m.reaping = true
		m.p.Reap(m.m.Now(), m.m.Now().Add(-d("idle")), rapid.IntRange(1, 3).Draw(t, "most"))
		m.reaping = false
	case "cap":
		m.cfg.Cap = rapid.IntRange(1, 4).Draw(t, "cap")
		m.capping = true
		m.cfg.MaxInbound = rapid.IntRange(0, 4).Draw(t, "quota")
		m.p.SetLimits(m.cfg.Cap, m.cfg.MaxInbound, d("drain"))
		m.capping = false
	case "trim":
		m.reaping = true
		m.p.Trim(rapid.IntRange(0, 3).Draw(t, "idle"), rapid.IntRange(1, 3).Draw(t, "most"), time.Second)
		m.reaping = false
	case "expel":
		gone := m.p.Expel(func(p transport.PeerID) bool { return p != peer(i) }, d("drain"))
		if _, still := m.p.Lookup(peer(i)); still || len(gone) > 1 {
			t.Fatalf("%d were expelled, and the peer is still there: %v", len(gone), still)
		}
	case "cancel":
		if len(m.ops) > 0 {
			m.ops[rapid.IntRange(0, len(m.ops)-1).Draw(t, "caller")].cancel(nil)
		}
	case "withdraw":
		if len(m.cancels) > 0 {
			m.cancels[rapid.IntRange(0, len(m.cancels)-1).Draw(t, "newcomer")]()
		}
	case "time":
		m.run(t, m.w.RunFor(d("time")))
	}
	// A few events of this instant, so that the next command falls between.
	until := m.w.Events() + rapid.IntRange(0, 6).Draw(t, "events")
	m.w.RunUntil(func() bool { return m.w.Events() >= until }, 0)
	m.run(t, m.w.Failed())
}

func (m *model) run(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err, err.(*sim.Failure).Stack)
	}
}

// Over all callers, newcomers, peers that leave and time: what the package
// comment says holds after every event, and nothing is left in the end.
func TestThePoolKeepsItsPromisesWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := func(name string, max int) int { return rapid.IntRange(1, max).Draw(t, name) }
		cfg := Config{
			Self: peer(rapid.IntRange(0, modelPeers).Draw(t, "self")), Cap: small("cap", 4), MaxInbound: rapid.IntRange(0, 4).Draw(t, "quota"), Dials: small("dials", 3), Targets: small("targets", 4),
			Waiting: small("waiting", 3), Closing: small("closing", 3), Addrs: small("addrs", 3), Remembered: small("remembered", 4),
		}
		if cfg.Self != peer(modelPeers) {
			cfg.Self[1] = 1 // between two of the peers
		}
		m := newModel(rapid.Uint64().Draw(t, "seed"), cfg)
		defer m.w.Close()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.step(t)
		}
		if rapid.Bool().Draw(t, "at rest") {
			m.run(t, m.w.RunFor(time.Minute))
			if s := m.p.Stats(); s.InUse+s.Dialling+s.Waiting+s.Closing > 0 {
				t.Fatalf("at rest: %+v", s)
			}
		}
		m.closed = true
		if err := m.finish(); err != nil {
			t.Fatal(err)
		}
		for _, o := range m.ops {
			if !o.back {
				t.Fatal("a caller still waits")
			}
		}
	})
}
