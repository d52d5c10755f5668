package pool

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
)

// BenchmarkGet is a connection that is there, taken and given back, in a pool
// that is full, on the real runtime.
func BenchmarkGet(b *testing.B) {
	const peers = 1000
	p := New(Config{Cap: peers}, Deps[*conn]{Runtime: realrt.New(realrt.Config{}), Run: func(*Slot[*conn]) {}})
	ids := make([]transport.PeerID, peers)
	ctx := context.Background()
	for i := range ids {
		binary.BigEndian.PutUint64(ids[i][:], uint64(i))
		s, err := p.Admit(ctx, &conn{peer: ids[i], inc: 1})
		if err != nil {
			b.Fatal(err)
		}
		s.Done()
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s, err := p.Get(ctx, ids[i%peers])
		if err != nil {
			b.Fatal(err)
		}
		s.Done()
		i += 7
	}
}
