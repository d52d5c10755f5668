package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// The phases of a run.
const (
	phaseWarm   = "warm"   // the load before the first rest
	phaseSettle = "settle" // coming to rest
	phaseKnock  = "knock"  // at rest, but for calls that make it collect its garbage
	phaseRest   = "rest"   // at rest
	phaseLoad   = "load"   // the load that is judged
)

// sample is what one node holds at one moment.
type sample struct {
	At    float64 // seconds since the beginning of the run
	Phase string
	RSS   float64 // bytes; 0 where there is no /proc
	FDs   float64 // descriptors

	HeapLive   float64 // bytes that the last garbage collection found in use
	Goroutines float64
	Leases     float64
	Ledger     float64 // bytes
	Pool       float64
	Clients    float64
	Services   float64
	Streams    float64
	Handlers   float64
}

// series is one figure of the samples.
type series struct {
	key, title, unit string
	field            func(s *sample) *float64
}

// read is the value in one sample.
func (x *series) read(s *sample) float64 { return *x.field(s) }

// all are the series, in the order of the report.
var all = []series{
	{"heap_live", "live heap", "bytes", func(s *sample) *float64 { return &s.HeapLive }},
	{"rss", "resident memory", "bytes", func(s *sample) *float64 { return &s.RSS }},
	{"goroutines", "goroutines", "", func(s *sample) *float64 { return &s.Goroutines }},
	{"descriptors", "descriptors", "", func(s *sample) *float64 { return &s.FDs }},
	{"leases", "leases", "", func(s *sample) *float64 { return &s.Leases }},
	{"ledger_bytes", "bytes in the ledger", "bytes", func(s *sample) *float64 { return &s.Ledger }},
	{"pool", "pool", "", func(s *sample) *float64 { return &s.Pool }},
	{"clients", "clients", "", func(s *sample) *float64 { return &s.Clients }},
	{"services", "services known", "", func(s *sample) *float64 { return &s.Services }},
	{"streams", "streams", "", func(s *sample) *float64 { return &s.Streams }},
	{"handlers", "handlers running", "", func(s *sample) *float64 { return &s.Handlers }},
}

// status is what is read of maculanode status --json.
type status struct {
	Pool struct {
		Now, Limit, Peak           int
		Evicted, Refused, Admitted uint64
	}
	Clients struct {
		Now, Limit, Peak           int
		Refused, Admitted, Dropped uint64
		Superseded                 uint64
	}
	Registry struct {
		Now, Limit     int
		Refused, Added uint64
		Expired        uint64
	}
	Server struct {
		Now            int
		Served, Panics uint64
	}
	Caller    struct{ OK, Failed, Failovers uint64 }
	Discovery struct{ Names int }
	Transport struct{ Handshaking, Conns, Limit, Streams int }
	Cleanup   struct{ Runs, Removed uint64 }
	Ledger    struct {
		Leases, Peers int
		Bytes         int64
	}
	Process struct {
		Goroutines uint64
		HeapLive   uint64 `json:"heap_live_bytes"`
		Cycles     uint64 `json:"gc_cycles"`
	}
	PID int
}

// sampleOf takes what a status says; the rest is added by whoever knows it.
func sampleOf(st *status) sample {
	return sample{
		HeapLive: float64(st.Process.HeapLive), Goroutines: float64(st.Process.Goroutines), Leases: float64(st.Ledger.Leases), Ledger: float64(st.Ledger.Bytes),
		Pool: float64(st.Pool.Now), Clients: float64(st.Clients.Now), Services: float64(st.Registry.Now),
		Streams: float64(st.Transport.Streams), Handlers: float64(st.Server.Now),
	}
}

// columns are the samples of a node as report.json has them.
type columns struct {
	Name    string               `json:"name"`
	Pool    int                  `json:"pool"` // its caps
	Clients int                  `json:"clients"`
	At      []float64            `json:"at"`
	Phases  []span               `json:"phases"`
	Series  map[string][]float64 `json:"series"`
}

// span is so many samples of one phase, one after the other.
type span struct {
	Phase string `json:"phase"`
	N     int    `json:"n"`
}

// MarshalJSON implements json.Marshaler.
func (w *watched) MarshalJSON() ([]byte, error) {
	c := columns{Name: w.Name, Pool: w.Pool, Clients: w.Clients, Series: map[string][]float64{}}
	for i := range w.Samples {
		s := &w.Samples[i]
		c.At = append(c.At, math.Round(s.At*1000)/1000)
		if n := len(c.Phases); n == 0 || c.Phases[n-1].Phase != s.Phase {
			c.Phases = append(c.Phases, span{Phase: s.Phase})
		}
		c.Phases[len(c.Phases)-1].N++
		for _, x := range all {
			c.Series[x.key] = append(c.Series[x.key], x.read(s))
		}
	}
	return json.Marshal(c)
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *watched) UnmarshalJSON(data []byte) error {
	var c columns
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	*w = watched{Name: c.Name, Pool: c.Pool, Clients: c.Clients, Samples: make([]sample, len(c.At))}
	i := 0
	for _, p := range c.Phases {
		for range p.N {
			if i >= len(c.At) {
				return fmt.Errorf("node %s: more phases than samples", c.Name)
			}
			w.Samples[i].At, w.Samples[i].Phase = c.At[i], p.Phase
			i++
		}
	}
	for _, x := range all {
		v := c.Series[x.key]
		if i != len(c.At) || len(v) != len(c.At) {
			return fmt.Errorf("node %s: %d samples with a phase, %d of %s, %d times", c.Name, i, len(v), x.key, len(c.At))
		}
		for i := range v {
			*x.field(&w.Samples[i]) = v[i]
		}
	}
	return nil
}

// procFS is where Linux tells about processes.
const procFS = "/proc"

// resident reads the resident memory of a process in bytes, and how many
// descriptors it has open.
func resident(pid int) (rss, fds float64, err error) {
	dir := filepath.Join(procFS, strconv.Itoa(pid))
	data, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return 0, 0, err
	}
	if rss, err = parseRSS(data); err != nil {
		return 0, 0, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, "fd"))
	return rss, float64(len(entries)), err
}

// parseRSS finds the line "VmRSS: 1234 kB".
func parseRSS(data []byte) (float64, error) {
	for _, line := range bytes.Split(data, []byte("\n")) {
		rest, ok := bytes.CutPrefix(line, []byte("VmRSS:"))
		if !ok {
			continue
		}
		f := bytes.Fields(rest)
		if len(f) != 2 || string(f[1]) != "kB" {
			break
		}
		n, err := strconv.ParseFloat(string(f[0]), 64)
		return n * 1024, err
	}
	return 0, fmt.Errorf("no VmRSS in kB among %d bytes", len(data))
}
