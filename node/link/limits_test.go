package link_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// announce is the head of a frame of n bytes, of which nothing follows.
func announce(first []byte, n int, kind byte) []byte {
	return append(binary.BigEndian.AppendUint32(first, uint32(n-4)), kind)
}

// A frame over the limit of its stream is refused as it is announced: whoever
// waits for its bytes lets every peer make it hold them.
func TestAFrameOverTheLimitOfItsStreamEndsTheLinkAtOnce(t *testing.T) {
	for name, do := range map[string]func(r *raw){
		"control": func(r *raw) { r.control.Write(announce(nil, wire.MaxControl+1, wire.KindPing)) },
		"calls":   func(r *raw) { r.open(announce([]byte{wire.StreamCalls}, wire.MaxFrame+1, wire.KindCall)) },
	} {
		t.Run(name, func(t *testing.T) {
			strangers(t, func(t *testing.T, x *world, a, b *side) {
				r := a.admitted(t, b)
				begun := x.w.Now()
				do(r)
				if f := r.end(); f.Kind != fault.TooLarge || x.w.Now().Sub(begun) > 10*latency {
					t.Errorf("closed with %v after %v", f, x.w.Now().Sub(begun))
				}
			})
		})
	}
	t.Run("hello", func(t *testing.T) {
		strangers(t, func(t *testing.T, x *world, a, b *side) {
			r := a.connect(t, b)
			begun := x.w.Now()
			r.open(announce([]byte{wire.StreamControl}, wire.MaxControl+1, wire.KindHello))
			if f := r.end(); f.Kind != fault.TooLarge || x.w.Now().Sub(begun) > 10*latency {
				t.Errorf("closed with %v after %v", f, x.w.Now().Sub(begun))
			}
		})
	})
	t.Run("large call", func(t *testing.T) {
		strangers(t, func(t *testing.T, x *world, a, b *side) {
			r := a.admitted(t, b)
			begun := x.w.Now()
			s := r.open(announce([]byte{wire.StreamCall}, wire.Limits{MaxBody: b.cfg.MaxBody}.LargeFrame()+1, wire.KindCall))
			_, err := s.Read(make([]byte, 1))
			var reset *transport.StreamError
			if !errors.As(err, &reset) || reset.Code != transport.Code(fault.TooLarge) || x.w.Now().Sub(begun) > 10*latency {
				t.Errorf("the stream: %v after %v", err, x.w.Now().Sub(begun))
			}
			if r.conn.Context().Err() != nil {
				t.Error("the link has ended: a large call costs its own stream")
			}
			s.Close()
			r.conn.CloseWithError(0, "")
		})
	})
}
