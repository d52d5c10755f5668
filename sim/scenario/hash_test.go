package scenario_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// What the layers on top of sim decide reaches the hash by World.Fold and
// World.Note, which are tested there. Here is that they call them.

// decided plays a scenario and returns its decisions of the kind, in words.
func decided(t *testing.T, s *scenario.Scenario, k sim.Kind) []string {
	t.Helper()
	var all []string
	r := mustPlay(t, s, scenario.Options{Seed: 1, Trace: func(r sim.Record) {
		if r.Kind == k {
			all = append(all, r.Machine+" "+r.Text)
		}
	}})
	if !r.Held() {
		t.Fatal(r.Failure)
	}
	return all
}

// wantDecided demands a decision of the kind that ends in each of want.
func wantDecided(t *testing.T, s *scenario.Scenario, k sim.Kind, want ...string) {
	t.Helper()
	got := decided(t, s, k)
	for _, x := range want {
		if !slices.ContainsFunc(got, func(one string) bool { return strings.HasSuffix(one, x) }) {
			t.Errorf("%q is not among the decisions %q", x, got)
		}
	}
}

func TestTheHashFoldsWhatAPacketCarries(t *testing.T) {
	// Both runs do the same with one packet of data, whose length is all that
	// differs.
	sent := func(data string) uint64 {
		r := mustPlay(t, story(func(s *scenario.Stage) {
			x := newTown(s, 2)
			ca, cb, err := x.connect(0, 1)
			s.Check(err == nil, "connected", "%v", err)
			x.places[0].Do("write", func() {
				st, _ := ca.OpenStream(context.Background())
				st.Write([]byte(data))
			})
			x.places[1].Do("read", func() {
				st, _ := cb.AcceptStream(context.Background())
				st.Read(make([]byte, 100))
			})
		}), scenario.Options{Seed: 1})
		if !r.Held() {
			t.Fatal(r.Failure)
		}
		return r.Hash
	}
	if sent("a") == sent("ab") {
		t.Error("the hash does not see what a packet carries")
	}
}

func TestPacketsAreDecisions(t *testing.T) {
	talk := func(cut bool) *scenario.Scenario {
		return story(func(s *scenario.Stage) {
			x := newTown(s, 2)
			if cut {
				s.Split(x.places[:1], x.places[1:])
			}
			x.places[0].Do("dial", func() { x.trs[0].Dial(context.Background(), x.places[1].Addr(), transport.PeerID{1}) })
		})
	}
	wantDecided(t, talk(false), sim.KindDeliver, "p1 initial, #1", "p0 hello, #1")
	wantDecided(t, talk(true), sim.KindDrop, "p1 initial, #1")
}

func TestFaultsOfTheNetworkAreDecisions(t *testing.T) {
	wantDecided(t, story(func(s *scenario.Stage) {
		x := newTown(s, 2)
		s.Cut(x.places[0], x.places[1])
	}), sim.KindFault, "p0 cut to p1")
}

func TestFaultsAndTheCalmOfAPlanAreDecisions(t *testing.T) {
	s := ofPlan(t, "at 1s for 1s pause a\ncalm 5s\nwithin 9s counting\n")
	wantDecided(t, s, sim.KindFault, "pause a", " calm")
}

func TestFaultsOfADiskAreDecisions(t *testing.T) {
	for lines, want := range map[string]string{
		"disk a latency=1ms slow=100% slow-by=1s\nat 1s put a\n": "a store: slow: put k",
		"at 1s for 2s failing a share=100%\nat 2s get a\n":       "a store: fails: get k",
		"disk a lost=100%\nat 1s put a\nat 2s for 1s crash a\n":  "a store: lost at the crash: k",
		"at 1s wipe a\n": "a store: wiped",
	} {
		p, err := plan.Parse("keepers.plan", fmt.Append(nil, "plan p\nsystem keepers\nnode a\n", lines))
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.FromPlan(p, keepers())
		if err != nil {
			t.Fatal(err)
		}
		wantDecided(t, s, sim.KindFault, want)
	}
}
