package wire

import "github.com/maculamesh/macula/transport"

// Gateway is a node that a client may attach to.
type Gateway struct {
	ID   transport.PeerID
	Addr transport.Addr // where it listens; valid
}

// Elsewhere tells a client, before the goaway, where else it may attach. It is
// a hint: the connection to a gateway proves who is there, and its hello in
// which realm.
type Elsewhere struct {
	Gateways []Gateway // at most MaxElsewhere
}

// AppendElsewhere appends e as a frame.
func AppendElsewhere(dst []byte, e *Elsewhere) []byte {
	if len(e.Gateways) > MaxElsewhere {
		panic("macula bug: wire: too many gateways in an elsewhere")
	}
	start := len(dst)
	dst = begin(dst, KindElsewhere)
	dst = append(dst, byte(len(e.Gateways)))
	for i := range e.Gateways {
		g := &e.Gateways[i]
		if !g.Addr.IsValid() {
			panic("macula bug: wire: a gateway without an address")
		}
		dst = append(dst, g.ID[:]...)
		dst = appendAddr(dst, g.Addr)
	}
	return finish(dst, start)
}

// ParseElsewhere parses an Elsewhere.
func ParseElsewhere(payload []byte) (Elsewhere, error) {
	c := cursor{b: payload}
	var e Elsewhere
	n := int(c.u8("its gateways"))
	if n > MaxElsewhere {
		c.fail("it has too many gateways")
	}
	for range n {
		g := Gateway{ID: c.peer("a gateway"), Addr: c.addr("an address")}
		if !g.Addr.IsValid() {
			c.fail("a gateway has no address")
		}
		if c.what != "" {
			break
		}
		e.Gateways = append(e.Gateways, g)
	}
	if err := c.end("elsewhere"); err != nil {
		return Elsewhere{}, err
	}
	return e, nil
}
