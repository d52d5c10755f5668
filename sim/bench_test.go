package sim_test

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
)

// BenchmarkMessage is a message between two tasks on two machines through
// rt.Queue: the bare cost of the scheduler, with hash and sites on.
func BenchmarkMessage(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d machines", n), func(b *testing.B) {
			w := newWorld(b, sim.Config{})
			left := b.N
			for i := 0; i < n; i += 2 {
				ping, pong := w.Machine(fmt.Sprint(i)), w.Machine(fmt.Sprint(i+1))
				there, back := rt.NewQueue[int](pong, 1), rt.NewQueue[int](ping, 1)
				ctx, cancel := ping.WithCancelCause(context.Background())
				there.TryPut(0)
				echo := func(m *sim.Machine, in, out *rt.Queue[int]) {
					m.Go("echo", func() {
						for {
							v, err := in.Get(ctx)
							if err != nil {
								return
							}
							if left--; left <= 0 {
								cancel(nil)
							}
							out.TryPut(v + 1)
						}
					})
				}
				echo(pong, there, back)
				echo(ping, back, there)
			}
			b.ResetTimer()
			start := cpu()
			if err := w.Run(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
			b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// inTask measures f in a task.
func inTask(b *testing.B, cfg sim.Config, f func(m *sim.Machine)) {
	b.Helper()
	b.ReportAllocs()
	w := newWorld(b, cfg)
	m := w.Machine("m")
	start := cpu()
	m.Go("bench", func() {
		for b.Loop() {
			f(m)
		}
	})
	if err := w.Run(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((cpu()-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpu is the processor time of the process: what counts where others run too.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bothSites runs a benchmark with and without Config.NoSites.
func bothSites(b *testing.B, f func(m *sim.Machine)) {
	b.Helper()
	b.Run("sites", func(b *testing.B) { inTask(b, sim.Config{}, f) })
	b.Run("no sites", func(b *testing.B) { inTask(b, sim.Config{NoSites: true}, f) })
}

func BenchmarkSpawn(b *testing.B) {
	bothSites(b, func(m *sim.Machine) {
		m.Go("child", func() {})
		m.Yield()
	})
}

func BenchmarkYield(b *testing.B) {
	inTask(b, sim.Config{}, func(m *sim.Machine) { m.Yield() })
}

func BenchmarkTimerSetAndStop(b *testing.B) {
	bothSites(b, func(m *sim.Machine) { m.AfterFunc(time.Second, func() {}).Stop() })
}

func BenchmarkTimerReset(b *testing.B) {
	w := newWorld(b, sim.Config{})
	m := w.Machine("m")
	for i := range 100_000 {
		m.AfterInline(time.Duration(i)*time.Millisecond, func() {})
	}
	tm := m.AfterInline(time.Second, func() {})
	i := 0
	for b.Loop() {
		i++
		tm.Reset(time.Duration(i%100_000) * time.Millisecond)
	}
}

func BenchmarkSleep(b *testing.B) {
	bothSites(b, func(m *sim.Machine) { rt.Sleep(context.Background(), m, time.Millisecond) })
}

func BenchmarkWithTimeout(b *testing.B) {
	bothSites(b, func(m *sim.Machine) {
		_, cancel := m.WithTimeout(context.Background(), time.Second)
		cancel()
	})
}

func BenchmarkKill(b *testing.B) {
	w := newWorld(b, sim.Config{})
	m := w.Machine("m")
	b.ReportAllocs()
	for b.Loop() {
		m.Go("victim", func() { m.NewParker().Park(context.Background()) })
		w.Run()
		m.Restart()
	}
}

// BenchmarkIdleTask reports the memory of a task that is parked.
func BenchmarkIdleTask(b *testing.B) {
	for b.Loop() {
		const n = 20_000
		w := newWorld(b, sim.Config{})
		m := w.Machine("m")
		before := inUse()
		for range n {
			q := rt.NewQueue[int](m, 1)
			m.Go("idle", func() { q.Get(context.Background()) })
		}
		if err := w.Run(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(inUse()-before)/n, "bytes/task")
		w.Close()
	}
}

func inUse() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapInuse + s.StackInuse
}
