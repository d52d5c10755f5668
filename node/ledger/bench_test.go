package ledger_test

import (
	"testing"

	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/transport"
)

// One call of a peer that has others in flight: its account exists.
func BenchmarkAcquireRelease(b *testing.B) {
	l := ledger.New(ledger.Config{})
	s := l.Scope("realm", transport.PeerID{1})
	other, err := l.Acquire(s, "call", ledger.Claim{Class: ledger.Call, Count: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer other.Release()
	b.ReportAllocs()
	for b.Loop() {
		lease, err := l.Acquire(s, "call", ledger.Claim{Class: ledger.Call, Count: 1, Bytes: 64})
		if err != nil {
			b.Fatal(err)
		}
		lease.Release()
	}
}

// One call at a time of a peer that holds nothing else: the accounts come and
// go with it. A connected peer does not do this, its shared stream has a lease.
func BenchmarkAcquireReleaseAlone(b *testing.B) {
	l := ledger.New(ledger.Config{})
	s := l.Scope("realm", transport.PeerID{1})
	b.ReportAllocs()
	for b.Loop() {
		lease, err := l.Acquire(s, "call", ledger.Claim{Class: ledger.Call, Count: 1, Bytes: 64})
		if err != nil {
			b.Fatal(err)
		}
		lease.Release()
	}
}

// One large call: two classes in one lease.
func BenchmarkAcquireReleaseVector(b *testing.B) {
	l := ledger.New(ledger.Config{})
	s := l.Scope("realm", transport.PeerID{1})
	other, err := l.Acquire(s, "call", ledger.Claim{Class: ledger.Call, Count: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer other.Release()
	b.ReportAllocs()
	for b.Loop() {
		lease, err := l.Acquire(s, "call", ledger.Claim{Class: ledger.Call, Count: 1, Bytes: 64}, ledger.Claim{Class: ledger.Queue, Count: 1, Bytes: 1 << 20})
		if err != nil {
			b.Fatal(err)
		}
		lease.Release()
	}
}

func BenchmarkAcquireReleaseParallel(b *testing.B) {
	l := ledger.New(ledger.Config{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		s := l.Scope("realm", transport.PeerID{1})
		for pb.Next() {
			lease, err := l.Acquire(s, "call", ledger.Claim{Class: ledger.Call, Count: 1, Bytes: 64})
			if err != nil {
				b.Error(err)
				return
			}
			lease.Release()
		}
	})
}
