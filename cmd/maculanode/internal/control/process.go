package control

import "runtime/metrics"

// Process is what the Go runtime counts of the process.
type Process struct {
	Goroutines uint64 `json:"goroutines"`
	HeapLive   uint64 `json:"heap_live_bytes"` // what the last garbage collection found in use
	Heap       uint64 `json:"heap_bytes"`      // that, and what was allocated since and is not collected yet
	Mapped     uint64 `json:"mapped_bytes"`    // memory that the runtime has from the system and has not given back
	Cycles     uint64 `json:"gc_cycles"`       // of the garbage collector
}

// The names of what is read.
const (
	metricGoroutines = "/sched/goroutines:goroutines"
	metricHeapLive   = "/gc/heap/live:bytes"
	metricHeap       = "/memory/classes/heap/objects:bytes"
	metricTotal      = "/memory/classes/total:bytes"
	metricReleased   = "/memory/classes/heap/released:bytes"
	metricCycles     = "/gc/cycles/total:gc-cycles"
)

// ReadProcess reads the counters. It neither blocks nor starts a collection.
func ReadProcess() Process {
	s := []metrics.Sample{
		{Name: metricGoroutines}, {Name: metricHeapLive}, {Name: metricHeap}, {Name: metricTotal}, {Name: metricReleased}, {Name: metricCycles},
	}
	metrics.Read(s)
	return Process{
		Goroutines: s[0].Value.Uint64(), HeapLive: s[1].Value.Uint64(), Heap: s[2].Value.Uint64(),
		Mapped: s[3].Value.Uint64() - s[4].Value.Uint64(), Cycles: s[5].Value.Uint64(),
	}
}
