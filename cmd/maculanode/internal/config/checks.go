package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/transport"
)

// cut says which value a part would not take as it stands in the sources: its
// defaults cut it without a word.
func (c *Config) cut(raw node.Config) []error {
	if b := raw.Pool.Backoff; b.Base > 0 && b.Base != c.Node.Pool.Backoff.Base {
		return []error{c.says("dial_backoff", "%s is above max_dial_backoff, %s", spanText(b.Base), spanText(c.Node.Pool.Backoff.Max))}
	}
	return nil
}

// says is a mistake in the value of a key.
func (c *Config) says(key, format string, args ...any) error {
	return fmt.Errorf("%s: %w", c.Place(key), fmt.Errorf(format, args...))
}

// conflicts says which values do not go together. All checks of more than one
// value are here and in Problems.
func (c *Config) conflicts() []error {
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	c.ordered(add)
	g := &c.Node.Registry
	if n := len(g.TTLs); n > registry.MaxTTLs {
		add(c.says("service_ttls", "%d patterns are more than %d", n, registry.MaxTTLs))
	}
	for _, t := range g.TTLs {
		if t.TTL < g.MinTTL || t.TTL > g.MaxTTL {
			add(c.says("service_ttls", "%s is not between min_service_ttl, %s, and max_service_ttl, %s", nameTTLText(t), spanText(g.MinTTL), spanText(g.MaxTTL)))
		}
	}
	if k, idle := c.QUIC.KeepAlive, c.QUIC.IdleTimeout; k > idle/3 {
		add(c.says(c.set("keep_alive", "idle_timeout"), "keep_alive, %s, is more than a third of idle_timeout, %s: two packets in a row may get lost", spanText(k), spanText(idle)))
	}
	conns, most := c.Node.Pool.Cap+c.Node.Pool.Closing+c.Node.Clients.Limit, c.Node.Ledger.Node.Conn
	if conns > most.Count || int64(conns) > most.Bytes/connBytes {
		add(c.says(c.set("max_clients", "max_peers", "pool_closing", "ledger_node_conns", "ledger_node_conn_bytes"),
			"max_peers, pool_closing and max_clients let %d connections in, and the ledger %d of %s in all: raise ledger_node_conns to at least %d and ledger_node_conn_bytes to %s, or lower the others",
			conns, most.Count, sizeText(most.Bytes), conns, sizeText(int64(conns)*connBytes)))
	}
	for _, b := range c.HTTP {
		if contains(c.Echo, b.Name) {
			add(c.says("http", "the service %s is listed under echo too", b.Name))
		}
	}
	if c.Admin.On && c.API == c.Admin && c.Admin.At.Port != 0 {
		add(c.says("api", "%s is the address of admin too", c.API))
	}
	if err := c.Node.Adapt.Check(); err != nil {
		add(c.says(c.set("adapt_elevated", "adapt_high", "adapt_critical", "adapt_margin", "adapt_elevated_latency", "adapt_high_latency", "adapt_critical_latency"), "%w", plain(err)))
	}
	return errs
}

// connBytes is what the books of a node count for a connection.
const connBytes = 64 << 10

// set returns the first of the keys that has a value of its own, for the place
// of a mistake that may be in any of them.
func (c *Config) set(keys ...string) string {
	for _, k := range keys {
		if c.origin[k] != "" {
			return k
		}
	}
	return keys[0]
}

// ordered checks pairs of which the first must not be above the second.
func (c *Config) ordered(add func(error)) {
	n := &c.Node
	pair := func(low, high string, ok bool) {
		if !ok {
			l, h := byKey(low), byKey(high)
			add(c.says(c.set(low, high), "%s, %s, is above %s, %s", low, l.text(c), high, h.text(c)))
		}
	}
	pair("max_inbound_peers", "max_peers", n.Pool.MaxInbound <= n.Pool.Cap)
	pair("min_service_ttl", "service_ttl", n.Registry.MinTTL <= n.Registry.TTL)
	pair("service_ttl", "max_service_ttl", n.Registry.TTL <= n.Registry.MaxTTL)
	pair("call_timeout", "max_call_timeout", n.Caller.Timeout <= n.Caller.MaxTimeout)
	pair("eject_for", "max_eject", n.Caller.EjectFor <= n.Caller.MaxEject)
	pair("small_body", "max_body", n.Link.SmallBody <= n.Link.MaxBody)
	pair("stream_window", "conn_window", c.QUIC.StreamWindow <= c.QUIC.ConnWindow)
	pair("max_services", "ledger_node_entries", n.Registry.Entries <= n.Ledger.Node.Entry.Count)
	pair("max_calls", "ledger_peer_calls", n.Link.MaxCalls <= n.Ledger.Peer.Call.Count)
}

// CheckRun says what a node could not start with, first things first.
func (c *Config) CheckRun() error {
	if errs := c.Problems(); len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// Problems says everything that a node could not start with, but for its key.
func (c *Config) Problems() []error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	add(c.lacksRealm())
	if len(c.Control) > maxSocketPath {
		add(fmt.Errorf("%s: the path of the control socket has %d bytes, a Unix socket takes %d: choose a shorter one with --control PATH (now %s)", c.Origin("control"), len(c.Control), maxSocketPath, c.Control))
	}
	if len(c.API.Unix) > maxSocketPath {
		add(c.says("api", "the path of the socket has %d bytes, a Unix socket takes %d: choose a shorter one", len(c.API.Unix), maxSocketPath))
	}
	if c.OpenPeers && !c.OpenWide && !c.Listen.Loopback() {
		add(fmt.Errorf("%s: open_peers lets every node of the realm in as a peer, and %s can be reached from other machines: list the peers with --allow-peer ID, or listen on 127.0.0.1, or add --open-peers-beyond-loopback if you mean it", c.Origin("open_peers"), c.Listen))
	}
	for _, d := range []struct {
		key  string
		at   Address
		file string
	}{{"admin", c.Admin, c.AdminToken}, {"api", c.API, c.APIToken}} {
		if d.at.On && !d.at.Loopback() && d.file == "" {
			add(c.says(d.key, "%s can be reached from other machines, and nothing asks them who they are: set %s_token_file to a file with a token, or choose an address of this machine, for example 127.0.0.1:%d", d.at, d.key, d.at.At.Port))
		}
		if d.file != "" {
			if _, err := ReadToken(d.file); err != nil {
				add(c.says(d.key+"_token_file", "%w", err))
			}
		}
	}
	return errs
}

// CheckSelf says when the node with that id is one of its own peers.
func (c *Config) CheckSelf(id transport.PeerID) error {
	for _, p := range c.Peers {
		if p.ID == id {
			return c.says("peers", "%s is this node itself", ident.String(id))
		}
	}
	return nil
}

func (c *Config) lacksRealm() error {
	if c.Realm != "" {
		return nil
	}
	if _, err := os.Stat(c.Dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no data directory %s: make it with \"maculanode init --dir %s\", or name another with --dir", c.Dir, c.Dir)
	}
	return fmt.Errorf("no realm is set: add \"realm: org.example.name\" to %s, or give --realm", c.file())
}

// maxSocketPath is what fits into a socket address on every Unix: macOS has
// 104 bytes with the terminating zero, Linux 108.
const maxSocketPath = 103
