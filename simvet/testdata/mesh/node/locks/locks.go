package locks

import (
	"sync"
	"sync/atomic"
)

type T struct {
	mu   sync.Mutex     // want `sync.Mutex is not seen by the scheduler: use rt.Mutex \[sync\]`
	rw   sync.RWMutex   // want `use rt.Mutex \[sync\]`
	cond *sync.Cond     // want `use rt.Gate or rt.Event \[sync\]`
	wg   sync.WaitGroup // want `use rt.Group \[sync\]`
	m    sync.Map       // want `use a map under an rt.Mutex \[sync\]`
	pool sync.Pool      // want `bounded free list \[sync\]`
	once sync.Once      // want `sync.Once .*\[sync\]`
	n    atomic.Int64
}

var f = sync.OnceFunc(func() {}) // want `sync.OnceFunc .*\[sync\]`

func calls(l sync.Locker) {
	_ = sync.NewCond(l)                                        // want `use rt.Gate or rt.Event \[sync\]`
	_ = sync.OnceValue(func() int { return 1 })                // want `sync.OnceValue .*\[sync\]`
	_ = sync.OnceValues(func() (int, error) { return 1, nil }) // want `sync.OnceValues .*\[sync\]`
}

func fine(l sync.Locker, t *T) {
	l.Lock()
	t.n.Add(1)
}
