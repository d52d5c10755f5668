package admin

import (
	"fmt"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// limits are the tables that people ask for, beside their limits.
func limits(s *control.Status) []limit {
	// An acting limit of zero is one of a node that does not say.
	use := func(name string, u control.Use, acting int, refused uint64) limit {
		most := u.Limit
		if acting > 0 {
			most = acting
		}
		l := limitOf(name, float64(u.Now), float64(most), float64(u.Peak), count)
		if most != u.Limit {
			l.Limit += fmt.Sprintf(" (of %s)", number(u.Limit))
		}
		l.Refused = number(refused)
		return l
	}
	out := []limit{
		use("peers", s.Pool.Use, s.Acting.Peers, s.Pool.Refused),
		limitOf("inbound peers", float64(s.Pool.Inbound), float64(s.Pool.InLimit), -1, count),
		use("clients", s.Clients.Use, s.Acting.Clients, s.Clients.Refused),
		use("services known", s.Registry.Use, s.Acting.Services, s.Registry.Refused),
		limitOf("services here", float64(s.Services.Now), float64(s.Services.Limit), -1, count),
		use("handlers", s.Server.Use, s.Acting.Handlers, s.Server.Refused),
		limitOf("connections", float64(s.Transport.Conns), float64(s.Transport.Limit), -1, count),
	}
	for _, c := range s.Ledger.Classes {
		out = append(out, limitOf("ledger: "+c.Name, float64(c.Count), float64(c.Limit), -1, count))
		if c.Bytes > 0 {
			out = append(out, limitOf("ledger: bytes of "+c.Name, float64(c.Bytes), float64(c.LimitBytes), -1, bytesText))
		}
	}
	return out
}

// tables are all bounded tables of the node.
func tables(s *control.Status) []limit {
	var out []limit
	for _, t := range s.Tables {
		l := limitOf(t.Name, float64(t.Entries), float64(t.Limit), float64(t.Peak), count)
		l.Refused = number(t.Refused)
		out = append(out, l)
	}
	return out
}

// The ages at which a page says that something is old: twice the time after
// which a call or a handshake is given up by default.
const (
	oldCall      = 60.0
	oldHandshake = 20.0
)

// facts are the figures that have no table.
func facts(s *control.Status) []fact {
	age := func(name string, seconds, old float64) fact {
		f := fact{Name: name, Value: "none"}
		if seconds > 0 {
			f.Value = span(seconds)
		}
		if seconds >= old {
			f.Level = "warn"
		}
		return f
	}
	out := []fact{
		pressure(&s.Pressure), cleanup(s),
		age("oldest call", s.Oldest.Call, oldCall), age("oldest handshake", s.Oldest.Handshake, oldHandshake),
		age("oldest half-closed stream", s.Oldest.HalfClosed, oldCall),
		{Name: "calls out in flight", Value: number(s.Caller.InFlight), Note: "peak " + number(s.Caller.Peak)},
		{Name: "handshakes", Value: number(s.Transport.Handshaking), Note: fmt.Sprintf("%s let in, %s failed", number(s.Handshakes.Admitted), number(s.Handshakes.Failed+s.Handshakes.Refused))},
		{Name: "streams open", Value: number(s.Transport.Streams)},
		{Name: "memory", Value: bytesText(float64(s.Process.Heap)), Note: bytesText(float64(s.Process.Mapped)) + " mapped"},
		{Name: "goroutines", Value: number(s.Process.Goroutines)},
	}
	audits := fact{Name: "recounts", Value: number(s.Audits.Checks), Note: "of all tables, all agreed"}
	switch {
	case s.Audits.Violations > 0:
		audits.Note, audits.Level = number(s.Audits.Violations)+" found what must not be", "bad"
	case s.Audits.Checks == 0:
		audits.Note = "/debug/invariants counts all tables again"
	}
	return append(out, audits)
}

func pressure(p *control.Pressure) fact {
	f := fact{Name: "pressure", Value: p.Level}
	switch p.Level {
	case "":
		f.Value = "not watched"
	case "elevated":
		f.Level = "warn"
	case "high", "critical":
		f.Level = "bad"
	}
	f.Note = "no memory limit is set"
	if p.Limit > 0 {
		f.Note = fmt.Sprintf("%s of %s", bytesText(float64(p.Used)), bytesText(float64(p.Limit)))
	}
	if p.Latency > 0 {
		f.Note += ", " + latencyText(p.Latency) + " to be scheduled"
	}
	return f
}

func cleanup(s *control.Status) fact {
	f := fact{Name: "last cleanup", Value: "none yet"}
	if s.Cleanup.Runs > 0 {
		f.Value = span(max(0, s.Uptime-s.Cleanup.LastAt)) + " ago"
		f.Note = fmt.Sprintf("removed %s in %s; %s runs have removed %s", number(s.Cleanup.LastRemoved), span(s.Cleanup.Last), number(s.Cleanup.Runs), number(s.Cleanup.Removed))
	}
	return f
}
