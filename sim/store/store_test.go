package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	disk "github.com/maculamesh/macula/sim/store"
	"github.com/maculamesh/macula/store"
	"github.com/maculamesh/macula/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// machine is a storetest.World that crashes between two runs.
type machine struct {
	t *testing.T
	m *sim.Machine
	d *disk.Disk
}

func newMachine(t *testing.T, seed uint64, f disk.Faults) *machine {
	w := sim.New(sim.Config{Seed: seed})
	t.Cleanup(w.Close)
	m := w.Machine("m")
	return &machine{t, m, disk.New(m, f)}
}

// Run runs f as a task to its end and crashes the machine.
func (m *machine) Run(f func(s store.Store)) {
	m.t.Helper()
	m.do(func() { f(m.d) })
	m.m.Restart()
}

func (m *machine) do(f func()) {
	m.t.Helper()
	m.m.Go("test", f)
	if err := m.m.World().Run(); err != nil {
		m.t.Fatal(err, err.(*sim.Failure).Stack)
	}
}

func TestADiskConforms(t *testing.T) {
	for name, f := range map[string]disk.Faults{
		"perfect":      {},
		"slow":         {Latency: time.Millisecond, Jitter: time.Millisecond, Slow: 500_000, SlowBy: time.Second},
		"bad at crash": {Lost: 1e6, Torn: 1e6, Reordered: 1e6},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.World { return newMachine(t, 1, f) })
		})
	}
}

// after returns what a key holds after a crash that followed f, in many
// seeds: how often each value.
func after(t *testing.T, f disk.Faults, key string, write func(s store.Store)) (seen map[string]int, sum disk.Stats) {
	t.Helper()
	seen = map[string]int{}
	for seed := range uint64(200) {
		m := newMachine(t, seed, f)
		m.Run(write)
		m.do(func() {
			data, err := m.d.Get(key)
			switch {
			case errors.Is(err, store.ErrNotFound):
				seen["none"]++
			case errors.Is(err, store.ErrCorrupt):
				seen["torn "+string(data)]++
			case err != nil:
				t.Error(err)
			default:
				seen[string(data)]++
			}
		})
		s := m.d.Stats()
		sum.Lost, sum.Torn, sum.Reordered = sum.Lost+s.Lost, sum.Torn+s.Torn, sum.Reordered+s.Reordered
	}
	return seen, sum
}

// put writes values of one key, one after the other.
func put(key string, values ...string) func(s store.Store) {
	return func(s store.Store) {
		for _, v := range values {
			s.Put(key, []byte(v))
		}
	}
}

// about reports whether n is as many of 200 as percent says, give or take.
func about(n, percent int) bool { return n > 2*percent-30 && n < 2*percent+30 }

func TestAPerfectDiskKeepsWhatWasNotSynced(t *testing.T) {
	if seen, _ := after(t, disk.Faults{}, "key", put("key", "old", "new")); seen["new"] != 200 {
		t.Errorf("saw %v", seen)
	}
}

func TestAWriteThatWasNotSyncedMayBeLost(t *testing.T) {
	half := disk.Faults{Lost: 500_000}
	seen, sum := after(t, half, "key", func(s store.Store) {
		put("key", "old")(s)
		s.Sync()
		put("key", "new")(s)
	})
	if !about(seen["old"], 50) || seen["old"]+seen["new"] != 200 || int(sum.Lost) != seen["old"] {
		t.Errorf("saw %v, %+v", seen, sum)
	}
	seen, _ = after(t, half, "key", func(s store.Store) {
		put("key", "value")(s)
		s.Sync()
		s.Delete("key")
	})
	if !about(seen["none"], 50) || seen["value"]+seen["none"] != 200 {
		t.Errorf("of a delete: saw %v", seen)
	}
}

func TestAnEarlierWriteMayBeLostAndALaterOneNot(t *testing.T) {
	seen, _ := after(t, disk.Faults{Lost: 500_000}, "a", func(s store.Store) {
		put("a", "1")(s)
		put("b", "2")(s)
	})
	if !about(seen["none"], 50) {
		t.Errorf("saw %v", seen)
	}
}

func TestAWriteThatWasNotSyncedMayBeTorn(t *testing.T) {
	seen, sum := after(t, disk.Faults{Torn: 500_000}, "key", put("key", "abcd"))
	if !about(seen["abcd"], 50) || len(seen) != 5 || seen["torn "] == 0 || seen["torn a"] == 0 || seen["torn abc"] == 0 {
		t.Errorf("saw %v", seen)
	}
	if int(sum.Torn) != 200-seen["abcd"] {
		t.Errorf("%+v for %v", sum, seen)
	}
}

func TestWritesThatWereNotSyncedMayBeReordered(t *testing.T) {
	seen, sum := after(t, disk.Faults{Reordered: 500_000}, "key", put("key", "old", "new"))
	// The first one comes last if it is put off and the second is not.
	if !about(seen["old"], 25) || seen["old"]+seen["new"] != 200 || sum.Reordered == 0 {
		t.Errorf("saw %v, %+v", seen, sum)
	}
}

func TestWhatIsSyncedIsNeitherLostNorTornNorReordered(t *testing.T) {
	seen, sum := after(t, disk.Faults{Lost: 1e6, Torn: 1e6, Reordered: 1e6}, "key", func(s store.Store) {
		put("key", "old", "new")(s)
		s.Sync()
	})
	if seen["new"] != 200 || sum != (disk.Stats{}) {
		t.Errorf("saw %v, %+v", seen, sum)
	}
}

func TestASyncCoversOnlyWhatWasThereBefore(t *testing.T) {
	m := newMachine(t, 1, disk.Faults{Latency: time.Second, Lost: 1e6})
	m.m.Go("syncs", func() {
		m.d.Put("before", nil)
		m.d.Sync()
	})
	m.m.Go("puts", func() {
		rt.Sleep(context.Background(), m.m, 500*time.Millisecond)
		m.d.Put("during", nil)
	})
	if err := m.m.World().Run(); err != nil {
		t.Fatal(err)
	}
	m.m.Crash()
	_, before := m.d.Peek("before")
	_, during := m.d.Peek("during")
	if !before || during {
		t.Errorf("before: %v, during: %v", before, during)
	}
}

func TestAFailedSyncIsNotMadeGoodByAnother(t *testing.T) {
	for _, c := range []struct {
		lost  int
		again bool
		want  string
	}{
		{1e6, false, "old"}, {1e6, true, "newer"},
		{0, false, "new"}, {0, true, "newer"}, // and what has replaced it stays
	} {
		m := newMachine(t, 1, disk.Faults{Lost: c.lost})
		m.Run(func(s store.Store) {
			put("key", "old")(s)
			s.Sync()
			put("key", "new")(s)
			m.d.SetFaults(disk.Faults{Lost: c.lost, SyncError: 1e6})
			if err := s.Sync(); !errors.Is(err, store.ErrIO) {
				t.Errorf("Sync: %v", err)
			}
			m.d.SetFaults(disk.Faults{Lost: c.lost})
			if c.again {
				put("key", "newer")(s)
			}
			if err := s.Sync(); err != nil {
				t.Error(err)
			}
		})
		if got, _ := m.d.Peek("key"); string(got) != c.want {
			t.Errorf("%+v: %q after the crash", c, got)
		}
	}
}

func TestADiskTakesItsTime(t *testing.T) {
	took := func(f disk.Faults, ops int) time.Duration {
		m := newMachine(t, 1, f)
		m.do(func() {
			for range ops {
				m.d.Get("key")
			}
		})
		return m.m.World().Elapsed()
	}
	if d := took(disk.Faults{}, 10); d != 0 {
		t.Errorf("a perfect disk took %v", d)
	}
	if d := took(disk.Faults{Latency: time.Millisecond}, 10); d != 10*time.Millisecond {
		t.Errorf("ten times a millisecond took %v", d)
	}
	if d := took(disk.Faults{Latency: time.Millisecond, Jitter: time.Millisecond}, 1000); d < 1400*time.Millisecond || d > 1600*time.Millisecond {
		t.Errorf("a thousand times one to two milliseconds took %v", d)
	}
	if d := took(disk.Faults{Slow: 100_000, SlowBy: time.Second}, 1000); d < 70*time.Second || d > 130*time.Second {
		t.Errorf("a hundred slow operations of a second took %v", d)
	}
}

func TestAFullDiskTakesNothingMoreAndChangesNothing(t *testing.T) {
	m := newMachine(t, 1, disk.Faults{Capacity: 20})
	m.do(func() {
		s := m.d
		if err := s.Put("a", []byte("123456789")); err != nil {
			t.Error(err)
		}
		for _, c := range []struct {
			key  string
			size int
			err  error
		}{{"b", 10, store.ErrFull}, {"b", 9, nil}, {"c", 0, store.ErrFull}, {"a", 10, store.ErrFull}, {"a", 9, nil}, {"a", 8, nil}, {"c", 0, nil}} {
			if err := s.Put(c.key, bytes.Repeat([]byte{'x'}, c.size)); !errors.Is(err, c.err) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if data, _ := s.Get("a"); len(data) != 8 {
			t.Errorf("a has %q", data)
		}
		s.Delete("b")
		if err := s.Put("d", make([]byte, 9)); err != nil {
			t.Errorf("after a Delete: %v", err)
		}
	})
	if s := m.d.Stats(); s.Used != 20 || s.Full != 3 {
		t.Errorf("%+v", s)
	}
	m.m.Crash()
	if s := m.d.Stats(); s.Used != 20 {
		t.Errorf("after a crash: %+v", s)
	}
}

func TestOperationsFailAsOftenAsTheRatiosSay(t *testing.T) {
	m := newMachine(t, 1, disk.Faults{ReadError: 100_000, WriteError: 200_000, SyncError: 300_000})
	failed := map[string]int{}
	happened := 0
	m.do(func() {
		for i := range 1000 {
			key := fmt.Sprint("key-", i)
			count := func(op string, err error) {
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					failed[op]++
					if !errors.Is(err, store.ErrIO) {
						t.Error(err)
					}
				}
			}
			err := m.d.Put(key, []byte("value"))
			count("put", err)
			if _, ok := m.d.Peek(key); ok && err != nil {
				happened++
			} else if !ok && err == nil {
				t.Error("a Put without an error did nothing")
			}
			_, err = m.d.Get(key)
			count("get", err)
			_, err = m.d.Keys()
			count("keys", err)
			count("delete", m.d.Delete(key))
			count("sync", m.d.Sync())
		}
	})
	for op, want := range map[string]int{"put": 200, "get": 100, "keys": 100, "delete": 200, "sync": 300} {
		if n := failed[op]; n < want*7/10 || n > want*13/10 {
			t.Errorf("%s failed %d times of 1000, want about %d", op, n, want)
		}
	}
	if happened < 70 || happened > 130 {
		t.Errorf("%d of 200 puts that failed have happened, want about half", happened)
	}
}

func TestWipeLeavesNothing(t *testing.T) {
	m := newMachine(t, 1, disk.Faults{})
	m.Run(func(s store.Store) {
		put("synced", "1")(s)
		s.Sync()
		put("not", "1")(s)
	})
	m.do(func() { m.d.Put("later", nil) })
	m.d.Wipe()
	if s := m.d.Stats(); s.Used != 0 {
		t.Errorf("%+v", s)
	}
	m.m.Restart()
	m.Run(func(s store.Store) {
		if keys, err := s.Keys(); err != nil || len(keys) > 0 {
			t.Errorf("%q, %v", keys, err)
		}
	})
}

func TestADyingTaskWritesNothing(t *testing.T) {
	m := newMachine(t, 1, disk.Faults{})
	var err error
	m.m.Go("dies", func() {
		defer func() { err = m.d.Put("key", nil) }()
		m.m.NewParker().Park(context.Background())
	})
	m.m.World().At(time.Second, "crash", m.m.Crash)
	if e := m.m.World().Run(); e != nil {
		t.Fatal(e)
	}
	if _, ok := m.d.Peek("key"); ok || !errors.Is(err, store.ErrIO) {
		t.Errorf("there: %v, %v", ok, err)
	}
}

func TestALockAcrossTheDiskIsRefused(t *testing.T) {
	m := newMachine(t, 1, disk.Faults{})
	mu := rt.NewMutex(m.m)
	m.m.Go("locks", func() {
		mu.Lock()
		defer mu.Unlock()
		m.d.Get("key")
	})
	if err := m.m.World().Run(); err == nil || !strings.Contains(err.Error(), "held across") {
		t.Errorf("Run: %v", err)
	}
}

func TestChangesThatAreNeverSyncedAreBounded(t *testing.T) {
	m := newMachine(t, 1, disk.Faults{Lost: 1e6})
	m.Run(func(s store.Store) {
		for i := range 1000 {
			put("key", fmt.Sprint(i))(s)
		}
	})
	if got, _ := m.d.Peek("key"); string(got) != "743" {
		t.Errorf("after the crash: %s, want the one before the last 256", got)
	}
}

// busy is a run in which everything happens.
func busy(t *testing.T, seed uint64) uint64 {
	m := newMachine(t, seed, disk.Faults{
		Latency: time.Millisecond, Jitter: time.Millisecond, Slow: 10_000, SlowBy: time.Second, Capacity: 100,
		ReadError: 50_000, WriteError: 50_000, SyncError: 50_000, Lost: 300_000, Torn: 300_000, Reordered: 300_000,
	})
	start := func() {
		for i := range 3 {
			m.m.Go("uses", func() {
				for k := range 30 {
					key := fmt.Sprint("key-", (i+k)%4)
					data, err := m.d.Get(key)
					m.m.Logger().Info("got", "key", key, "data", string(data), "err", err)
					m.d.Put(key, fmt.Append(data, k%10))
					if k%5 == 0 {
						m.d.Sync()
						m.d.Delete(key)
					}
				}
			})
		}
	}
	start()
	for i := range 4 {
		m.m.World().At(time.Duration(i+1)*20*time.Millisecond, "restart", func() { m.m.Restart(); start() })
	}
	if err := m.m.World().Run(); err != nil {
		t.Fatal(err)
	}
	return m.m.World().Hash()
}

func TestTheSameSeedGivesTheSameDisk(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(20) {
		h := busy(t, seed)
		if busy(t, seed) != h {
			t.Errorf("seed %d is another run the second time", seed)
		}
		seen[h] = true
	}
	if len(seen) != 20 {
		t.Errorf("20 seeds take %d paths", len(seen))
	}
}

func TestAPerfectDiskDrawsNothing(t *testing.T) {
	draws := 0
	w := sim.New(sim.Config{Trace: func(r sim.Record) {
		if r.Kind == sim.KindRand || r.Kind == sim.KindFault {
			draws++
		}
	}})
	defer w.Close()
	m := &machine{t: t, m: w.Machine("m")}
	m.d = disk.New(m.m, disk.Faults{})
	m.Run(func(s store.Store) {
		put("key", "1", "2")(s)
		s.Sync()
		s.Get("key")
		s.Delete("key")
	})
	if draws > 0 {
		t.Errorf("%d draws and faults", draws)
	}
}
