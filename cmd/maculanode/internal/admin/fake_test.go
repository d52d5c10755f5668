package admin

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a node that holds what it is told to.
type fake struct {
	mu      sync.Mutex
	status  control.Status
	calls   []control.Call
	holders []control.Holder
	why     string // not ready
	wrong   error  // found by Audit
	audits  int
	begun   chan struct{} // of an audit, if somebody wants to know
	goOn    chan struct{}
}

func (f *fake) Status() control.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *fake) Calls() []control.Call { return f.calls }

func (f *fake) Settings() []control.Setting {
	return []control.Setting{
		{Key: "max_peers", Value: "1000", Source: "default", Live: true, Default: true},
		{Key: "admin_token_file", Value: "/etc/macula/token", Source: "macula.yaml:3"},
	}
}

func (f *fake) Ready() (bool, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why == "", f.why
}

func (f *fake) Audit() error {
	f.mu.Lock()
	f.audits++
	f.mu.Unlock()
	if f.begun != nil {
		f.begun <- struct{}{}
		<-f.goOn
	}
	return f.wrong
}

func (f *fake) Holders() []control.Holder { return f.holders }

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

const selfID = "8z7n4e5nq0k3m9x2v6b1c8d7f4g5h0j2k3m4n5p6q7r8s9t0vwxyz1ab"

func id(n int) string { return fmt.Sprintf("%08x", uint32(n)*2654435761) + selfID[8:] }

// busy is a node with something in every table. One of its texts is a trap.
func busy() *fake {
	f := &fake{}
	s := &f.status
	s.ID, s.Realm, s.Addr, s.PID, s.Version, s.Uptime = selfID, "example.net", "192.0.2.10:4433", 4711, "v0.4.1", 86400*3+7000
	s.Pool = control.Pool{Use: control.Use{Now: 41, Limit: 48, Peak: 48}, InUse: 12, Dialling: 1, Dials: 900, DialErrors: 14, Admitted: 1200, Evicted: 310, Hits: 90000, Misses: 900}
	s.Clients = control.Clients{Use: control.Use{Now: 2310, Limit: 10000, Peak: 4120}, Admitted: 81234, Refused: 12}
	s.Registry = control.Registry{Use: control.Use{Now: 812, Limit: 100000, Peak: 1204}, Names: 240, Owners: 300, Added: 12000, Refreshed: 400000, Expired: 120, Refused: 3}
	s.Server = control.Handlers{Use: control.Use{Now: 9630, Limit: 10000, Peak: 10000}, Served: 4812345, Refused: 412}
	s.Caller = control.Caller{InFlight: 210, Peak: 900, OK: 1812345, Failed: 1200, Failovers: 40}
	s.Services = control.Local{Now: 3, Limit: 1000}
	s.Transport = control.Transport{Handshaking: 2, Conns: 2360, Limit: 12000, Streams: 2412}
	s.Cleanup = control.Cleanup{Runs: 8800, Removed: 431, Last: 0.0021, LastAt: s.Uptime - 12}
	s.Ledger = control.Ledger{Leases: 5120, Peak: 9000, Peers: 2351, Bytes: 190 << 20, Classes: []control.Class{
		{Name: "conn", Count: 2360, Limit: 12288, Bytes: 147 << 20, LimitBytes: 768 << 20}, {Name: "stream", Count: 2412, Limit: 32768},
		{Name: "call", Count: 9840, Limit: 65536, Bytes: 38 << 20, LimitBytes: 256 << 20}, {Name: "queue", Count: 4, Limit: 1024, Bytes: 5 << 20, LimitBytes: 512 << 20},
		{Name: "entry", Count: 812, Limit: 262144},
	}}
	s.Process = control.Process{Goroutines: 14210, HeapLive: 301 << 20, Heap: 412 << 20, Mapped: 701 << 20}
	s.Pressure = control.Pressure{Level: "elevated", Used: 790 << 20, Limit: 1 << 30, Latency: 0.0004, For: 80, Changes: 3}
	s.Acting = control.Acting{Peers: 44, Clients: 10000, Services: 100000, Handlers: 10000}
	s.Oldest = control.Oldest{Call: 31.2, Handshake: 0.04, HalfClosed: 75}
	s.Handshakes, s.Audits = control.Handshakes{Admitted: 82000, Refused: 12, Failed: 31}, control.Audits{Checks: 880}
	for i, name := range []string{"pool", "clients", "registry", "calls", "lookups", "ejections"} {
		s.Tables = append(s.Tables, control.Table{Name: name, Entries: 41 * (i + 1), Limit: 1000 * (i + 1), Peak: 90 * (i + 1), Refused: uint64(i)})
	}
	for i := range 41 {
		s.PeerList = append(s.PeerList, control.Conn{ID: id(i), Addr: fmt.Sprintf("198.51.100.%d:4433", i+1), Dialled: i%3 == 0, CallsOut: i % 5, CallsIn: i % 3, Served: uint64(i) * 812, Asked: uint64(i) * 1700})
	}
	for i := range 1000 {
		s.ClientList = append(s.ClientList, control.Conn{ID: id(1000 + i), Addr: fmt.Sprintf("[2001:db8::%x]:51820", i+1), CallsIn: i % 4, Served: uint64(i), Asked: uint64(i) * 3})
	}
	names := []string{"demo.echo", "billing.invoices.create", "media.thumbnails.render", "a.very.long.name.of.a.service.that.somebody.has.chosen.without.thinking.of.tables"}
	for i := range 60 {
		v := control.Service{Name: names[i%4], Provider: id(i), Addr: fmt.Sprintf("198.51.100.%d:4433", i%41+1), Left: float64(i) * 3.1}
		if i == 0 {
			v.Provider, v.Local = selfID, true
		}
		s.ServiceList = append(s.ServiceList, v)
	}
	for i := range 70 {
		f.calls = append(f.calls, control.Call{Service: names[i%4], With: id(i % 41), Caller: id(1000 + i), Out: i%2 == 0, Age: 31.2 / float64(i+1), Deadline: 30 - 31.2/float64(i+1), Bytes: i * 1200})
	}
	f.calls[3].Service = "<img src=x onerror=alert(1)>"
	for i := range 20 {
		h := control.Holder{ID: id(1000 + i), Kind: "client", Leases: 900 - i*30, Bytes: int64(30-i) << 20, Classes: []control.Class{{Name: "call", Count: 900 - i*30, Limit: 1024, Bytes: int64(30-i) << 20, LimitBytes: 48 << 20}}}
		if i%4 == 1 {
			h.Kind = "peer"
		}
		f.holders = append(f.holders, h)
	}
	return f
}

// hour is a history that looks like a day at the sea.
func hour(s *control.Status) []sample {
	var out []sample
	var counts [len(counters)]uint64
	for i := range counters {
		counts[i] = counters[i].of(s) / 2
	}
	for i := range maxSamples {
		x := float64(i)
		wave := 1 + 0.4*math.Sin(x/40) + 0.1*math.Sin(x/3)
		for c := range counts {
			counts[c] += uint64(wave * float64(c%3*40+1))
		}
		n := sample{
			at: s.Uptime - float64(maxSamples-1-i)*10, peers: math.Floor(38 + 8*math.Sin(x/25)), clients: math.Floor(2000 * wave), known: math.Floor(700 + x/3),
			heap: (300 + 100*wave + float64(i%20)) * (1 << 20), tasks: math.Floor(9000 + 4000*wave), p99: 0.004 * wave, counts: counts,
		}
		if i > 120 && i < 160 {
			n.p99 = math.NaN()
		}
		out = append(out, n)
	}
	return out
}
