package scenarios

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// calls are the books of a mesh about the calls that were made in it.
type calls struct {
	s      *scenario.Stage
	nextID uint64
	runs   map[uint64]int    // executions of the calls that must run at most once; for lookup only
	by     map[uint64]*actor // who made each call that has not ended; for lookup only
	made   int
	ok     int
	failed int
}

func splitList(s string) []string { return strings.Split(s, ",") }

func (m *mesh) advertise(r *scenario.Request) {
	a := m.by[r.At("node")]
	o := offer{r.Text("service"), r.Duration("work"), r.Duration("ttl"), m.s.Runtime().Now()}
	if slices.ContainsFunc(a.provides, func(p offer) bool { return p.name == o.name }) {
		return
	}
	a.provides = append(a.provides, o)
	if a.up() {
		m.provide(a, o)
	}
}

// provide advertises a service at a node or client that is up. A client may
// be between two gateways: it advertises as soon as it is attached.
func (m *mesh) provide(a *actor, o offer) {
	h := m.handler(a, o)
	if a.member != nil {
		if svc := a.member.provideWith(o.name, node.AdvertiseOptions{TTL: o.ttl}, h); svc != nil {
			a.recall[o.name] = svc.Withdraw
		}
		return
	}
	c := a.client
	c.place.Go("advertise", func() {
		for a.client == c && c.client != nil && slices.Contains(a.provides, o) {
			svc, err := c.advertise(o.name, h, o.ttl, false)
			if err == nil && !slices.Contains(a.provides, o) {
				svc.Withdraw() // it was taken back while the gateway heard of it
				m.ended(a, o)
				return
			}
			if err == nil {
				a.recall[o.name] = svc.Withdraw
				return
			}
			rt.Sleep(context.Background(), c.place.Runtime(), time.Second)
		}
	})
}

// handler is an echo that takes its time, and that counts what it runs.
func (m *mesh) handler(a *actor, o offer) node.Handler {
	r := a.on.Runtime()
	return func(ctx context.Context, req *node.Request) ([]byte, error) {
		id := binary.BigEndian.Uint64(req.Body)
		if !m.meant(a, id) {
			return nil, fault.New("scenario", fault.Internal, "the call is of another realm")
		}
		if !req.Idempotent {
			m.calls.runs[id]++
			m.s.Check(m.calls.runs[id] == 1, "a call that is not idempotent runs at most once", "call %d ran %d times", id, m.calls.runs[id])
		}
		if o.work > 0 {
			if err := rt.Sleep(ctx, r, time.Duration(r.Rand("work").Int64N(int64(o.work)))); err != nil {
				return nil, err
			}
		}
		return req.Body, nil
	}
}

func (m *mesh) withdraw(r *scenario.Request) {
	a := m.by[r.At("node")]
	name := r.Text("service")
	i := slices.IndexFunc(a.provides, func(o offer) bool { return o.name == name })
	if i < 0 {
		return
	}
	o := a.provides[i]
	a.provides = slices.Delete(a.provides, i, i+1)
	m.ended(a, o)
	if take := a.recall[name]; take != nil && a.up() {
		a.on.Do("withdraw", take)
		m.ended(a, o)
	}
}

func (m *mesh) call(r *scenario.Request) {
	a := m.by[r.At("node")]
	if !a.up() {
		return
	}
	served := m.served(a, r.Text("service"))
	_, err := m.one(a, r.Text("service"), int(r.Int("size")), r.Duration("timeout"), r.Duration("cancel"), r.Flag("idempotent"))
	switch r.Text("expect") {
	case "answer":
		m.s.Check(err == nil || !served, "a call fails over while there is a provider", "%s calls %s: %v", a.on.Name(), r.Text("service"), err)
	case "error":
		m.s.Check(err != nil, "a call that cannot succeed does not", "%s calls %s", a.on.Name(), r.Text("service"))
	}
}

// served reports whether a service has a provider in the realm of its caller
// that is up, and has been one for long enough that everybody can know it.
func (m *mesh) served(by *actor, name string) bool {
	const known = 5 * time.Second
	now := m.s.Runtime().Now()
	for _, a := range m.nodes {
		for _, o := range a.provides {
			if o.name == name && a.with(by) && a.up() && a.since.Add(known) <= now && o.since.Add(known) <= now {
				return true
			}
		}
	}
	return false
}

// one makes a call and books its end.
func (m *mesh) one(a *actor, service string, size int, timeout, cancel time.Duration, idempotent bool) ([]byte, error) {
	s, c := m.s, &m.calls
	c.made++
	c.nextID++
	body := make([]byte, max(size, 8))
	id := c.nextID
	binary.BigEndian.PutUint64(body, id)
	c.by[id] = a
	defer delete(c.by, id)
	begun := s.Runtime().Now()
	answer, err := a.call(service, body, timeout, cancel, idempotent)
	took := s.Runtime().Now().Sub(begun)
	if a.on.Steady(took + time.Second) {
		s.Check(took <= timeout+time.Millisecond+s.Slack(), "every call ends by its deadline", "one of %v took %v", timeout, took)
	}
	if err != nil {
		c.failed++
		kind := fault.KindOf(err)
		s.Check(kind != fault.Internal && kind != fault.Protocol, "faults of the network are not taken for others", "%v", err)
		return nil, err
	}
	c.ok++
	s.Check(string(answer) == string(body), "an answer is the answer to its call", "%d bytes came back of %d", len(answer), len(body))
	return answer, nil
}

// call calls from a node or a client, whichever a is.
func (a *actor) call(service string, body []byte, timeout, cancel time.Duration, idempotent bool) (answer []byte, err error) {
	call := func(ctx context.Context) ([]byte, error) {
		return nil, fault.New("scenario", fault.CallerGone, "nothing runs there")
	}
	if a.member != nil && a.member.node != nil {
		n := a.member.node
		call = func(ctx context.Context) ([]byte, error) {
			return n.Call(ctx, service, body, node.CallOptions{Idempotent: idempotent})
		}
	} else if a.client != nil && a.client.client != nil {
		k := a.client.client
		call = func(ctx context.Context) ([]byte, error) { return k.Call(ctx, service, body, idempotent) }
	}
	r := a.on.Runtime()
	ok := a.on.Do("call", func() {
		ctx, stop := r.WithTimeout(context.Background(), timeout)
		defer stop()
		if cancel > 0 {
			r.AfterFunc(cancel, stop)
		}
		answer, err = call(ctx)
	})
	if !ok {
		return nil, fault.New("scenario", fault.CallerGone, "the caller's machine crashed")
	}
	return answer, err
}

// services are the names that are provided now in the realm of an actor, by the
// nodes and clients that must live.
func (m *mesh) services(of *actor) (names []string) {
	for _, a := range m.core() {
		for _, o := range a.provides {
			if a.with(of) && !slices.Contains(names, o.name) {
				names = append(names, o.name)
			}
		}
	}
	return names
}

// known reports whether every node knows every provider; from then on they
// must stay known for as long as an advertisement counts.
func (m *mesh) known(*scenario.Request) error {
	if err := m.knows(); err != nil {
		return err
	}
	longest := time.Duration(0)
	for _, a := range m.core() {
		for _, o := range a.provides {
			longest = max(longest, o.ttl)
		}
	}
	for range longest / time.Second {
		m.s.Sleep(time.Second)
		err := m.knows()
		m.s.Check(err == nil, "every provider stays known when the faults are over", "%v", err)
	}
	return nil
}

func (m *mesh) knows() error {
	at, err := m.attachments()
	if err != nil {
		return err
	}
	for _, a := range m.core() {
		if a.member == nil {
			continue
		}
		names := m.services(a)
		have, want := 0, m.entries(a, at)
		for _, e := range a.member.node.Services() {
			if slices.Contains(names, e.Name) {
				have++
			}
		}
		if have != want {
			return fmt.Errorf("%s knows %d providers of %d", a.on.Name(), have, want)
		}
	}
	return nil
}

// attachments are the clients that each node has, of those that provide
// something, and say what is not there.
func (m *mesh) attachments() (map[*actor][]*actor, error) {
	at := map[*actor][]*actor{} // for lookup only
	clients := map[transport.PeerID]*actor{}
	for _, a := range m.core() {
		if a.member == nil && len(a.provides) > 0 {
			clients[idOf(m.s, a.on.Name())] = a
		}
	}
	count := 0
	for _, a := range m.core() {
		if a.member == nil {
			continue
		}
		if a.member.node == nil {
			return nil, fmt.Errorf("%s is not there", a.on.Name())
		}
		for _, c := range a.member.node.Clients() {
			if o := clients[c.ID]; o != nil {
				at[a] = append(at[a], o)
				count++
			}
		}
	}
	if count != len(clients) {
		return nil, fmt.Errorf("%d clients that provide something are attached of %d", count, len(clients))
	}
	return at, nil
}

// entries is how many providers a node has to know: its own services and those
// of its clients, and each other node once for a name, which it or a client of
// it provides.
func (m *mesh) entries(of *actor, at map[*actor][]*actor) (count int) {
	for _, a := range m.core() {
		if a.member == nil || !a.with(of) {
			continue
		}
		var names []string
		for _, p := range append([]*actor{a}, at[a]...) {
			for _, o := range p.provides {
				if a == of || !slices.Contains(names, o.name) {
					names = append(names, o.name)
				}
			}
		}
		count += len(names)
	}
	return count
}

// reachable reports whether everybody has an answer of every service.
func (m *mesh) reachable(*scenario.Request) error {
	for _, a := range m.core() {
		names := m.services(a)
		for _, name := range names {
			if !a.up() {
				return fmt.Errorf("%s is not there", a.on.Name())
			}
			if _, err := m.one(a, name, 8, 3*time.Second, 0, false); err != nil {
				return fmt.Errorf("%s calls %s: %w", a.on.Name(), name, err)
			}
		}
	}
	return nil
}
