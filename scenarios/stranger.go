package scenarios

import (
	"context"
	"time"

	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// stranger is somebody who speaks the protocol by hand, or not at all: what it
// sends, it sends on purpose. Its methods but newStranger and do are for a task
// of its own place.
type stranger struct {
	s       *scenario.Stage
	place   *scenario.Place
	id      transport.PeerID
	trans   transport.Transport
	conn    transport.Conn   // the last one
	control transport.Stream // of it
}

// newStranger puts a stranger at the place of that name, linked to a node.
func newStranger(s *scenario.Stage, name string, to *member, link scenario.Link) *stranger {
	x := &stranger{s: s, place: s.Place(name), id: idOf(s, name)}
	s.SetLink(to.place, x.place, link)
	x.trans = x.place.Transport(x.id, transport.Config{})
	s.Defer(func() { x.place.Do("close", func() { x.trans.Close() }) })
	return x
}

// do runs f as a task of the stranger's place, with a context that ends after a
// minute, and waits for it.
func (x *stranger) do(name string, f func(ctx context.Context)) {
	x.place.Do(name, func() {
		ctx, cancel := x.place.Runtime().WithTimeout(context.Background(), time.Minute)
		defer cancel()
		f(ctx)
	})
}

// connect makes a connection without a word on it.
func (x *stranger) connect(ctx context.Context, to *member) error {
	conn, err := x.trans.Dial(ctx, to.place.Addr(), to.id)
	if err == nil {
		x.conn = conn
	}
	return err
}

// admitted makes a connection and says hello, as a node or as a client. It
// returns the kind of the frame that answers.
func (x *stranger) admitted(ctx context.Context, to *member, role wire.Role) (kind byte, err error) {
	if err := x.connect(ctx, to); err != nil {
		return 0, err
	}
	if x.control, err = x.open(ctx, helloOf(role, 1, 100)); err != nil {
		return 0, err
	}
	kind, _, err = wire.NewReader(x.control, wire.MaxControl).Next()
	return kind, err
}

// open opens a stream and writes b on it.
func (x *stranger) open(ctx context.Context, b []byte) (transport.Stream, error) {
	s, err := x.conn.OpenStream(ctx)
	if err == nil && len(b) > 0 {
		_, err = s.Write(b)
	}
	return s, err
}
