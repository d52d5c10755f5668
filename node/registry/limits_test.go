package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/registry"
)

func limits(entries int) registry.Limits {
	return registry.Limits{Entries: entries, TTL: 300 * time.Second, MinTTL: time.Second, MaxTTL: time.Hour}
}

// What other nodes provide goes first and what clients provide after it, the
// earliest to expire first; what the node itself provides stays, and a limit
// below that is refused.
func TestALowerLimitShedsOthersFirstAndNeverTheNodesOwn(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	put := func(name string, owner registry.Owner, local bool, ttl time.Duration) {
		t.Helper()
		if err := s.g.Put(entry{Name: name, Provider: owner.ID, Owner: owner, IsLocal: local, TTL: ttl}); err != nil {
			t.Fatal(err)
		}
	}
	put("own", itself(9), true, 2*time.Second)
	put("client.late", session(1, 1), true, 9*time.Second)
	put("client.soon", session(1, 1), true, 3*time.Second)
	put("other.late", itself(2), false, time.Minute)
	put("other.soon", itself(3), false, time.Second+time.Millisecond)
	put("over", itself(3), false, time.Second)
	s.pass(time.Second)
	var gone []string
	for _, n := range []int{5, 3, 1} {
		shed, err := s.g.SetLimits(limits(n))
		if err != nil || s.g.Stats().Entries > n || s.g.Stats().Limit != n {
			t.Fatalf("to %d: %v, %+v", n, err, s.g.Stats())
		}
		for _, e := range shed {
			gone = append(gone, e.Name)
		}
	}
	if want := []string{"other.soon", "other.late", "client.soon", "client.late"}; !slices.Equal(gone, want) {
		t.Errorf("shed %v, want %v", gone, want)
	}
	put("own", itself(9), true, time.Hour)
	if err := s.g.Put(entry{Name: "own.2", Provider: peer(9), Owner: itself(9), IsLocal: true}); !errors.Is(err, fault.Overload) {
		t.Errorf("one more over the limit: %v", err)
	}
	if _, err := s.g.SetLimits(limits(2)); err != nil {
		t.Fatal(err)
	}
	put("own.2", itself(9), true, time.Hour)
	if _, err := s.g.SetLimits(limits(1)); !errors.Is(err, fault.Invalid) || s.g.Stats().Limit != 2 {
		t.Errorf("fewer than the node's own: %v, %+v", err, s.g.Stats())
	}
	if err := s.g.Audit(); err != nil {
		t.Error(err)
	}
}

func TestANameHasTheTTLOfItsLongestPattern(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	l := limits(10)
	l.TTLs = []registry.NameTTL{{"demo.**", 10 * time.Second}, {"demo.fast.**", 2 * time.Second}, {"demo.fast.one", 7 * time.Second}}
	if _, err := s.g.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		asked time.Duration
		want  time.Duration
	}{
		{"other", 0, 300 * time.Second}, {"demo", 0, 300 * time.Second}, {"demo.x", 0, 10 * time.Second},
		{"demo.fast.x", 0, 2 * time.Second}, {"demo.fast.one", 0, 7 * time.Second},
		{"demo.fast.x", time.Minute, time.Minute}, {"demo.x", 5 * time.Hour, time.Hour}, {"demo.x", 1, time.Second},
	} {
		if got := s.g.TTL(c.name, c.asked); got != c.want {
			t.Errorf("%s, asked for %v: %v, want %v", c.name, c.asked, got, c.want)
		}
	}
}

// A provider renews when a third of the time has passed that it asked for:
// under pressure it must not be lost in between.
func TestShortenedEntriesOutliveTheRenewalOfTheirProviders(t *testing.T) {
	s := newStage(registry.Config{MinTTL: 2 * time.Second})
	defer s.w.Close()
	s.g.Shorten(true)
	const ttl = 30 * time.Second
	found := func() (names []string) {
		for _, e := range s.g.Entries() {
			names = append(names, e.Name)
		}
		return names
	}
	for range 5 {
		s.g.Put(entry{Name: "other", Provider: peer(2), Owner: itself(2), TTL: ttl})
		s.g.Put(entry{Name: "client", Provider: peer(3), Owner: session(3, 1), IsLocal: true, TTL: ttl})
		s.pass(ttl / 3)
		if got := found(); len(got) != 2 {
			t.Fatalf("a third later there is %v", got)
		}
	}
	s.pass(ttl/2 - ttl/3)
	if got := found(); !slices.Equal(got, []string{"client"}) {
		t.Errorf("half later there is %v, want what a client provides and nothing else", got)
	}
	s.g.Shorten(false)
	s.g.Put(entry{Name: "other", Provider: peer(2), Owner: itself(2), TTL: ttl})
	s.pass(ttl - 1)
	if len(s.lookup("other")) != 1 {
		t.Error("it still counts for half as long")
	}
}

func TestLimitsThatCannotBeAreNamed(t *testing.T) {
	many := limits(1)
	for i := range registry.MaxTTLs + 1 {
		many.TTLs = append(many.TTLs, registry.NameTTL{Pattern: fmt.Sprintf("n%d", i), TTL: time.Minute})
	}
	with := func(p string, ttl time.Duration) registry.Limits {
		l := limits(1)
		l.TTLs = []registry.NameTTL{{"good", time.Minute}, {p, ttl}}
		return l
	}
	for _, l := range []registry.Limits{
		limits(0), {Entries: 1}, {Entries: 1, TTL: 1, MinTTL: 2, MaxTTL: 3}, {Entries: 1, TTL: 4, MinTTL: 2, MaxTTL: 3}, many,
		with("good", time.Minute), with("", time.Minute), with("a.*", time.Minute), with("a**b", time.Minute), with("a..**", time.Minute),
		with("A.**", time.Minute), with("a", 0), with("a", 2*time.Hour),
	} {
		if err := l.Check(); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", l.TTLs[max(len(l.TTLs)-1, 0):], err)
		}
	}
	if err := with("**", time.Minute).Check(); err != nil {
		t.Error(err)
	}
}
