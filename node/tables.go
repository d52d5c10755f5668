package node

import (
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/link"
)

// Table is the books of one bounded container of the node, or of all those
// together that there are once for each connection.
type Table = bounded.Stats

// Oldest is for how long the oldest things last that ought to be short. Zero
// when there are none.
type Oldest struct {
	Call       time.Duration // in flight, either way
	Handshake  time.Duration // an accepted connection that is not let in yet
	HalfClosed time.Duration // a stream of which the other end has not ended its half, since ours has
}

// Sight is what is seen of a node when all of its connections are looked at.
type Sight struct {
	Tables    []Table // every bounded container, by names that do not change
	Oldest    Oldest
	Abandoned int // handlers that nobody waits for any more, and that have not returned
}

// Tables returns the books of every bounded container of the node. Its work is
// in proportion to the connections and the calls in flight.
func (n *Node) Tables() []Table { return n.Sight().Tables }

// Oldest returns the ages of the oldest things; its work is that of Tables.
func (n *Node) Oldest() Oldest { return n.Sight().Oldest }

// Sight looks at the node as a whole. Its work is in proportion to the
// connections and the calls in flight. The parts are read one after the other,
// so their figures may be a few calls apart.
func (n *Node) Sight() Sight {
	s := Sight{Abandoned: n.server.Counts().Abandoned}
	for _, part := range [][]Table{n.pool.Tables(), n.clients.Tables(), n.registry.Tables(), n.server.Tables(), n.caller.Tables(), n.discovery.Tables()} {
		s.Tables = append(s.Tables, part...)
	}
	in, out, halves := Table{Name: "calls in"}, Table{Name: "calls out"}, Table{Name: "half-closed streams"}
	now := n.r.Now()
	for _, l := range n.links() {
		g := l.Glance()
		s.Abandoned += g.Abandoned
		sum(&in, g.In)
		sum(&out, g.Out)
		sum(&halves, g.Halves)
		s.Oldest.Call = max(s.Oldest.Call, age(now, g.OldestCall))
		s.Oldest.HalfClosed = max(s.Oldest.HalfClosed, age(now, g.HalfClosed))
	}
	for _, c := range n.server.InFlight(1) {
		s.Oldest.Call = max(s.Oldest.Call, age(now, c.Begun))
	}
	s.Oldest.Handshake = age(now, n.door.oldest())
	// What links have counted that have ended counts too.
	t := n.calls.Counts()
	in.Peak, in.Refused = max(t.PeakIn, in.Entries), t.RefusedIn
	out.Peak, out.Refused = max(t.PeakOut, out.Entries), t.RefusedOut
	halves.Peak, halves.Refused = max(t.PeakHalves, halves.Entries), t.RefusedHalves
	s.Tables = append(s.Tables, in, out, halves, n.door.stats(), n.services.Stats())
	return s
}

func sum(to *Table, t Table) {
	to.Entries += t.Entries
	to.Limit += t.Limit
}

// age is for how long something lasts that began then; zero for nothing.
func age(now, begun mono.Time) time.Duration {
	if begun.IsZero() {
		return 0
	}
	return max(now.Sub(begun), 0)
}

// links are the admitted connections, to peers and to clients.
func (n *Node) links() []*link.Link {
	list := n.pool.Conns()
	for _, s := range n.clients.Sessions() {
		list = append(list, s.Conn)
	}
	return list
}
