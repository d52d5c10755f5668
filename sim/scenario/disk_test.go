package scenario_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/store"
)

// keepers is a system whose nodes write to their disks, and tell what became
// of it.
func keepers() *scenario.System {
	node := []plan.Field{{Name: "node", Kind: plan.Node}}
	return &scenario.System{
		Name: "keepers", Disks: true,
		Requests: []plan.Verb{{Name: "put", Args: node}, {Name: "sync", Args: node}, {Name: "get", Args: node}, {Name: "rarely", Args: node}},
		Open: func(s *scenario.Stage) *scenario.Subject {
			begun := s.Runtime().Now()
			on := func(f func(n *scenario.Node) error) func(*scenario.Request) {
				return func(r *scenario.Request) {
					n, at := r.At("node"), s.Runtime().Now()
					var err error
					n.Do("disk", func() { err = f(n) })
					s.Factf("%v %s %s: %v in %v", at.Sub(begun), n.Name(), r.Verb.Name, err, s.Runtime().Now().Sub(at))
				}
			}
			return &scenario.Subject{Requests: map[string]func(*scenario.Request){
				"put":    on(func(n *scenario.Node) error { return n.Disk().Put("k", []byte("value")) }),
				"sync":   on(func(n *scenario.Node) error { return n.Disk().Sync() }),
				"get":    on(func(n *scenario.Node) error { _, err := n.Disk().Get("k"); return err }),
				"rarely": on(func(n *scenario.Node) error { rt.Buggify(n.Runtime(), "a rare thing"); return nil }),
			}}
		},
	}
}

func playKeepers(t *testing.T, lines string) *scenario.Result {
	t.Helper()
	p, err := plan.Parse("keepers.plan", []byte("plan p\nsystem keepers\nnode a b\n"+lines))
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.FromPlan(p, keepers())
	if err != nil {
		t.Fatal(err)
	}
	r := mustPlay(t, s, scenario.Options{Seed: 1})
	if !r.Held() {
		t.Fatal(r.Failure)
	}
	return r
}

func TestPlansSayWhatDisksDo(t *testing.T) {
	for name, c := range map[string]struct{ lines, want string }{
		"perfect":          {"at 1s put a\nat 2s for 1s crash a\nat 4s get a\n", "4s a get: <nil> in 0s"},
		"lost":             {"disk a lost=100%\nat 1s put a\nat 2s for 1s crash a\nat 4s get a\n", "4s a get: " + store.ErrNotFound.Error() + " in 0s"},
		"lost, synced":     {"disk lost=100%\nat 1s put a\nat 1.5s sync a\nat 2s for 1s crash a\nat 4s get a\n", "4s a get: <nil> in 0s"},
		"torn":             {"disk a torn=100%\nat 1s put a\nat 2s for 1s crash a\nat 4s get a\n", "4s a get: " + store.ErrCorrupt.Error() + " in 0s"},
		"of another":       {"disk b lost=100%\nat 1s put a\nat 2s for 1s crash a\nat 4s get a\n", "4s a get: <nil> in 0s"},
		"slow":             {"disk a latency=30ms\nat 1s put a\n", "1s a put: <nil> in 30ms"},
		"full":             {"at 1s for 2s full a\nat 2s put a\n", "2s a put: " + store.ErrFull.Error() + " in 0s"},
		"full, over":       {"at 1s for 2s full a\nat 4s put a\n", "4s a put: <nil> in 0s"},
		"full twice":       {"at 1s for 2s full a\nat 2s for 5s full a\nat 4s put a\n", "4s a put: " + store.ErrFull.Error() + " in 0s"},
		"failing":          {"at 1s for 2s failing a share=100%\nat 2s get a\n", "2s a get: " + store.ErrIO.Error() + " in 0s"},
		"failing and full": {"at 1s for 2s failing a share=100%\nat 1s for 9s full a\nat 4s put a\n", "4s a put: " + store.ErrFull.Error() + " in 0s"},
		"wiped":            {"at 1s put a\nat 1.5s sync a\nat 2s wipe a\nat 4s get a\n", "4s a get: " + store.ErrNotFound.Error() + " in 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			facts := playKeepers(t, c.lines).Facts
			if !slices.ContainsFunc(facts, func(f string) bool { return f == c.want || sameError(f, c.want) }) {
				t.Errorf("facts: %q, want %q", facts, c.want)
			}
		})
	}
}

// sameError compares facts whose errors say more than their kind.
func sameError(fact, want string) bool {
	for _, err := range []error{store.ErrNotFound, store.ErrCorrupt, store.ErrFull, store.ErrIO} {
		if strings.Contains(fact, err.Error()) && strings.Contains(want, err.Error()) {
			return fact[:6] == want[:6]
		}
	}
	return false
}

func TestSluggishIsSlowUntilItsEnd(t *testing.T) {
	facts := playKeepers(t, "at 1s for 2s sluggish a by=1s\nat 1.5s get a\nat 4s get a\n").Facts
	var slow, quick bool
	for _, f := range facts {
		slow = slow || f[:4] == "1.5s" && !strings.Contains(f, "in 0s")
		quick = quick || f[:2] == "4s" && strings.Contains(f, "in 0s")
	}
	if !slow || !quick {
		t.Errorf("facts: %q", facts)
	}
}

func TestDisksBelongToSystemsThatHaveThem(t *testing.T) {
	if _, err := tryPlan("plan p\nsystem probes\nnode a\nat 1s full a\n"); err == nil {
		t.Error("a system without disks takes faults of them")
	}
}

func TestBuggifyIsOffUnlessThePlanTurnsItOn(t *testing.T) {
	const lines = "from 1s to 9s every 100ms rarely a\n"
	met := func(r *scenario.Result) uint64 {
		for _, m := range r.Marks {
			if m.Name == "buggify: a rare thing" {
				return m.N
			}
		}
		return 0
	}
	off, on, half := playKeepers(t, lines), playKeepers(t, "buggify active=100% fire=100%\n"+lines), playKeepers(t, "buggify active=100% fire=50%\n"+lines)
	if met(off) != 0 || met(on) != 80 || met(half) < 20 || met(half) > 60 {
		t.Errorf("off %d, on %d, at one half %d of 80", met(off), met(on), met(half))
	}
	if again := playKeepers(t, "buggify active=100% fire=50%\n"+lines); again.Hash != half.Hash || half.Hash == off.Hash {
		t.Error("the hash does not say what was done")
	}
}
