package sim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

func TestRecordingChangesNothing(t *testing.T) {
	for seed := range uint64(5) {
		for _, s := range []func() sim.Strategy{sim.Random, sim.FIFO, func() sim.Strategy { return sim.PCT(3, 500) }} {
			want := chatter(t, sim.Config{Seed: seed, Strategy: s()})
			got := chatter(t, sim.Config{Seed: seed, Strategy: sim.Recording(s(), 0)})
			if got.String() != want.String() {
				t.Errorf("recorded: %v\nalone: %v", got, want)
			}
		}
	}
}

func TestAReplayOfAllDecisionsIsTheSameRun(t *testing.T) {
	all := 0
	for seed := range uint64(30) {
		for _, s := range []sim.Strategy{sim.Random(), sim.PCT(4, 500), lastFirst{sim.FIFO()}, sim.FIFO()} {
			rec := sim.Recording(s, 0)
			want := chatter(t, sim.Config{Seed: seed, Strategy: rec})
			decisions := rec.Decisions()
			all += len(decisions)
			again := sim.Replaying(decisions, rec.TieSeed())
			if seed == 0 {
				chatter(t, sim.Config{Seed: seed, Strategy: again}) // nothing of it stays
			}
			got := chatter(t, sim.Config{Seed: seed, Strategy: again})
			if got.Hash() != want.Hash() || got.Events() != want.Events() || again.Matched() != len(decisions) || len(again.Missed()) > 0 {
				t.Fatalf("seed %d, %s: %d of %d decisions matched\nrecorded %v\nreplayed %v", seed, s.Name(), again.Matched(), len(decisions), want, got)
			}
		}
	}
	if all < 5_000 {
		t.Errorf("only %d decisions: the program shows nothing", all)
	}
}

// changed is a program of three parts that have nothing to do with each other,
// of which the last two can be left out: it stands for one that was edited.
func changed(t *testing.T, seed uint64, s sim.Strategy, extraTask, extraTimer bool) (order string) {
	t.Helper()
	w := newWorld(t, sim.Config{Seed: seed, Strategy: s})
	m := w.Machine("m")
	var log []string
	if extraTask {
		m.Go("extra", func() {
			for range 40 {
				m.Yield()
			}
		})
	}
	for i := range 4 {
		m.Go("worker", func() {
			for step := range 25 {
				log = append(log, fmt.Sprint(i, ".", step))
				m.Yield()
			}
		})
		m.Go("sleeper", func() {
			for range 10 {
				rt.Sleep(context.Background(), m, time.Millisecond)
				m.Yield()
			}
		})
	}
	if extraTimer {
		for i := range 10 {
			m.AfterInline(time.Duration(i)*time.Millisecond, func() {})
		}
	}
	run(t, w)
	return strings.Join(log, " ")
}

func TestMostDecisionsStillMatchAfterASmallChange(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after [2]bool
		least         int // percent of the decisions
	}{
		{"nothing", [2]bool{true, true}, [2]bool{true, true}, 100},
		{"a task more", [2]bool{false, false}, [2]bool{true, false}, 90},
		{"timers less", [2]bool{false, true}, [2]bool{false, false}, 90},
	} {
		const seeds = 20
		all, matched, same := 0, 0, 0
		for seed := range uint64(seeds) {
			rec := sim.Recording(sim.Random(), 0)
			before := changed(t, seed, rec, c.before[0], c.before[1])
			again := sim.Replaying(rec.Decisions(), rec.TieSeed())
			after := changed(t, seed, again, c.after[0], c.after[1])
			all += len(rec.Decisions())
			matched += again.Matched()
			if before == after {
				same++
			}
		}
		t.Logf("%s: %d of %d decisions matched, the others ran in the same order in %d of %d seeds", c.name, matched, all, same, seeds)
		if matched*100 < all*c.least || same < seeds*9/10 {
			t.Errorf("%s: only %d of %d decisions matched, and %d of %d seeds kept their order", c.name, matched, all, same, seeds)
		}
	}
}

func TestARecorderKeepsNoMoreThanItsLimit(t *testing.T) {
	full := sim.Recording(sim.Random(), 0)
	chatter(t, sim.Config{Seed: 3, Strategy: full})
	rec := sim.Recording(sim.Random(), 10)
	chatter(t, sim.Config{Seed: 3, Strategy: rec})
	if n := len(full.Decisions()); len(rec.Decisions()) != 10 || rec.Dropped() != n-10 || full.Dropped() != 0 {
		t.Errorf("of %d decisions %d were kept and %d dropped", n, len(rec.Decisions()), rec.Dropped())
	}
}

// scripted picks what it is told.
type scripted struct {
	sim.Strategy
	picks []int
}

func (s *scripted) Pick([]*sim.Task, bool) int {
	i := s.picks[0]
	s.picks = s.picks[1:]
	return i
}

func TestADecisionCountsTheTimersSinceItsTasksLastStep(t *testing.T) {
	rec := sim.Recording(&scripted{sim.FIFO(), []int{-1, -1, 0, -1, 1, 0, 0}}, 0)
	hashOf(t, sim.Config{Strategy: rec}, func(_ *sim.World, m *sim.Machine) {
		for range 4 {
			m.AfterInline(0, func() {})
		}
		m.Go("a", m.Yield)
		m.Go("b", m.Yield)
	})
	var got []string
	for _, d := range rec.Decisions() {
		got = append(got, d.String())
	}
	if want := []string{"m/a#1:1<m/a#1:1+2", "m/a#1:2<m/b#1:1+1", "m/b#1:1<m/b#1:1+3", "m/b#1:2<m/b#1:2+0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestADecisionReads(t *testing.T) {
	reader, writer := sim.TaskKey{Machine: "a", Name: "reader", N: 1}, sim.TaskKey{Machine: "b", Name: "two words", N: 2}
	for want, d := range map[string]sim.Decision{
		`a/reader#1:4<b/"two words"#2:7`: {Task: reader, Step: 4, Over: writer, OverStep: 7},
		`a/reader#1:4<a/reader#1:4+0`:    {Task: reader, Step: 4, Over: reader, OverStep: 4, Timer: true},
	} {
		if d.String() != want {
			t.Errorf("got %s, want %s", d, want)
		}
	}
	for _, text := range []string{
		"", "a", "a/b#1:1", "a/b#1:1<", "a/b#1:1<+0", "a/b#1:1<c/d#1:1+", "a/b#1:1<c/d#1:1+0 ", "a/b#1:1<c/d#1", "a/b#01:1<c/d#1:1",
		"a/b#1:-1<c/d#1:1", "/b#1:1<c/d#1:1", `"a"/b#1:1<c/d#1:1`, `"a/b#1:1<c/d#1:1`, "a b/c#1:1<c/d#1:1", "a/b#1:99999999999999999999<c/d#1:1",
	} {
		if d, err := sim.ParseDecision(text); err == nil {
			t.Errorf("%q is taken for %v", text, d)
		}
	}
}

func TestADecisionIsReadAsItWasWritten(t *testing.T) {
	key := rapid.Custom(func(t *rapid.T) sim.TaskKey {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z./#:<+" -]{0,6}`), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 5), func(b []byte) string { return string(b) }))
		return sim.TaskKey{Machine: name.Draw(t, "machine"), Name: name.Draw(t, "name"), N: rapid.Uint64().Draw(t, "n")}
	})
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64()
		d := sim.Decision{Task: key.Draw(t, "task"), Step: number.Draw(t, "step"), Over: key.Draw(t, "over"), OverStep: number.Draw(t, "over step")}
		if d.Timer = rapid.Bool().Draw(t, "timer"); d.Timer {
			d.Passed = number.Draw(t, "passed")
		}
		got, err := sim.ParseDecision(d.String())
		if err != nil || got != d {
			t.Errorf("%#v is written %s and read as %#v, %v", d, d, got, err)
		}
	})
}
