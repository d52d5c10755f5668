package sim_test

import (
	"testing"

	"github.com/maculamesh/macula/sim"
)

// twoOf is a world in which task a makes some steps and task b one; it returns
// how many steps of a come before b.
func twoOf(t *testing.T, seed uint64, s sim.Strategy, steps int) (before int) {
	t.Helper()
	w := sim.New(sim.Config{Seed: seed, Strategy: s})
	defer w.Close()
	m := w.Machine("m")
	n := 0
	m.Go("a", func() {
		for n++; n < steps; n++ {
			m.Yield()
		}
	})
	m.Go("b", func() { before = n })
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	return before
}

func TestURWGivesEveryOrderTheSameChance(t *testing.T) {
	const steps, runs = 9, 5000
	count := func(f func() sim.Strategy) (orders [steps + 1]int) {
		for seed := range uint64(runs) {
			orders[twoOf(t, seed, f(), steps)]++
		}
		return orders
	}
	c := sim.Counting(sim.Random())
	twoOf(t, 1, c, steps)
	orders := count(func() sim.Strategy { return sim.URW(c) })
	for before, n := range orders {
		if n < runs/(steps+1)*8/10 || n > runs/(steps+1)*12/10 {
			t.Errorf("b runs after %d steps of a in %d of %d runs, want about %d: %d", before, n, runs, runs/(steps+1), orders)
		}
	}
	if orders := count(sim.Random); orders[steps] > runs/100 {
		t.Errorf("equal chances are as good: %d", orders)
	}
}

// The steps of a task that is not there yet count for the one that will start
// it, or else that one would start it late.
func TestURWCountsWhatATaskIsGoingToStart(t *testing.T) {
	play := func(seed uint64, s sim.Strategy) (late bool) {
		w := sim.New(sim.Config{Seed: seed, Strategy: s})
		defer w.Close()
		m := w.Machine("m")
		other := 0
		m.Go("starts", func() {
			m.Go("started", func() {
				for range 17 {
					m.Yield()
				}
			})
			late = other > 0
		})
		m.Go("other", func() { other++ })
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		return late
	}
	c := sim.Counting(sim.FIFO())
	play(1, c)
	if n := c.Steps(sim.TaskKey{Machine: "m", Name: "started", N: 1}); n != 18 || c.Tasks() != 3 {
		t.Fatalf("%d tasks, the one that is started made %d steps", c.Tasks(), n)
	}
	// There are 19 steps and one other, which comes first in one of 20 orders.
	const runs = 4000
	late := 0
	for seed := range uint64(runs) {
		if play(seed, sim.URW(c)) {
			late++
		}
	}
	if late < runs/20*7/10 || late > runs/20*13/10 {
		t.Errorf("the other task came first in %d of %d runs, want about %d", late, runs, runs/20)
	}
}

// Once it is there they count for it alone.
func TestURWLetsATaskThatWasStartedCountForItself(t *testing.T) {
	play := func(seed uint64, s sim.Strategy) (before int) {
		w := sim.New(sim.Config{Seed: seed, Strategy: s})
		defer w.Close()
		m := w.Machine("m")
		n := 0
		m.Go("starts", func() {
			m.Go("started", func() {
				for n++; n < 9; n++ {
					m.Yield()
				}
			})
			m.Yield()
			before = n
		})
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		return before
	}
	c := sim.Counting(sim.FIFO())
	play(1, c)
	const runs = 4000
	var orders [10]int
	for seed := range uint64(runs) {
		orders[play(seed, sim.URW(c))]++
	}
	for before, n := range orders {
		if n < runs/10*7/10 || n > runs/10*13/10 {
			t.Errorf("the last step came after %d of the other task in %d of %d runs: %d", before, n, runs, orders)
		}
	}
}

func TestURWWeighsTimersThatAreDue(t *testing.T) {
	const runs = 3000
	play := func(seed uint64, s sim.Strategy) (before int) {
		w := sim.New(sim.Config{Seed: seed, Strategy: s})
		defer w.Close()
		m := w.Machine("m")
		n := 0
		for range 4 {
			m.AfterInline(0, func() { n++ })
		}
		m.Go("task", func() { before = n })
		if err := w.Run(); err != nil {
			t.Fatal(err)
		}
		return before
	}
	c := sim.Counting(sim.FIFO())
	play(1, c)
	var orders [5]int
	for seed := range uint64(runs) {
		orders[play(seed, sim.URW(c))]++
	}
	for before, n := range orders {
		if n < runs/5*8/10 || n > runs/5*12/10 {
			t.Errorf("the task ran after %d timers in %d of %d runs: %d", before, n, runs, orders)
		}
	}
}

func TestCountingChangesNothing(t *testing.T) {
	want := chatter(t, sim.Config{Seed: 4})
	if got := chatter(t, sim.Config{Seed: 4, Strategy: sim.Counting(sim.Random())}); got.String() != want.String() {
		t.Errorf("counted %v, alone %v", got, want)
	}
}

func TestURWIsNamedByItsCounts(t *testing.T) {
	counts := func(seed uint64) *sim.Counts {
		c := sim.Counting(sim.Random())
		chatter(t, sim.Config{Seed: seed, Strategy: c})
		return c
	}
	a, b, again := sim.URW(counts(1)).Name(), sim.URW(counts(2)).Name(), sim.URW(counts(1)).Name()
	if a == b || a != again {
		t.Errorf("the names are %s and again %s, and %s for other counts", a, again, b)
	}
}
