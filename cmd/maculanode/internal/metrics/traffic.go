package metrics

import "github.com/maculamesh/macula/node/fault"

var ofConnections = []family{
	one("macula_pool_connections", gauge, "Admitted connections to peers.", func(s *Snapshot) int { return s.Node.Pool.Open }),
	one("macula_pool_connections_in_use", gauge, "Of those, the ones that a call uses.", func(s *Snapshot) int { return s.Node.Pool.InUse }),
	one("macula_pool_connections_inbound", gauge, "Of those, the ones that peers have dialled.", func(s *Snapshot) int { return s.Node.Pool.Inbound }),
	one("macula_pool_dialling", gauge, "Peers that are being dialled.", func(s *Snapshot) int { return s.Node.Pool.Dialling }),
	one("macula_pool_waiting", gauge, "Newcomers that wait for room.", func(s *Snapshot) int { return s.Node.Pool.Waiting }),
	one("macula_pool_closing", gauge, "Connections that were taken out and are not closed yet.", func(s *Snapshot) int { return s.Node.Pool.Closing }),
	one("macula_pool_hits_total", counter, "Times that a connection was there when one was needed.", func(s *Snapshot) uint64 { return s.Node.Pool.Hits }),
	one("macula_pool_misses_total", counter, "Times that there was none.", func(s *Snapshot) uint64 { return s.Node.Pool.Misses }),
	split("macula_pool_evictions_total", counter, "reason", "Connections that were taken out.", func(s *Snapshot, put put) {
		p := &s.Node.Pool
		put(float64(p.Evicted), "capacity")
		put(float64(p.Reaped), "idle")
		put(float64(p.Superseded), "superseded")
		put(float64(p.LimitLowered), "limit_lowered")
		put(float64(p.Pressure), "pressure")
		put(float64(p.Policy), "policy")
	}),
	one("macula_pool_dials_total", counter, "Dials that were begun.", func(s *Snapshot) uint64 { return s.Node.Pool.Dials }),
	one("macula_pool_dial_errors_total", counter, "Dials that failed.", func(s *Snapshot) uint64 { return s.Node.Pool.DialErrors }),
	one("macula_pool_dials_paced_total", counter, "Dials that had to wait because many had begun in the second before.", func(s *Snapshot) uint64 { return s.Node.Pool.Paced }),
	one("macula_pool_admitted_total", counter, "Connections that were admitted.", func(s *Snapshot) uint64 { return s.Node.Pool.Admitted }),
	one("macula_pool_refused_total", counter, "Newcomers that found no room.", func(s *Snapshot) uint64 { return s.Node.Pool.Refused }),

	one("macula_transport_connections", gauge, "Open connections, by the books of the transport.", func(s *Snapshot) int { return s.Node.Transport.Conns }),
	one("macula_transport_connections_limit", gauge, "Connections that may be open.", func(s *Snapshot) int { return s.Conns }),
	one("macula_transport_handshakes", gauge, "Connections of either direction before the end of the handshake.", func(s *Snapshot) int { return s.Node.Transport.Handshaking }),
	one("macula_transport_streams", gauge, "Open streams.", func(s *Snapshot) int { return s.Node.Transport.Streams }),
	split("macula_handshakes_total", counter, "outcome", "Accepted connections, by how their way in has ended.", func(s *Snapshot, put put) {
		put(float64(s.Node.Handshakes.Admitted), "admitted")
		put(float64(s.Node.Handshakes.Refused), "refused")
		put(float64(s.Node.Handshakes.Failed), "failed")
	}),

	one("macula_clients", gauge, "Attached clients.", func(s *Snapshot) int { return s.Node.Clients.Attached }),
	one("macula_clients_limit", gauge, "Clients that may be attached.", func(s *Snapshot) int { return s.Node.Clients.Limit }),
	one("macula_clients_acting_limit", gauge, "Attached clients up to which newcomers are taken now: less than the limit under pressure.", func(s *Snapshot) int { return s.Node.Clients.Admission }),
	one("macula_clients_admitted_total", counter, "Clients that were attached.", func(s *Snapshot) uint64 { return s.Node.Clients.Admitted }),
	split("macula_clients_refused_total", counter, "reason", "Clients that were not attached.", func(s *Snapshot, put put) {
		c, h := &s.Node.Clients, &s.Node.Handshakes
		put(float64(c.Refused-c.RefusedPressure), "full")
		put(float64(c.RefusedPressure), "pressure")
		put(float64(c.Disputed), "disputed")
		put(float64(h.ClientsDraining), "draining")
		put(float64(h.ClientsUnauthorized), "unauthorized")
		put(float64(h.ClientsOther), "other")
	}),
	one("macula_clients_superseded_total", counter, "Sessions that a newer one of the same id has replaced.", func(s *Snapshot) uint64 { return s.Node.Clients.Superseded }),
	one("macula_clients_shed_total", counter, "Clients that were told to go because the limit was lowered.", func(s *Snapshot) uint64 { return s.Node.Clients.Shed }),
	one("macula_clients_left_total", counter, "Clients that have left.", func(s *Snapshot) uint64 { return s.Node.Clients.Left }),
}

var ofCalls = []family{
	one("macula_rpc_calls_in_flight", gauge, "Calls of this node and its clients that have no result yet.", func(s *Snapshot) int { return s.Node.Caller.InFlight }),
	split("macula_rpc_calls_total", counter, "outcome", "Calls of this node and its clients, by how they ended.", func(s *Snapshot, put put) {
		put(float64(s.Node.Caller.OK), "ok")
		for _, o := range outcomes {
			put(float64(s.Node.Caller.Kinds[o.kind]), o.name)
		}
		var other uint64
		for kind, n := range s.Node.Caller.Kinds {
			if !named(fault.Kind(kind)) {
				other += n
			}
		}
		put(float64(other), "other")
	}),
	one("macula_rpc_failovers_total", counter, "Attempts at another provider, after the first one of a call.", func(s *Snapshot) uint64 { return s.Node.Caller.Failovers }),
	one("macula_rpc_lookups_total", counter, "Questions to the mesh who provides a name.", func(s *Snapshot) uint64 { return s.Node.Caller.Lookups }),
	one("macula_rpc_lookups_shared_total", counter, "Calls that waited for the question of another call.", func(s *Snapshot) uint64 { return s.Node.Caller.Shared }),
	one("macula_rpc_retry_budget_exhausted_total", counter, "Calls that failed because the budget for further attempts was used up.", func(s *Snapshot) uint64 { return s.Node.Caller.NoBudget }),
	one("macula_rpc_ejections_total", counter, "Times that a provider was left out for a while because it did not answer.", func(s *Snapshot) uint64 { return s.Node.Caller.Ejections }),
	one("macula_rpc_late_replies_total", counter, "Answers that nobody waited for any more.", func(s *Snapshot) uint64 { return s.Node.Links.Late }),

	one("macula_rpc_handlers", gauge, "Handlers that run.", func(s *Snapshot) int { return s.Node.Server.Running }),
	one("macula_rpc_handlers_limit", gauge, "Handlers that may run.", func(s *Snapshot) int { return s.Handlers }),
	one("macula_rpc_served_total", counter, "Handlers that were started.", func(s *Snapshot) uint64 { return s.Node.Server.Served }),
	one("macula_rpc_handlers_refused_total", counter, "Calls that were refused because every handler was busy.", func(s *Snapshot) uint64 { return s.Node.Server.Refused }),
	one("macula_rpc_handler_panics_total", counter, "Handlers that panicked.", func(s *Snapshot) uint64 { return s.Node.Server.Panics }),
	one("macula_rpc_handlers_abandoned", gauge, "Handlers that run although nobody waits for their answer any more.", func(s *Snapshot) int { return s.Sight.Abandoned }),
	one("macula_rpc_caller_gone_total", counter, "Calls of others whose caller went away before the answer.", func(s *Snapshot) uint64 { return s.Node.Links.Gone }),
}

// outcomes are the kinds of failure that have a name as an outcome.
var outcomes = []struct {
	kind fault.Kind
	name string
}{
	{fault.Deadline, "deadline"}, {fault.Cancelled, "cancelled"}, {fault.CallerGone, "caller_gone"}, {fault.NotFound, "not_found"},
	{fault.Overload, "overload"}, {fault.Unauthorized, "unauthorized"}, {fault.Draining, "draining"}, {fault.Unreachable, "unreachable"},
	{fault.Application, "application"}, {fault.Internal, "internal"},
}

func named(kind fault.Kind) bool {
	for _, o := range outcomes {
		if o.kind == kind {
			return true
		}
	}
	return false
}

// ofBooks are the ledger and the audits.
var ofBooks = []family{
	one("macula_ledger_leases", gauge, "Leases on what remote sides make the node hold.", func(s *Snapshot) int { return s.Node.Ledger.Leases }),
	split("macula_ledger_bytes", gauge, "class", "Memory that is leased, in bytes.", func(s *Snapshot, put put) {
		for _, u := range s.Node.Ledger.Usage {
			put(float64(u.Bytes), u.Class.String())
		}
	}),
	split("macula_ledger_bytes_limit", gauge, "class", "Memory that may be leased, in bytes.", func(s *Snapshot, put put) {
		for _, u := range s.Node.Ledger.Usage {
			put(float64(u.Limit.Bytes), u.Class.String())
		}
	}),
	split("macula_ledger_held", gauge, "class", "Things that are leased.", func(s *Snapshot, put put) {
		for _, u := range s.Node.Ledger.Usage {
			put(float64(u.Count), u.Class.String())
		}
	}),
	split("macula_ledger_held_limit", gauge, "class", "Things that may be leased.", func(s *Snapshot, put put) {
		for _, u := range s.Node.Ledger.Usage {
			put(float64(u.Limit.Count), u.Class.String())
		}
	}),
	one("macula_ledger_refused_total", counter, "Leases for which an account had no room.", func(s *Snapshot) uint64 { return s.Node.Ledger.Refused }),
	one("macula_ledger_drift", gauge, "Accounts of the ledger that differed from their leases at the last full audit; anything but 0 is a bug.", func(s *Snapshot) int { return s.Node.Audits.Drift }),
	one("macula_ledger_double_releases_total", counter, "Leases that were given back twice; anything but 0 is a bug.", func(s *Snapshot) uint64 { return s.Node.Ledger.DoubleReleases }),
	one("macula_invariant_checks_total", counter, "Full audits of everything that the node holds.", func(s *Snapshot) uint64 { return s.Node.Audits.Checks }),
	one("macula_invariant_violations_total", counter, "Full audits that found an invariant violated; anything but 0 is a bug.", func(s *Snapshot) uint64 { return s.Node.Audits.Violations }),
}
