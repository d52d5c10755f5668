package sim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/sim"
)

// asks is a program that asks some points many times on two machines.
func asks(t *testing.T, cfg sim.Config, points ...string) *sim.World {
	t.Helper()
	w := newWorld(t, cfg)
	for _, name := range []string{"a", "b"} {
		m := w.Machine(name)
		m.Go("asks", func() {
			for range 1000 {
				for _, p := range points {
					rt.Buggify(m, p)
				}
				m.Yield()
			}
		})
	}
	run(t, w)
	return w
}

func points(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint("point ", i))
	}
	return names
}

func TestBuggifyIsFreeWhenItIsOff(t *testing.T) {
	want := asks(t, sim.Config{}).Hash()
	for _, b := range []sim.Buggify{{}, {Active: 1e6}, {Fire: 1e6}} {
		w := asks(t, sim.Config{Buggify: b}, points(3)...)
		if w.Hash() != want || len(w.Buggified()) > 0 {
			t.Errorf("%+v: hash %016x, want %016x; points %v", b, w.Hash(), want, w.Buggified())
		}
	}
}

func TestBuggifyFiresAsOftenAsTheRatiosSay(t *testing.T) {
	w := asks(t, sim.Config{Buggify: sim.Buggify{Active: 250_000, Fire: 100_000}}, points(400)...)
	active := 0
	for _, p := range w.Buggified() {
		switch {
		case p.Passes != 2000:
			t.Errorf("%+v: asked 2000 times", p)
		case p.Active:
			active++
			if p.Fired < 130 || p.Fired > 270 {
				t.Errorf("%+v: want about 200", p)
			}
		case p.Fired > 0:
			t.Errorf("%+v: fired", p)
		}
	}
	if active < 70 || active > 130 {
		t.Errorf("%d of 400 points are active, want about 100", active)
	}
	for _, p := range asks(t, sim.Config{Buggify: sim.Buggify{Active: 1e6, Fire: 1e6}}, "always").Buggified() {
		if p != (sim.BuggifyPoint{Name: "always", Active: true, Passes: 2000, Fired: 2000}) {
			t.Errorf("%+v", p)
		}
	}
}

func TestBuggifyDerivesFromSeedMachineAndPointAlone(t *testing.T) {
	cfg := sim.Config{Buggify: sim.Buggify{Active: 500_000, Fire: 500_000}}
	var got [2][]bool
	fired := func(m *sim.Machine, into *[]bool) {
		for range 50 {
			*into = append(*into, rt.Buggify(m, "point 1"))
		}
	}
	for i := range got {
		for cfg.Seed = range uint64(20) {
			w := newWorld(t, cfg)
			m := w.Machine("m")
			if i == 1 { // what is asked elsewhere shifts nothing
				rt.Buggify(m, "point 0")
				rt.Buggify(w.Machine("other"), "point 1")
			}
			fired(m, &got[i])
		}
	}
	if !slices.Equal(got[0], got[1]) || !slices.Contains(got[0], true) {
		t.Error("another point or machine changes when a point fires")
	}
	hashes := map[uint64]bool{}
	for cfg.Seed = range uint64(10) {
		w, again := asks(t, cfg, points(5)...), asks(t, cfg, points(5)...)
		if w.Hash() != again.Hash() || !slices.Equal(w.Buggified(), again.Buggified()) {
			t.Errorf("seed %d is another run the second time", cfg.Seed)
		}
		hashes[w.Hash()] = true
	}
	if len(hashes) != 10 {
		t.Errorf("10 seeds take %d paths", len(hashes))
	}
}

func TestPointsAndMachinesFireApart(t *testing.T) {
	w := newWorld(t, sim.Config{Buggify: sim.Buggify{Active: 1e6, Fire: 500_000}})
	seen := map[string]bool{}
	for _, name := range []string{"a", "b"} {
		for _, point := range []string{"p", "q"} {
			var fired []byte
			for range 64 {
				fired = fmt.Append(fired, rt.Buggify(w.Machine(name), point))
			}
			seen[string(fired)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("two points on two machines fire in %d patterns", len(seen))
	}
}

func TestTheHashFoldsWhatBuggifyFires(t *testing.T) {
	ask := func(point string) uint64 {
		return hashOf(t, sim.Config{Buggify: sim.Buggify{Active: 1e6, Fire: 1e6}}, func(_ *sim.World, m *sim.Machine) { rt.Buggify(m, point) })
	}
	if ask("a") == ask("b") {
		t.Error("the hash does not tell them apart")
	}
}

func TestADyingTaskIsNotBuggified(t *testing.T) {
	w := newWorld(t, sim.Config{Buggify: sim.Buggify{Active: 1e6, Fire: 1e6}})
	m := w.Machine("m")
	asked := false
	m.Go("dies", func() {
		defer func() { asked = !rt.Buggify(m, "point") && !rt.Buggify(w.Machine("other"), "point") }()
		wait(m)
	})
	w.At(time.Second, "crash", m.Crash)
	run(t, w)
	if !asked || len(w.Buggified()) > 0 {
		t.Errorf("points %v", w.Buggified())
	}
	if rt.Buggify(m, "point") {
		t.Error("a machine that is down is buggified")
	}
}

func TestTheRealRuntimeIsNeverBuggified(t *testing.T) {
	for range 1000 {
		if rt.Buggify(realrt.New(realrt.Config{}), "point") {
			t.Fatal("it fired")
		}
	}
}
