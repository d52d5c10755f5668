package host

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Each calls f with 0 to n-1, on that many goroutines at a time; zero workers
// is one for each processor. It blocks until every call has returned, and
// starts no further one after f has returned false.
func Each(workers, n int, f func(i int) (more bool)) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if !f(i) {
					next.Store(int64(n))
					return
				}
			}
		})
	}
	wg.Wait()
}
