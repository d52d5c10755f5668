package client

import (
	"context"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
)

// Service is something that the client provides through its gateway.
type Service struct {
	c    *Client
	name string
	h    rpc.Handler
	ttl  time.Duration

	gone    bool // withdrawn; guarded by the client's lock
	version uint64
	acked   *rt.Event // the gateway has answered the first advertisement
	err     error     // its refusal
}

// defaultTTL is how long an advertisement counts; the client renews it when a
// third of it has passed.
const defaultTTL = 300 * time.Second

// Advertise provides a service under name until Withdraw, through whatever
// gateway the client is attached to, and waits for the first gateway's answer.
// A zero ttl means 300 s. With once the advertisement is not renewed.
func (c *Client) Advertise(ctx context.Context, name string, h rpc.Handler, ttl time.Duration, once bool) (*Service, error) {
	if err := wire.ValidName(name); err != nil {
		return nil, fault.New("client.Advertise", fault.Invalid, "%v", err)
	}
	if ttl == 0 {
		ttl = defaultTTL
	}
	s := &Service{c: c, name: name, h: h, ttl: ttl, acked: rt.NewEvent(c.r)}
	every := ttl / 3
	if once {
		every = 0
	}
	if err := c.services.Put(name, s, every); err != nil {
		return nil, &fault.Error{Op: "client.Advertise", Kind: fault.Overload, Err: err}
	}
	l, err := c.session(ctx)
	if err == nil {
		s.say(l)
		err = s.acked.Wait(ctx)
	}
	if err == nil {
		c.mu.Lock()
		err = s.err
		c.mu.Unlock()
	}
	if err != nil {
		s.Withdraw() // the gateway may have taken it, or be about to
		return nil, fault.Wrap("client.Advertise", err)
	}
	return s, nil
}

// say advertises the service on a session. If Withdraw comes in between, the
// gateway hears of it again.
func (s *Service) say(l *link.Link) {
	c := s.c
	c.mu.Lock()
	if s.gone {
		c.mu.Unlock()
		return
	}
	c.versions++
	s.version = c.versions
	frame := wire.Advertise{Name: s.name, Provider: c.deps.ID, Version: s.version, TTL: s.ttl}
	c.mu.Unlock()
	if err := l.Tell(func(b []byte) []byte { return wire.AppendAdvertise(b, &frame) }); err != nil {
		c.log.Debug("not advertised", "service", s.name, "err", err)
	}
	c.mu.Lock()
	gone := s.gone
	c.mu.Unlock()
	if gone {
		s.unsay(l)
	}
}

// unsay withdraws the service on a session.
func (s *Service) unsay(l *link.Link) {
	c := s.c
	c.mu.Lock()
	c.versions++
	frame := wire.Withdraw{Name: s.name, Provider: c.deps.ID, Version: c.versions}
	c.mu.Unlock()
	l.Tell(func(b []byte) []byte { return wire.AppendWithdraw(b, &frame) })
}

// Name is the name under which it is called.
func (s *Service) Name() string { return s.name }

// Withdraw ends the service, and tells the gateway. Calls that run go on.
func (s *Service) Withdraw() {
	c := s.c
	if !c.services.Delete(s.name, s) {
		return
	}
	c.mu.Lock()
	l := c.link
	s.gone = true
	c.mu.Unlock()
	if l != nil {
		s.unsay(l)
	}
}

// route finds the handler of a call that the gateway forwards.
func (c *Client) route(in *link.Inbound) (rpc.Handler, error) {
	if s, ok := c.services.Get(in.Name); ok {
		return s.h, nil
	}
	return nil, fault.New("serve", fault.NotFound, "%s is not provided here", in.Name)
}

// control is the control stream of a session.
type control struct {
	c     *Client
	named bool // the gateway has named others
	gone  bool // and said goodbye
}

// Frame implements link.Control.
func (k *control) Frame(l *link.Link, kind byte, payload []byte) error {
	if kind == wire.KindElsewhere {
		e, err := wire.ParseElsewhere(payload)
		if err == nil && !k.gone && k.c.hear(l, e) {
			k.named = true
		}
		return err
	}
	if kind != wire.KindAdvertiseAck {
		if wire.Skippable(kind) {
			return nil
		}
		return fault.New("client", fault.Protocol, "frame %d from the gateway", kind)
	}
	a, err := wire.ParseAdvertiseAck(payload)
	if err != nil {
		return err
	}
	s, ok := k.c.services.Get(a.Name)
	if !ok || a.Kind == fault.Draining { // the next gateway answers too
		return nil
	}
	if a.Kind != 0 {
		err = &fault.Error{Op: "advertise", Kind: a.Kind, RetryAfter: a.RetryAfter, Detail: "the gateway refused " + s.name, Remote: true}
	}
	s.acknowledge(err)
	return nil
}

// acknowledge notes the answer to the first advertisement; only the first one
// counts.
func (s *Service) acknowledge(err error) {
	s.c.mu.Lock()
	if !s.acked.Fired() {
		s.err = err
	}
	s.c.mu.Unlock()
	s.acked.Fire()
}

// GoneAway implements link.Control: calls wait for the next session.
func (k *control) GoneAway(_ *link.Link, why fault.Kind) {
	k.gone = true
	if k.named && why == fault.Draining {
		k.c.askedToMove()
	}
}
