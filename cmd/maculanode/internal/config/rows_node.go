package config

import (
	"fmt"
	"time"

	"github.com/maculamesh/macula/node/backoff"
	"github.com/maculamesh/macula/node/ledger"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30

	many = 1_000_000 // entries of a table; more than that no machine holds
	soon = 10 * time.Millisecond
)

func limitRows() []setting {
	return in("Limits of tables",
		count("max_peers", 1, many, func(c *Config) *int { return &c.Node.Pool.Cap },
			"Connections to peers; over it the least recently used idle one is closed.").asLimit().asCommon(),
		orNone(count("max_inbound_peers", 1, many, func(c *Config) *int { return &c.Node.Pool.MaxInbound },
			"Of those, the ones that peers have dialled; over it the least recently used idle one of them is closed, and never one that this node has dialled."), "off", 0, func(c *Config) *int { return &c.Node.Pool.MaxInbound }).asLimit(),
		count("max_clients", 1, many, func(c *Config) *int { return &c.Node.Clients.Limit },
			"Attached clients; the next one is refused and told when to come again.").asLimit().asCommon(),
		count("max_services", 1, many, func(c *Config) *int { return &c.Node.Registry.Entries },
			"Providers of services that the node knows; over it an advertisement is refused.").asLimit(),
		count("max_services_per_owner", 1, many, func(c *Config) *int { return &c.Node.Registry.PerOwner },
			"Services of one client, of one other node, or of this node itself; over it an advertisement is refused."),
		count("max_providers", 1, 10_000, func(c *Config) *int { return &c.Node.Registry.Providers },
			"Providers of one name; over it an advertisement is refused."),
		count("max_handlers", 1, many, func(c *Config) *int { return &c.Node.Server.MaxHandlers },
			"Calls that are answered here at a time; over it a call is refused and told when to come again.").asLimit(),
		count("handshakes", 1, 100_000, func(c *Config) *int { return &c.Node.Handshakes },
			"Accepted connections that are not admitted yet, and as many again of those who may be peers; over it newcomers are refused."),
		count("client_takeovers", 1, 1000, func(c *Config) *int { return &c.Node.Clients.Takeovers },
			"How often in a minute a newer session of a client takes over without a look whether the older one is alive; over it the older one stays while it lives."),
		count("cleanup_batch", 1, many, func(c *Config) *int { return &c.Node.CleanupBatch },
			"Expired entries that are removed between two looks at other work."),
	)
}

func timeRows() []setting {
	return in("Intervals and ends",
		span("cleanup_interval", 100*time.Millisecond, 24*time.Hour, func(c *Config) *time.Duration { return &c.Node.CleanupInterval },
			"How often expired entries are removed; they are not found even before.").asLimit().asCommon(),
		span("idle_after", time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.Node.IdleAfter },
			"A connection to a peer that nobody has used for this long is closed.").asLimit(),
		span("drain_timeout", 100*time.Millisecond, time.Hour, func(c *Config) *time.Duration { return &c.Node.DrainTimeout },
			"How long calls in progress may take when the node is told to stop; then they are cut.").asLimit().asCommon(),
		span("client_retry_after", soon, time.Hour, func(c *Config) *time.Duration { return &c.Node.Clients.RetryAfter },
			"When a client that finds no place is told to come again, at the earliest."),
		span("handler_retry_after", soon, time.Hour, func(c *Config) *time.Duration { return &c.Node.Server.RetryAfter },
			"When a caller that finds no handler free is told to come again."),
	)
}

func poolRows() []setting {
	return in("Connections to peers",
		count("dials", 1, 10_000, func(c *Config) *int { return &c.Node.Pool.Dials },
			"Dials at a time; further ones wait."),
		count("dial_rate", 1, 100_000, func(c *Config) *int { return &c.Node.Pool.DialRate },
			"Dials that begin in any second; further ones wait."),
		count("dial_targets", 1, many, func(c *Config) *int { return &c.Node.Pool.Targets },
			"Peers that callers wait for a dial to; over it a call is refused as overloaded."),
		count("dial_addrs", 1, 64, func(c *Config) *int { return &c.Node.Pool.Addrs },
			"Addresses of a peer that one dial tries."),
		span("dial_backoff", soon, time.Hour, func(c *Config) *time.Duration { return &c.Node.Pool.Backoff.Base },
			"How long a peer is left alone after the first failed dial."),
		span("max_dial_backoff", soon, 24*time.Hour, func(c *Config) *time.Duration { return &c.Node.Pool.Backoff.Max },
			"How long it is left alone at most: the wait grows with every failed dial up to this."),
		count("dial_backoff_factor", 1, 10, func(c *Config) *int { return &c.Node.Pool.Backoff.Factor },
			"How much longer each wait is than the one before."),
		jitter("dial_backoff_jitter", func(c *Config) *backoff.Jitter { return &c.Node.Pool.Backoff.Jitter },
			"How much of a wait is left to chance: equal is half of it, full is all of it."),
		count("dial_backoff_remembered", 1, many, func(c *Config) *int { return &c.Node.Pool.Remembered },
			"Peers whose failed dials are remembered; over it the oldest is forgotten."),
		count("pool_waiting", 1, 100_000, func(c *Config) *int { return &c.Node.Pool.Waiting },
			"Newcomers that wait for room while all connections are in use; further ones are refused."),
		count("pool_closing", 1, 100_000, func(c *Config) *int { return &c.Node.Pool.Closing },
			"Evicted connections that are not closed yet; over it a newcomer waits."),
		span("pool_drain_timeout", soon, time.Hour, func(c *Config) *time.Duration { return &c.Node.Pool.DrainTimeout },
			"How long calls on an evicted connection may take; then they are cut."),
		span("pool_retry_after", soon, time.Hour, func(c *Config) *time.Duration { return &c.Node.Pool.RetryAfter },
			"When a newcomer that found no room is told to come again."),
		span("probe_timeout", soon, time.Minute, func(c *Config) *time.Duration { return &c.Node.Pool.ProbeTimeout },
			"How long a peer may take for a sign of life when two connections of it compete."),
		count("peer_takeovers", 1, 1000, func(c *Config) *int { return &c.Node.Pool.Takeovers },
			"How often in a minute a peer that has started anew takes the place of its older connection without a look whether that is alive."),
	)
}

func jitter(key string, at func(*Config) *backoff.Jitter, help string) setting {
	return setting{
		key: key, help: help, holds: "HOW", takes: "equal or full",
		set: func(c *Config, t []string) error {
			name := ""
			err := oneOf(&name, t[0], backoff.Equal.String(), backoff.Full.String())
			if *at(c) = backoff.Equal; name == backoff.Full.String() {
				*at(c) = backoff.Full
			}
			return err
		},
		get: func(c *Config) []string { return []string{at(c).String()} },
		at:  func(c *Config) any { return at(c) },
	}
}

func callRows() []setting {
	return in("Calls",
		span("call_timeout", soon, 10*time.Minute, func(c *Config) *time.Duration { return &c.Node.Caller.Timeout },
			"The deadline of a call that comes with none.").asLimit(),
		span("max_call_timeout", soon, 24*time.Hour, func(c *Config) *time.Duration { return &c.Node.Caller.MaxTimeout },
			"Later deadlines are cut to this."),
		count("attempts", 1, 100, func(c *Config) *int { return &c.Node.Caller.Attempts },
			"Providers that are tried in one call; then it fails."),
		count("max_hops", 1, 16, func(c *Config) *uint8 { return &c.Node.Caller.MaxHops },
			"Nodes that a call may pass; over it the call is refused."),
		span("lookup_timeout", soon, time.Minute, func(c *Config) *time.Duration { return &c.Node.Caller.Discovery },
			"How long a question to the mesh for one name may take."),
		span("negative_ttl", soon, time.Hour, func(c *Config) *time.Duration { return &c.Node.Caller.Negative },
			"How long a name that nobody provides is not asked for again."),
		count("lookups", 1, many, func(c *Config) *int { return &c.Node.Caller.Lookups },
			"Names that the mesh is asked for at a time; over it a call is refused as overloaded."),
		retryShare(),
		count("retry_burst", 1, 100_000, func(c *Config) *int { return &c.Node.Caller.RetryBurst },
			"Of those further attempts, how many may come at once."),
		count("eject_after", 1, 1000, func(c *Config) *int { return &c.Node.Caller.EjectAfter },
			"Calls in a row that a provider did not answer before others are preferred."),
		span("eject_for", soon, time.Hour, func(c *Config) *time.Duration { return &c.Node.Caller.EjectFor },
			"For how long they are, the first time; twice as long each further time."),
		span("max_eject", soon, 24*time.Hour, func(c *Config) *time.Duration { return &c.Node.Caller.MaxEject },
			"And for how long at most."),
		count("ejections_remembered", 1, many, func(c *Config) *int { return &c.Node.Caller.Remembered },
			"Providers whose silence is remembered; over it the oldest is forgotten."),
	)
}

func retryShare() setting {
	at := func(c *Config) *int { return &c.Node.Caller.RetryShare }
	return orNone(count("retry_share", 1, 1000, at,
		"Further attempts that cost a provider work, in percent of the calls; over it a call fails with its first error."), "off", -1, at)
}

func linkRows() []setting {
	return in("Links",
		span("hello_timeout", soon, time.Minute, func(c *Config) *time.Duration { return &c.Node.Link.HelloTimeout },
			"How long the hello of a new connection may take; then it is closed."),
		span("first_byte_timeout", soon, time.Minute, func(c *Config) *time.Duration { return &c.Node.Link.FirstByte },
			"A stream that says nothing for this long after it was opened is reset."),
		span("write_timeout", 100*time.Millisecond, time.Hour, func(c *Config) *time.Duration { return &c.Node.Link.WriteTimeout },
			"A peer or client that takes nearly nothing for this long while something waits loses its connection."),
		span("goaway_timeout", soon, time.Minute, func(c *Config) *time.Duration { return &c.Node.Link.DrainTimeout },
			"How long the word that a connection ends may stay without an answer; then it is closed, when no call is in flight."),
		count("max_calls", 1, 100_000, func(c *Config) *int { return &c.Node.Link.MaxCalls },
			"Calls that one peer or client may have in flight here; it is told so, and over it a call is refused."),
		bytes("max_body", kib, 64*mib, func(c *Config) *int { return &c.Node.Link.MaxBody },
			"The body of one request or answer; a larger one is refused as too large."),
		bytes("small_body", 1, 16*kib, func(c *Config) *int { return &c.Node.Link.SmallBody },
			"Bodies up to this share a stream, larger ones take one each."),
		bytes("queue_bytes", 16*kib, 64*mib, func(c *Config) *int { return &c.Node.Link.QueueBytes },
			"What may wait to be written on one stream; over it callers wait."),
	)
}

func discoveryRows() []setting {
	return in("Discovery",
		count("discovery_names", 1, many, func(c *Config) *int { return &c.Node.Discovery.Names },
			"Names that are advertised here, by clients too; over it an advertisement is refused."),
		count("discovery_peers", 1, many, func(c *Config) *int { return &c.Node.Discovery.Peers },
			"Connected peers that are told of services; over it a peer is not told. Without a value: max_peers and pool_closing."),
		count("discovery_asks", 1, many, func(c *Config) *int { return &c.Node.Discovery.Asks },
			"Questions to peers in flight; over it a lookup is refused as overloaded."),
		count("discovery_fanout", 1, 1000, func(c *Config) *int { return &c.Node.Discovery.Fanout },
			"Peers that are asked one question."),
		span("discovery_forget", time.Second, time.Hour, func(c *Config) *time.Duration { return &c.Node.Discovery.Forget },
			"How long a withdrawn name is remembered, so that peers are told."),
		count("discovery_batch", 1, 10_000, func(c *Config) *int { return &c.Node.Discovery.SendBatch },
			"Announcements that are sent between two looks at the table."),
	)
}

func transportRows() []setting {
	keepAlive := func(c *Config) *time.Duration { return &c.QUIC.KeepAlive }
	return in("Transport (QUIC)",
		span("handshake_timeout", 100*time.Millisecond, time.Minute, func(c *Config) *time.Duration { return &c.QUIC.HandshakeTimeout },
			"A dial or an accepted handshake that takes longer is given up."),
		span("idle_timeout", time.Second, time.Hour, func(c *Config) *time.Duration { return &c.QUIC.IdleTimeout },
			"A connection without a packet from the other end for this long is dead."),
		orNone(span("keep_alive", soon, 20*time.Minute, keepAlive,
			"When nothing was heard for this long a packet is sent; at most a third of idle_timeout, so that two may get lost. Without a value: a third."), "off", -1, keepAlive),
		bytes("stream_window", kib, 64*mib, func(c *Config) *int { return &c.QUIC.StreamWindow },
			"What the other end may send on one stream before it is read; it waits then."),
		bytes("conn_window", kib, 256*mib, func(c *Config) *int { return &c.QUIC.ConnWindow },
			"What it may send on one connection; the memory that peers can fill is this for each connection."),
		count("max_streams", 2, 10_000, func(c *Config) *int { return &c.QUIC.MaxStreams },
			"Streams that the other end may have open on one connection; it waits then."),
		count("accept_queue", 1, 10_000, func(c *Config) *int { return &c.QUIC.AcceptQueue },
			"Accepted connections that wait for the node; over it newcomers are refused."),
	)
}

// ledgerRows are the limits by class of what the node, one realm and one peer
// may hold.
func ledgerRows() []setting {
	var rows []setting
	for _, scope := range []struct {
		name, who string
		at        func(*Config) *ledger.Limits
	}{
		{"node", "all peers and clients together", func(c *Config) *ledger.Limits { return &c.Node.Ledger.Node }},
		{"realm", "those of one realm", func(c *Config) *ledger.Limits { return &c.Node.Ledger.Realm }},
		{"peer", "one peer or client", func(c *Config) *ledger.Limits { return &c.Node.Ledger.Peer }},
	} {
		for _, class := range []struct {
			name, what string
			at         func(*ledger.Limits) *ledger.Limit
		}{
			{"conn", "connections", func(l *ledger.Limits) *ledger.Limit { return &l.Conn }},
			{"stream", "streams", func(l *ledger.Limits) *ledger.Limit { return &l.Stream }},
			{"call", "unanswered calls", func(l *ledger.Limits) *ledger.Limit { return &l.Call }},
			{"queue", "queued messages", func(l *ledger.Limits) *ledger.Limit { return &l.Queue }},
			{"entry", "table entries", func(l *ledger.Limits) *ledger.Limit { return &l.Entry }},
		} {
			key := fmt.Sprintf("ledger_%s_%s", scope.name, class.name)
			rows = append(rows,
				count(plural(key), 1, 1<<30, func(c *Config) *int { return &class.at(scope.at(c)).Count },
					fmt.Sprintf("The %s of %s; over it a further one is refused as overloaded.", class.what, scope.who)),
				bytes(key+"_bytes", kib, 1<<10*gib, func(c *Config) *int64 { return &class.at(scope.at(c)).Bytes },
					fmt.Sprintf("The memory for %s of %s; over it a further one is refused as overloaded.", class.what, scope.who)),
			)
		}
	}
	return in("Ledger: what others may hold here", rows...)
}

// plural is the key of a number of things.
func plural(key string) string {
	if key[len(key)-1] == 'y' {
		return key[:len(key)-1] + "ies"
	}
	return key + "s"
}
