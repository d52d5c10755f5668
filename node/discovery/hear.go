package discovery

import (
	"net/netip"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// Frame implements Discovery.
func (d *Told) Frame(l Link, kind byte, payload []byte) (bool, error) {
	switch kind {
	case wire.KindAdvertise:
		a, err := wire.ParseAdvertise(payload)
		if err != nil {
			return true, err
		}
		return true, d.hear(l, a)
	case wire.KindWithdraw:
		w, err := wire.ParseWithdraw(payload)
		if err != nil {
			return true, err
		}
		if w.Provider != l.Peer() {
			return true, fault.New("discovery", fault.Protocol, "a withdrawal for somebody else")
		}
		d.deps.Unlearn(w.Name, w.Provider, l.Incarnation(), w.Version)
		return true, nil
	case wire.KindQuery:
		q, err := wire.ParseQuery(payload)
		if err != nil {
			return true, err
		}
		return true, d.answer(l, q)
	case wire.KindAnswer:
		a, err := wire.ParseAnswer(payload)
		if err != nil {
			return true, err
		}
		d.learn(l, a)
		return true, nil
	}
	return false, nil
}

// hear keeps what a peer provides itself. That it is not kept because a limit
// is reached is no fault of the link.
func (d *Told) hear(l Link, a wire.Advertise) error {
	if a.Provider != l.Peer() {
		return fault.New("discovery", fault.Protocol, "an advertisement for somebody else")
	}
	d.mu.Lock()
	d.stats.Heard++
	d.mu.Unlock()
	d.deps.Learn(Found{
		Name: a.Name, Provider: a.Provider, Addr: reachable(a.Addr, l.RemoteAddr()), TTL: a.TTL,
		Epoch: l.Incarnation(), Version: a.Version, Teller: l.Peer(),
	})
	return nil
}

// answer tells a peer who provides a name, as far as is known here.
func (d *Told) answer(l Link, q wire.Query) error {
	found := d.deps.Known(q.Name, nil)
	return l.Tell(func(buf []byte) []byte {
		return wire.AppendAnswer(buf, &wire.Answer{ID: q.ID, Name: q.Name, Found: found[:min(len(found), wire.MaxProviders)]})
	})
}

// learn keeps an answer. What a peer says of others is a hint, no more: the
// dial proves who is there.
func (d *Told) learn(l Link, a wire.Answer) {
	d.mu.Lock()
	_, _, open := d.asks.Get(a.ID, 0)
	d.mu.Unlock()
	if !open {
		return // nobody has asked, or nobody waits any more
	}
	kept := false
	for _, f := range a.Found {
		if f.ID == d.deps.Self {
			continue
		}
		addr := f.Addr
		if f.ID == l.Peer() {
			addr = reachable(addr, l.RemoteAddr())
		}
		err := d.deps.Learn(Found{Name: a.Name, Provider: f.ID, Addr: addr, TTL: f.TTL, Version: f.Version, Hops: min(f.Hops, 254) + 1, Teller: l.Peer()})
		if fault.KindOf(err) == fault.Unauthorized {
			d.refuse(a.ID, f.ID)
		}
		kept = kept || err == nil || fault.KindOf(err) == fault.Superseded
	}
	d.answered(a.ID, l.Peer(), kept)
}

// reachable completes the address of a peer that listens on every interface:
// its packets say from which one they come.
func reachable(said, seen transport.Addr) transport.Addr {
	if said.IsValid() && said.Addr().IsUnspecified() {
		return netip.AddrPortFrom(seen.Addr(), said.Port())
	}
	return said
}
