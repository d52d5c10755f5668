package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim"
)

// schedules plays set under every schedule with so many deviations, and
// returns how often each order of what it logs was seen.
func schedules(t *testing.T, deviations int, set func(m *sim.Machine, log func(string))) (map[string]int, *sim.Exhaust) {
	t.Helper()
	seen := map[string]int{}
	e := sim.Exhaustive(deviations)
	for more := true; more; more = e.Next() {
		w := sim.New(sim.Config{Strategy: e})
		var order []string
		set(w.Machine("m"), func(s string) { order = append(order, s) })
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		seen[strings.Join(order, " ")]++
		if e.Schedules() > 10_000 {
			t.Fatal("it does not end")
		}
	}
	if e.Err() != nil {
		t.Fatal(e.Err())
	}
	return seen, e
}

// steps logs n steps of a task of that name.
func steps(m *sim.Machine, log func(string), name string, n int) {
	m.Go(name, func() {
		for i := range n {
			if i > 0 {
				m.Yield()
			}
			log(fmt.Sprint(name, i))
		}
	})
}

func TestEveryScheduleIsVisitedExactlyOnce(t *testing.T) {
	const all = 100
	for _, c := range []struct {
		name       string
		deviations int
		want       int
		set        func(m *sim.Machine, log func(string))
	}{
		{"two tasks of three steps: 6 over 3", all, 20, func(m *sim.Machine, log func(string)) {
			steps(m, log, "a", 3)
			steps(m, log, "b", 3)
		}},
		{"tasks of two, four and one step: 7! / 2! 4! 1!", all, 105, func(m *sim.Machine, log func(string)) {
			steps(m, log, "a", 2)
			steps(m, log, "b", 4)
			steps(m, log, "c", 1)
		}},
		{"no deviation", 0, 1, func(m *sim.Machine, log func(string)) {
			steps(m, log, "a", 3)
			steps(m, log, "b", 3)
		}},
		// Of n tasks with one step FIFO takes the first that is left: one
		// deviation takes the j-th of those that are left instead.
		{"four tasks of one step, one deviation: 1 + 3+2+1", 1, 7, func(m *sim.Machine, log func(string)) {
			for _, name := range []string{"a", "b", "c", "d"} {
				steps(m, log, name, 1)
			}
		}},
		{"three timers of one instant: 3!", all, 6, func(m *sim.Machine, log func(string)) {
			for _, name := range []string{"a", "b", "c"} {
				m.AfterInline(1, func() { log(name) })
			}
		}},
		{"two timers that are due beside a task of two steps: 4! / 2!", all, 12, func(m *sim.Machine, log func(string)) {
			steps(m, log, "task", 2)
			for _, name := range []string{"a", "b"} {
				m.AfterInline(0, func() { log(name) })
			}
		}},
	} {
		seen, e := schedules(t, c.deviations, c.set)
		if len(seen) != c.want || e.Schedules() != c.want {
			t.Errorf("%s: %d schedules with %d orders, want %d: %v", c.name, e.Schedules(), len(seen), c.want, seen)
		}
	}
}

func TestTheFirstScheduleIsThatOfFIFO(t *testing.T) {
	want := chatter(t, sim.Config{Strategy: sim.FIFO()})
	if got := chatter(t, sim.Config{Strategy: sim.Exhaustive(3)}); got.Hash() != want.Hash() {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestALostUpdateIsFoundWithOneDeviationAndWithNoneIsNot(t *testing.T) {
	for deviations, want := range []int{0, 2} {
		sums := map[int]int{}
		schedules(t, deviations, func(m *sim.Machine, _ func(string)) {
			n, left := 0, 2
			done := func() {
				if left--; left == 0 {
					sums[n]++
				}
			}
			m.Go("careless", func() {
				before := n
				m.Yield()
				n = before + 1
				done()
			})
			m.Go("other", func() {
				m.Yield()
				n++
				done()
			})
		})
		if sums[1] != want || sums[2] == 0 {
			t.Errorf("%d deviations: the sum is 1 in %d schedules, want %d; sums %v", deviations, sums[1], want, sums)
		}
	}
}

func TestTimersOfAMachineThatStandsStillAreNotChosen(t *testing.T) {
	seen, _ := schedules(t, 100, func(m *sim.Machine, log func(string)) {
		other := m.World().Machine("other")
		m.AfterInline(1, func() { log("a") })
		other.AfterInline(1, func() { log("b") })
		m.AfterInline(1, func() { log("c") })
		other.Pause()
	})
	if len(seen) != 2 || seen["a c"] != 1 || seen["c a"] != 1 {
		t.Errorf("saw %v", seen)
	}
}

func TestAProgramThatDoesNotRepeatEndsTheSearch(t *testing.T) {
	for name, grow := range map[string]int{"more to choose from": 1, "fewer choices": -1} {
		e := sim.Exhaustive(3)
		n := 3
		for more := true; more; more = e.Next() {
			w := sim.New(sim.Config{Strategy: e})
			m := w.Machine("m")
			for range n {
				m.Go("task", m.Yield)
			}
			if err := w.Run(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			n = max(n+grow, 1)
		}
		if e.Err() == nil || !strings.Contains(e.Err().Error(), "not deterministic") {
			t.Errorf("%s: after %d schedules: %v", name, e.Schedules(), e.Err())
		}
	}
}
