package host_test

import (
	"sync/atomic"
	"testing"

	"github.com/maculamesh/macula/sim/host"
)

func TestEachCallsEveryIndexOnce(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 100} {
		var calls [50]atomic.Int32
		host.Each(workers, len(calls), func(i int) bool {
			calls[i].Add(1)
			return true
		})
		for i := range calls {
			if n := calls[i].Load(); n != 1 {
				t.Errorf("%d workers: index %d was called %d times", workers, i, n)
			}
		}
	}
}

func TestEachStopsWhenToldTo(t *testing.T) {
	var calls atomic.Int32
	host.Each(2, 1000, func(int) bool { return calls.Add(1) < 5 })
	if n := calls.Load(); n < 5 || n > 7 {
		t.Errorf("%d calls, want the five and those under way", n)
	}
}
