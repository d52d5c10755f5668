package bounded_test

import (
	"testing"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/transport"
)

func id(i int) transport.PeerID {
	return transport.PeerID{byte(i), byte(i >> 8), byte(i >> 16), 0x5a, byte(i * 7)}
}

// One pool hit at 1,000 peers: Get, Use and Done. Target: 150 ns.
func BenchmarkLRUHit(b *testing.B) {
	l := bounded.NewLRU[transport.PeerID, *int]("pool", 1000)
	for i := range 1000 {
		l.Add(id(i), new(int), 1)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		k := id(i % 1000)
		_, ref, _ := l.Get(k)
		l.Use(k, ref)
		l.Done(k, ref, mono.Time(i))
		i++
	}
}

func BenchmarkLRUGet(b *testing.B) {
	l := bounded.NewLRU[transport.PeerID, *int]("pool", 1000)
	for i := range 1000 {
		l.Add(id(i), new(int), 1)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Get(id(i % 1000))
		i++
	}
}

// One newcomer to a full pool.
func BenchmarkLRUEvictAdd(b *testing.B) {
	l := bounded.NewLRU[transport.PeerID, *int]("pool", 1000)
	i := 0
	for ; i < 1000; i++ {
		l.Add(id(i), nil, 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		k, _, _, _ := l.Oldest()
		_, ref, _ := l.Get(k)
		l.Remove(k, ref)
		l.Add(id(i), nil, mono.Time(i))
		i++
	}
}

func full(n int, ttl mono.Time) *bounded.Map[int, *int] {
	m := bounded.NewMap[int, *int]("services", n)
	for i := range n {
		m.Put(i, nil, mono.Time(i+1)+ttl)
	}
	return m
}

func BenchmarkMapGet(b *testing.B) {
	m := full(100_000, 1<<40)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Get(i%100_000, 5)
		i++
	}
}

// An entry that is put and deleted again, as a call in flight.
func BenchmarkMapPutDelete(b *testing.B) {
	m := bounded.NewMap[int, *int]("calls", 1024)
	for i := range 64 {
		m.Put(-i-1, nil, 0)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		ref, _ := m.Put(i, nil, 0)
		m.Delete(i, ref)
		i++
	}
}

// A refresh at 100,000 services.
func BenchmarkMapRefresh(b *testing.B) {
	m := full(100_000, 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Put(i%100_000, nil, mono.Time(i+200_000))
		i++
	}
}

// Put and expire of one entry among 100,000.
func BenchmarkMapPutExpire(b *testing.B) {
	m := full(100_000, 1)
	m.SetCap(100_001)
	b.ReportAllocs()
	i := 100_000
	for b.Loop() {
		m.Put(i, nil, mono.Time(i+2))
		m.Expire(mono.Time(i-100_000+2), 1, nil)
		i++
	}
}

// The cleanup of 100,000 services, none of them expired. Target: 10 us.
func BenchmarkMapCleanupNothingExpired(b *testing.B) {
	m := full(100_000, 1<<40)
	b.ReportAllocs()
	for b.Loop() {
		m.Expire(5, 1000, nil)
	}
}
