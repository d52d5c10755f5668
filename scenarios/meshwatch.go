package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/transport"
)

// Standing properties of the mesh.
const (
	propRealm = "nothing crosses from one realm into another"
	propGhost = "no service outlives its time to live"
)

// realm is the one that an actor was told.
func (a *actor) realm() string {
	if a.on.Line.Has("realm") {
		return a.on.Line.Text("realm")
	}
	return realm
}

// with reports whether two actors are of one realm.
func (a *actor) with(o *actor) bool { return a.realm() == o.realm() }

// watch demands of every node, at every recount, what its tables may hold.
func (m *mesh) watch() {
	byID := map[transport.PeerID]*actor{} // for lookup only
	realms := map[string]bool{}
	for _, a := range m.nodes {
		byID[idOf(m.s, a.on.Name())] = a
		realms[a.realm()] = true
	}
	for _, a := range m.nodes {
		if a.member == nil {
			continue
		}
		if len(realms) > 1 {
			m.s.Recount(propRealm, func() error { return a.alone(byID) })
		}
		m.s.Recount(propGhost, func() error { return m.ghosts(a, byID) })
	}
}

// alone says whom of another realm a node knows.
func (a *actor) alone(byID map[transport.PeerID]*actor) error {
	n := a.member.node
	if n == nil {
		return nil
	}
	foreign := func(what string, id transport.PeerID) error {
		if o := byID[id]; o != nil && !a.with(o) {
			return fmt.Errorf("%s of %s has the %s %s of %s", a.on.Name(), a.realm(), what, o.on.Name(), o.realm())
		}
		return nil
	}
	for _, p := range n.Peers() {
		if err := foreign("peer", p.ID); err != nil {
			return err
		}
	}
	for _, c := range n.Clients() {
		if err := foreign("client", c.ID); err != nil {
			return err
		}
	}
	for _, e := range n.Services() {
		if err := foreign("service "+e.Name+" at", e.Provider); err != nil {
			return err
		}
	}
	return nil
}

// onTheWay is how old the news of a service can be when it arrives: a
// connection over which nothing comes lives for the idle timeout.
const onTheWay = 45 * time.Second

// ghosts says which service a node takes for provided, for longer than those
// who provided it can have said. What stands still or has a wrong clock is left
// out.
func (m *mesh) ghosts(a *actor, byID map[transport.PeerID]*actor) error {
	n := a.member.node
	if n == nil || !a.on.Steady(onTheWay) {
		return nil
	}
	now := m.s.Runtime().Now()
	for _, e := range n.Services() {
		o := byID[e.Provider]
		if o == nil {
			continue
		}
		last, still := m.lastOf(o, e.Name)
		switch {
		case still:
		case last.name == "":
			return fmt.Errorf("%s takes %s for a provider of %s, which it never was", a.on.Name(), o.on.Name(), e.Name)
		case now.Add(e.Left) > last.since.Add(last.ttl+onTheWay):
			return fmt.Errorf("%s takes %s for a provider of %s for %v more, which it was %v ago with a time to live of %v",
				a.on.Name(), o.on.Name(), e.Name, e.Left, now.Sub(last.since), last.ttl)
		}
	}
	return nil
}

// lastOf is what an actor provided last under a name, itself or as the gateway
// of a client, and whether somebody does still, or may: one that stands still
// has yet to hear that it does not.
func (m *mesh) lastOf(a *actor, name string) (last offer, still bool) {
	named := func(p offer) bool { return p.name == name }
	for _, o := range m.nodes {
		if o != a && (o.on.Kind != "client" || !o.wants(a.on.Name())) {
			continue
		}
		if slices.ContainsFunc(o.provides, named) || !o.on.Steady(onTheWay) {
			still = true
		}
		for _, p := range o.withdrew {
			if named(p) && p.since.Add(p.ttl) >= last.since.Add(last.ttl) {
				last = p
			}
		}
	}
	return last, still
}

// ended books that an actor does not provide a service any more.
func (m *mesh) ended(a *actor, o offer) {
	a.withdrew = slices.DeleteFunc(a.withdrew, func(p offer) bool { return p.name == o.name })
	o.since = m.s.Runtime().Now()
	a.withdrew = append(a.withdrew, o)
}

// meant is looked at by a handler: it may run only what somebody of its own
// realm has asked for.
func (m *mesh) meant(a *actor, id uint64) bool {
	by := m.calls.by[id]
	if by == nil {
		return true // its caller has given up
	}
	return m.s.Check(a.with(by), propRealm, "%s of %s serves a call of %s of %s", a.on.Name(), a.realm(), by.on.Name(), by.realm())
}
