package control

import (
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/rpc"
)

// Status is a node's books as the command shows them.
type Status struct {
	ID       string  `json:"id"`
	Realm    string  `json:"realm"`
	Addr     string  `json:"addr"`
	PID      int     `json:"pid"`
	Version  string  `json:"version"`
	Uptime   float64 `json:"uptime_seconds"`
	Draining bool    `json:"draining"`
	Ready    bool    `json:"ready"`
	NotReady string  `json:"not_ready,omitempty"` // why not
	Admin    string  `json:"admin,omitempty"`     // where the status page and the metrics are, when they are on
	API      string  `json:"api,omitempty"`       // where the local HTTP API is, when it is on

	Pool      Pool      `json:"pool"`
	Clients   Clients   `json:"clients"`
	Registry  Registry  `json:"registry"`
	Server    Handlers  `json:"server"`
	Caller    Caller    `json:"caller"`
	Discovery Discovery `json:"discovery"`
	Transport Transport `json:"transport"`
	Cleanup   Cleanup   `json:"cleanup"`
	Leases    int       `json:"leases"`
	Ledger    Ledger    `json:"ledger"`
	Process   Process   `json:"process"`
	Services  Local     `json:"local_services"`

	Handshakes Handshakes `json:"handshakes"`
	Audits     Audits     `json:"audits"`
	Tables     []Table    `json:"tables"`
	Pressure   Pressure   `json:"pressure"`
	Acting     Acting     `json:"acting"`
	Oldest     Oldest     `json:"oldest"`

	PeerList    []Conn    `json:"peer_list"`    // at most MaxListed, as the next two
	ClientList  []Conn    `json:"client_list"`  // the oldest first
	ServiceList []Service `json:"service_list"` // the oldest first
}

// Use is a table beside its limit.
type Use struct {
	Now   int `json:"now"`
	Limit int `json:"limit"`
	Peak  int `json:"peak"`
}

// Local is the services that this process advertises, beside their limit.
type Local struct {
	Now   int `json:"now"`
	Limit int `json:"limit"`
}

// Pool is the connections to peers.
type Pool struct {
	Use
	InUse      int    `json:"in_use"`
	Inbound    int    `json:"inbound"`       // dialled by their peers
	InLimit    int    `json:"inbound_limit"` // of those; Limit when they have none of their own
	Dialling   int    `json:"dialling"`
	Waiting    int    `json:"waiting"`
	Closing    int    `json:"closing"`
	Hits       uint64 `json:"hits"`
	Misses     uint64 `json:"misses"`
	Dials      uint64 `json:"dials"`
	DialErrors uint64 `json:"dial_errors"`
	Admitted   uint64 `json:"admitted"`
	Evicted    uint64 `json:"evicted"`
	Reaped     uint64 `json:"reaped"`
	Superseded uint64 `json:"superseded"`
	Lowered    uint64 `json:"limit_lowered"` // of those that were taken out, as the next two
	Pressure   uint64 `json:"pressure"`
	Policy     uint64 `json:"policy"`
	Refused    uint64 `json:"refused"`
}

// Clients is the attached clients.
type Clients struct {
	Use
	Admitted   uint64 `json:"admitted"`
	Refused    uint64 `json:"refused"`
	Superseded uint64 `json:"superseded"`
	Left       uint64 `json:"left"`
	Shed       uint64 `json:"shed"` // because the limit was lowered
}

// Registry is the providers that the node knows.
type Registry struct {
	Use
	Names     int    `json:"names"`
	Owners    int    `json:"owners"`
	Added     uint64 `json:"added"`
	Refreshed uint64 `json:"refreshed"`
	Stale     uint64 `json:"stale"`
	Refused   uint64 `json:"refused"`
	Removed   uint64 `json:"removed"`
	Expired   uint64 `json:"expired"`
}

// Handlers is the calls that are answered here.
type Handlers struct {
	Use
	Served  uint64 `json:"served"`
	Refused uint64 `json:"refused"`
	Panics  uint64 `json:"panics"`
}

// Caller is the calls that are made from here.
type Caller struct {
	InFlight  int    `json:"in_flight"`
	Peak      int    `json:"peak"`
	OK        uint64 `json:"ok"`
	Failed    uint64 `json:"failed"`
	Deadline  uint64 `json:"deadline"`
	Cancelled uint64 `json:"cancelled"`
	NotFound  uint64 `json:"not_found"`
	Failovers uint64 `json:"failovers"`
	Lookups   uint64 `json:"lookups"`
	Shared    uint64 `json:"shared_lookups"`
	NoBudget  uint64 `json:"no_budget"`
	Ejections uint64 `json:"ejections"`
	LetDown   int    `json:"let_down_by"`
}

// Discovery is what is told to peers and asked from them.
type Discovery struct {
	Names     int    `json:"names"`
	Peers     int    `json:"peers"`
	Asks      int    `json:"asks"`
	Sent      uint64 `json:"sent"`
	Heard     uint64 `json:"heard"`
	Questions uint64 `json:"questions"`
}

// Transport is what the transport counts by its own books.
type Transport struct {
	Handshaking int `json:"handshaking"`
	Conns       int `json:"conns"`
	Limit       int `json:"limit"` // of Conns
	Streams     int `json:"streams"`
}

// Cleanup is the totals of the periodic cleanup.
type Cleanup struct {
	Runs        uint64  `json:"runs"`
	Removed     uint64  `json:"removed"`
	LastRemoved int     `json:"last_removed"`    // by the last run
	Last        float64 `json:"last_seconds"`    // how long the last run took
	LastAt      float64 `json:"last_at_seconds"` // of the uptime
}

// Ledger is what peers and clients hold by the books.
type Ledger struct {
	Leases   int    `json:"leases"`
	Peak     int    `json:"peak"`
	Peers    int    `json:"peers"` // with a lease
	Bytes    int64  `json:"bytes"` // of all classes
	Acquired uint64 `json:"acquired"`
	Refused  uint64 `json:"refused"`

	Classes []Class `json:"classes"`
}

// Class is what is held of one class of the ledger, beside its limits.
type Class struct {
	Name       string `json:"name"`
	Count      int    `json:"count"`
	Limit      int    `json:"limit"`
	Bytes      int64  `json:"bytes"`
	LimitBytes int64  `json:"limit_bytes"`
}

// Conn is a connection to a peer or a client.
type Conn struct {
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	Dialled  bool   `json:"dialled"`
	CallsOut int    `json:"calls_out"`
	CallsIn  int    `json:"calls_in"`
	Served   uint64 `json:"served"`
	Asked    uint64 `json:"asked"`
}

// Service is one provider of one name.
type Service struct {
	Name     string  `json:"name"`
	Provider string  `json:"provider"`
	Addr     string  `json:"addr,omitempty"` // of another node
	Local    bool    `json:"local"`
	Left     float64 `json:"left_seconds"`
}

// Limits are those that the books of a node do not carry.
type Limits struct{ Handlers, Services, Conns int }

// StatusOf describes a node.
func StatusOf(s node.Status, lim Limits) Status {
	return Status{
		ID: ident.String(s.ID), Realm: s.Realm, Addr: s.Addr.String(), Uptime: s.Uptime.Seconds(), Draining: s.Draining,
		Pool: Pool{
			Use:   Use{Now: s.Pool.Open, Limit: s.Pool.Cap, Peak: s.Pool.Peak},
			InUse: s.Pool.InUse, Inbound: s.Pool.Inbound, InLimit: s.Pool.InboundLimit, Dialling: s.Pool.Dialling, Waiting: s.Pool.Waiting, Closing: s.Pool.Closing,
			Hits: s.Pool.Hits, Misses: s.Pool.Misses, Dials: s.Pool.Dials, DialErrors: s.Pool.DialErrors,
			Admitted: s.Pool.Admitted, Evicted: s.Pool.Evicted, Reaped: s.Pool.Reaped, Superseded: s.Pool.Superseded, Refused: s.Pool.Refused,
			Lowered: s.Pool.LimitLowered, Pressure: s.Pool.Pressure, Policy: s.Pool.Policy,
		},
		Clients: Clients{
			Use:      Use{Now: s.Clients.Attached, Limit: s.Clients.Limit, Peak: s.Clients.Peak},
			Admitted: s.Clients.Admitted, Refused: s.Clients.Refused, Superseded: s.Clients.Superseded, Left: s.Clients.Left, Shed: s.Clients.Shed,
		},
		Registry: Registry{
			Use:   Use{Now: s.Registry.Entries, Limit: s.Registry.Limit, Peak: s.Registry.Peak},
			Names: s.Registry.Names, Owners: s.Registry.Owners,
			Added: s.Registry.Added, Refreshed: s.Registry.Refreshed, Stale: s.Registry.Stale,
			Refused: s.Registry.Refused, Removed: s.Registry.Removed, Expired: s.Registry.Expired,
		},
		Server: Handlers{
			Use:    Use{Now: s.Server.Running, Limit: lim.Handlers, Peak: s.Server.Peak},
			Served: s.Server.Served, Refused: s.Server.Refused, Panics: s.Server.Panics,
		},
		Caller:    callerOf(&s.Caller),
		Discovery: Discovery(s.Discovery),
		Transport: Transport{Handshaking: s.Transport.Handshaking, Conns: s.Transport.Conns, Limit: lim.Conns, Streams: s.Transport.Streams},
		Cleanup: Cleanup{
			Runs: s.Cleanup.Runs, Removed: s.Cleanup.Removed, LastRemoved: s.Cleanup.LastRemoved, Last: s.Cleanup.Last.Seconds(), LastAt: s.Cleanup.LastAt.Seconds(),
		},
		Leases:   s.Leases,
		Ledger:   ledgerOf(&s.Ledger),
		Services: Local{Now: s.Services, Limit: lim.Services},

		Handshakes: Handshakes{Admitted: s.Handshakes.Admitted, Refused: s.Handshakes.Refused, Failed: s.Handshakes.Failed},
		Audits:     Audits{Checks: s.Audits.Checks, Violations: s.Audits.Violations, Drift: s.Audits.Drift},
	}
}

func callerOf(c *rpc.CallerCounts) Caller {
	return Caller{
		InFlight: c.InFlight, Peak: c.Peak, OK: c.OK, Failed: c.Failed,
		Deadline: c.Deadline, Cancelled: c.Cancelled, NotFound: c.NotFound, Failovers: c.Failovers,
		Lookups: c.Lookups, Shared: c.Shared, NoBudget: c.NoBudget, Ejections: c.Ejections, LetDown: c.LetDown,
	}
}

func ledgerOf(s *ledger.Stats) Ledger {
	l := Ledger{Leases: s.Leases, Peak: s.Peak, Peers: s.Peers, Acquired: s.Acquired, Refused: s.Refused}
	for _, u := range s.Usage {
		l.Bytes += u.Bytes
		l.Classes = append(l.Classes, Class{Name: u.Class.String(), Count: u.Count, Limit: u.Limit.Count, Bytes: u.Bytes, LimitBytes: u.Limit.Bytes})
	}
	return l
}

// ConnsOf describes at most MaxListed connections.
func ConnsOf(list []node.PeerInfo) []Conn {
	out := []Conn{}
	for _, p := range list[:min(len(list), MaxListed)] {
		out = append(out, Conn{
			ID: ident.String(p.ID), Addr: p.Addr.String(), Dialled: p.Dialled,
			CallsOut: p.CallsOut, CallsIn: p.CallsIn, Served: p.Served, Asked: p.Asked,
		})
	}
	return out
}

// ServicesOf describes at most MaxListed providers.
func ServicesOf(list []node.ServiceInfo) []Service {
	out := []Service{}
	for _, s := range list[:min(len(list), MaxListed)] {
		d := Service{Name: s.Name, Provider: ident.String(s.Provider), Local: s.Local, Left: s.Left.Round(time.Millisecond).Seconds()}
		if s.Addr.IsValid() {
			d.Addr = s.Addr.String()
		}
		out = append(out, d)
	}
	return out
}
