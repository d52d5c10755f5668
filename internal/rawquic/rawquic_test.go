package rawquic

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLoop(t testing.TB) *Loop {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestEveryCallerGetsItsOwnAnswer(t *testing.T) {
	l := newLoop(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			for k := range 50 {
				request := bytes.Repeat(fmt.Appendf(nil, "%d/%d ", i, k), rand.IntN(200))
				got, err := l.Call([]byte("kept "), request)
				if err != nil || string(got) != "kept "+string(request) {
					t.Errorf("Call of %d bytes returned %d, %v", len(request), len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
	if _, err := l.Call(nil, make([]byte, MaxBody+1)); err == nil {
		t.Error("a request that is too long was taken")
	}
	long, err := l.Call(nil, make([]byte, MaxBody))
	if err != nil || len(long) != MaxBody {
		t.Errorf("the longest request returned %d bytes, %v", len(long), err)
	}
}

func TestCloseEndsTheCallsUnderWay(t *testing.T) {
	l := newLoop(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for {
				if _, err := l.Call(nil, make([]byte, 1000)); err != nil {
					return
				}
			}
		})
	}
	if _, err := l.Call(nil, []byte("one")); err != nil {
		t.Error(err)
	}
	l.Close()
	wg.Wait()
	if _, err := l.Call(nil, nil); err == nil {
		t.Error("Call after Close succeeded")
	}
}

// BenchmarkCall is the limit for calls over one connection.
func BenchmarkCall(b *testing.B) {
	for _, size := range []int{64, 1024} {
		for _, callers := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("bytes=%d/callers=%d", size, callers), func(b *testing.B) {
				l := newLoop(b)
				b.ReportAllocs()
				b.ResetTimer()
				var taken atomic.Int64
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						request, answer := make([]byte, size), make([]byte, 0, size)
						for taken.Add(1) <= int64(b.N) {
							if _, err := l.Call(answer, request); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1000, "kcalls/s")
			})
		}
	}
}
