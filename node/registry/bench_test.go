package registry_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
)

func full(b *testing.B) (r rt.Clock, g *registry.Registry[int], names []string) {
	run := realrt.New(realrt.Config{})
	g = registry.New[int](run, registry.Config{}, nil)
	for i := range 100_000 {
		name := fmt.Sprintf("org.demo.service.%06d", i)
		names = append(names, name)
		owner := itself(byte(i % 200))
		if err := g.Put(entry{Name: name, Provider: owner.ID, Owner: owner, TTL: time.Hour}); err != nil {
			b.Fatal(err)
		}
	}
	return run, g, names
}

// Target: 500 ns at 100,000 services, no allocation.
func BenchmarkLookup(b *testing.B) {
	r, g, names := full(b)
	buf := make([]*entry, 0, 8)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		buf = g.Lookup(names[i%len(names)], r.Now(), buf[:0])
		i += 7919
	}
	if len(buf) != 1 {
		b.Fatal("not found")
	}
}

// Target: 10 us at 100,000 services.
func BenchmarkCleanupNothingExpired(b *testing.B) {
	_, g, _ := full(b)
	b.ReportAllocs()
	for b.Loop() {
		g.Expire(1000)
	}
}

func BenchmarkRefresh(b *testing.B) {
	_, g, names := full(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		owner := itself(byte(i % 200))
		if err := g.Put(entry{Name: names[i], Provider: owner.ID, Owner: owner, TTL: time.Hour}); err != nil {
			b.Fatal(err)
		}
		i = (i + 1) % len(names)
	}
}
