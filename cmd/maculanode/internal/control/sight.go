package control

import (
	"time"

	"github.com/maculamesh/macula/node"
)

// Table is a bounded container of the node beside its limit.
type Table struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	Limit   int    `json:"limit"`
	Peak    int    `json:"peak"`
	Refused uint64 `json:"refused"` // newcomers that found it full
}

// Pressure is how short the node is of memory and processor time.
type Pressure struct {
	Level   string  `json:"level"` // normal, elevated, high or critical
	Used    int64   `json:"used_bytes"`
	Limit   int64   `json:"limit_bytes"` // 0: there is none
	Latency float64 `json:"latency_seconds"`
	For     float64 `json:"for_seconds"` // since the level has changed
	Changes uint64  `json:"changes"`
}

// Acting is the limits that count at the moment: the configured ones, or what
// load adaptation has made of them.
type Acting struct {
	Peers           int     `json:"max_peers"`
	Clients         int     `json:"max_clients"`
	Services        int     `json:"max_services"`
	Handlers        int     `json:"max_handlers"`
	TTL             float64 `json:"service_ttl_seconds"`
	MaxTTL          float64 `json:"max_service_ttl_seconds"`
	IdleAfter       float64 `json:"idle_after_seconds"`
	CleanupInterval float64 `json:"cleanup_interval_seconds"`
}

// Oldest is for how long the oldest things last that ought to be short, in
// seconds; zero when there are none.
type Oldest struct {
	Call       float64 `json:"call_seconds"`
	Handshake  float64 `json:"handshake_seconds"`
	HalfClosed float64 `json:"half_closed_stream_seconds"`
}

// Handshakes is how accepted connections have ended their way in.
type Handshakes struct {
	Admitted uint64 `json:"admitted"`
	Refused  uint64 `json:"refused"`
	Failed   uint64 `json:"failed"`
}

// Audits is the totals of the full audits.
type Audits struct {
	Checks     uint64 `json:"checks"`
	Violations uint64 `json:"violations"`
	Drift      int    `json:"drift"` // accounts of the ledger that differed from their leases at the last one
}

// TablesOf describes tables.
func TablesOf(list []node.Table) []Table {
	out := []Table{}
	for _, t := range list {
		out = append(out, Table{Name: t.Name, Entries: t.Entries, Limit: t.Limit, Peak: t.Peak, Refused: t.Refused})
	}
	return out
}

// PressureOf describes the pressure; since is for how long it is as it is.
func PressureOf(p node.Pressure, since time.Duration) Pressure {
	return Pressure{Level: p.Level.String(), Used: p.Used, Limit: p.Limit, Latency: p.Latency.Seconds(), For: since.Seconds(), Changes: p.Changes}
}

// ActingOf describes the limits that count.
func ActingOf(l node.Limits) Acting {
	return Acting{
		Peers: l.Peers, Clients: l.Clients, Services: l.Services, Handlers: l.Handlers,
		TTL: l.TTL.Seconds(), MaxTTL: l.MaxTTL.Seconds(), IdleAfter: l.IdleAfter.Seconds(), CleanupInterval: l.CleanupInterval.Seconds(),
	}
}

// OldestOf describes the oldest things.
func OldestOf(o node.Oldest) Oldest {
	return Oldest{Call: o.Call.Seconds(), Handshake: o.Handshake.Seconds(), HalfClosed: o.HalfClosed.Seconds()}
}
