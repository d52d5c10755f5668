package wire

import (
	"encoding/binary"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// Advertise says that Provider answers Name. Of two intents of one provider
// for one name in one session, the one with the higher version counts.
type Advertise struct {
	Name     string
	Provider transport.PeerID
	Version  uint64         // rises with every Advertise or Withdraw of the provider
	TTL      time.Duration  // how long it holds, in milliseconds on the wire, rounded up; 0 leaves it to the receiver
	Hops     uint8          // nodes between the provider and the sender
	Addr     transport.Addr // where the provider listens; not valid when only through the sender
}

// AppendAdvertise appends a as a frame.
func AppendAdvertise(dst []byte, a *Advertise) []byte {
	start := len(dst)
	dst = begin(dst, KindAdvertise)
	dst = appendText(dst, a.Name, MaxName)
	dst = append(dst, a.Provider[:]...)
	dst = appendOffer(dst, a.Version, a.TTL, a.Hops, a.Addr)
	return finish(dst, start)
}

// ParseAdvertise parses an Advertise. With an error of kind Invalid
// everything is set, the name as it came, so that it can be refused by an
// AdvertiseAck.
func ParseAdvertise(payload []byte) (Advertise, error) {
	c := cursor{b: payload}
	a := Advertise{Name: c.serviceName(), Provider: c.peer("the provider")}
	a.Version, a.TTL, a.Hops, a.Addr = c.offer()
	return a, c.end("advertise")
}

// appendOffer appends what Advertise and Provider have in common.
func appendOffer(dst []byte, version uint64, ttl time.Duration, hops uint8, addr transport.Addr) []byte {
	if ttl < 0 {
		ttl = 1 // it is over, which 0 would not say
	}
	dst = binary.BigEndian.AppendUint64(dst, version)
	dst = appendMillis(dst, ttl)
	dst = append(dst, hops)
	return appendAddr(dst, addr)
}

func (c *cursor) offer() (version uint64, ttl time.Duration, hops uint8, addr transport.Addr) {
	return c.u64("the version"), c.millis("the TTL"), c.u8("the hops"), c.addr("the address")
}

// Withdraw takes an Advertise back.
type Withdraw struct {
	Name     string
	Provider transport.PeerID
	Version  uint64 // as in Advertise
}

// AppendWithdraw appends w as a frame.
func AppendWithdraw(dst []byte, w *Withdraw) []byte {
	start := len(dst)
	dst = begin(dst, KindWithdraw)
	dst = appendText(dst, w.Name, MaxName)
	dst = append(dst, w.Provider[:]...)
	dst = binary.BigEndian.AppendUint64(dst, w.Version)
	return finish(dst, start)
}

// ParseWithdraw parses a Withdraw. With an error of kind Invalid everything
// is set, the name as it came.
func ParseWithdraw(payload []byte) (Withdraw, error) {
	c := cursor{b: payload}
	w := Withdraw{Name: c.serviceName(), Provider: c.peer("the provider"), Version: c.u64("the version")}
	return w, c.end("withdraw")
}

// AdvertiseAck answers an Advertise of a client.
type AdvertiseAck struct {
	Name       string     // as in the Advertise, even when it is not valid
	Version    uint64     // as in the Advertise
	Kind       fault.Kind // Other (0) when it was taken, else why not
	RetryAfter time.Duration
}

// AppendAdvertiseAck appends a as a frame.
func AppendAdvertiseAck(dst []byte, a *AdvertiseAck) []byte {
	start := len(dst)
	dst = begin(dst, KindAdvertiseAck)
	dst = appendText(dst, a.Name, MaxName)
	dst = binary.BigEndian.AppendUint64(dst, a.Version)
	kind := uint16(0)
	if a.Kind != 0 {
		kind = wireKind(a.Kind)
	}
	dst = binary.BigEndian.AppendUint16(dst, kind)
	dst = binary.BigEndian.AppendUint32(dst, retryMillis(a.RetryAfter))
	return finish(dst, start)
}

// ParseAdvertiseAck parses an AdvertiseAck. Its name is not checked: it is to
// be compared with what was asked.
func ParseAdvertiseAck(payload []byte) (AdvertiseAck, error) {
	c := cursor{b: payload}
	a := AdvertiseAck{Name: string(c.text("the name")), Version: c.u64("the version")}
	if kind := fault.Kind(c.u16("kind")); kind != 0 {
		a.Kind = known(kind)
	}
	a.RetryAfter = c.retryAfter()
	return a, c.end("advertise-ack")
}

// Query asks who provides Name. The other side answers every one.
type Query struct {
	ID   uint32 // chosen by the asker; returns in the Answer
	Name string
}

// AppendQuery appends q as a frame.
func AppendQuery(dst []byte, q *Query) []byte {
	start := len(dst)
	dst = begin(dst, KindQuery)
	dst = binary.BigEndian.AppendUint32(dst, q.ID)
	dst = appendText(dst, q.Name, MaxName)
	return finish(dst, start)
}

// ParseQuery parses a Query. With an error of kind Invalid everything is set,
// the name as it came.
func ParseQuery(payload []byte) (Query, error) {
	c := cursor{b: payload}
	q := Query{ID: c.u32("its id"), Name: c.serviceName()}
	return q, c.end("query")
}

// Provider is one entry of an Answer. It is a hint: the connection to the
// provider proves who is there.
type Provider struct {
	ID      transport.PeerID
	Version uint64         // as in Advertise
	TTL     time.Duration  // what is left of it, in milliseconds on the wire, rounded up
	Hops    uint8          // nodes between the provider and the sender
	Addr    transport.Addr // where it listens; not valid when only through the sender
}

// Answer is the answer to a Query.
type Answer struct {
	ID    uint32     // of the Query
	Name  string     // of the Query
	Found []Provider // at most MaxProviders; none when nobody is known
}

// AppendAnswer appends a as a frame.
func AppendAnswer(dst []byte, a *Answer) []byte {
	if len(a.Found) > MaxProviders {
		panic("macula bug: wire: too many providers in an answer")
	}
	start := len(dst)
	dst = begin(dst, KindAnswer)
	dst = binary.BigEndian.AppendUint32(dst, a.ID)
	dst = appendText(dst, a.Name, MaxName)
	dst = append(dst, byte(len(a.Found)))
	for i := range a.Found {
		p := &a.Found[i]
		dst = append(dst, p.ID[:]...)
		dst = appendOffer(dst, p.Version, p.TTL, p.Hops, p.Addr)
	}
	return finish(dst, start)
}

// ParseAnswer parses an Answer.
func ParseAnswer(payload []byte) (Answer, error) {
	c := cursor{b: payload}
	a := Answer{ID: c.u32("its id"), Name: c.serviceName()}
	n := int(c.u8("its providers"))
	if n > MaxProviders {
		c.fail("it has too many providers")
	}
	for range n {
		p := Provider{ID: c.peer("a provider")}
		p.Version, p.TTL, p.Hops, p.Addr = c.offer()
		if c.what != "" {
			break
		}
		a.Found = append(a.Found, p)
	}
	if err := c.end("answer"); err != nil {
		return Answer{}, err
	}
	return a, nil
}
