package loadtest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// Usage is what this process has in use.
type Usage struct {
	Heap        int64 // bytes of live objects, and of those that were not collected yet
	Goroutines  int
	Descriptors int // files and sockets; -1 when the system does not tell
}

// use looks at what is in use, collecting nothing.
func use() Usage {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	u := Usage{Goroutines: runtime.NumGoroutine(), Descriptors: -1}
	if s[0].Value.Kind() == metrics.KindUint64 {
		u.Heap = int64(s[0].Value.Uint64())
	}
	if d, err := os.Open("/proc/self/fd"); err == nil {
		if names, err := d.Readdirnames(-1); err == nil {
			u.Descriptors = len(names) - 1 // without the one that reads
		}
		d.Close()
	}
	return u
}

// settled is use after everything that can be collected was: what sync.Pools
// hold goes with the second collection, and what had finalizers with another.
func settled() Usage {
	for range 3 {
		runtime.GC()
	}
	return use()
}

// sample keeps the most that is in use, until ctx ends.
func (w *World) sample(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		u := use()
		w.mu.Lock()
		w.peak.Heap = max(w.peak.Heap, u.Heap)
		w.peak.Goroutines = max(w.peak.Goroutines, u.Goroutines)
		w.peak.Descriptors = max(w.peak.Descriptors, u.Descriptors)
		w.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Baseline is what was in use before the tests and after them. Every test has
// closed what it had by then.
type Baseline struct {
	Before, After, Peak Usage
	Allowed             int64 // by how many bytes the heap may have grown
	Tasks               int   // of the runtime that were left, with its timers and hooks
	Timers, Hooks       int
	Failures            []string
}

// What the heap may keep: caches of the process, such as those of the TLS
// library, are filled once. And the Go runtime keeps a descriptor of every
// goroutine that there was at a time, some 450 bytes, for the next ones; for as
// many as the tests should need they are there before the baseline is taken.
const (
	heapOnce         = 1 << 20
	heapPerGoroutine = 640
	perHost          = 18 // goroutines of a machine of the largest test
)

// warm lets n goroutines be there at a time.
func warm(n int) {
	var wg sync.WaitGroup
	hold := make(chan struct{})
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-hold
		}()
	}
	close(hold)
	wg.Wait()
}

// How long the baseline may take to be as before: goroutines run their last
// instructions after whoever waited for them was told, and quic-go remembers a
// connection for three probe timeouts after its end, in a timer. That is less
// than a second, but long on a machine so busy that packets wait for seconds.
const (
	grace      = time.Minute
	shortGrace = 10 * time.Second // when the tests were interrupted
)

// compare looks at what is left. warmed is how many goroutines there were at a
// time before. It waits less when the tests were interrupted before.
func (w *World) compare(tests context.Context, before Usage, warmed int) Baseline {
	within := grace
	if tests.Err() != nil {
		within = shortGrace
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	w.r.Wait(ctx)
	b := Baseline{Before: before, Tasks: w.r.Tasks(), Timers: w.r.Timers(), Hooks: w.r.Hooks()}
	w.mu.Lock()
	b.Peak = w.peak
	w.mu.Unlock()
	b.Allowed = heapOnce + heapPerGoroutine*int64(max(0, b.Peak.Goroutines-warmed))
	for {
		b.After = settled()
		b.judge()
		if len(b.Failures) == 0 || ctx.Err() != nil {
			return b
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// judge says what of the baseline is not as before.
func (b *Baseline) judge() {
	b.Failures = nil
	fail := func(format string, args ...any) { b.Failures = append(b.Failures, fmt.Sprintf(format, args...)) }
	if grown := b.After.Heap - b.Before.Heap; grown > b.Allowed {
		fail("the heap has %s more than before, %s are allowed", bytesText(grown), bytesText(b.Allowed))
	}
	if b.After.Goroutines > b.Before.Goroutines {
		fail("%d goroutines more than before", b.After.Goroutines-b.Before.Goroutines)
	}
	if b.After.Descriptors > b.Before.Descriptors {
		fail("%d descriptors more than before", b.After.Descriptors-b.Before.Descriptors)
	}
	if b.Tasks+b.Timers+b.Hooks > 0 {
		fail("%d tasks, %d timers and %d hooks of the runtime are left", b.Tasks, b.Timers, b.Hooks)
	}
}

func bytesText(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
