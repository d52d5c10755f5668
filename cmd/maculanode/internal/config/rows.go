package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

func self[T any](v T) T { return v }

func placeRows() []setting {
	return in("Identity and addresses",
		setting{
			key: "realm", holds: "NAME", takes: "a name in reverse DNS", unset: "none",
			help: "The realm: nodes and clients of other realms are refused.",
			set: func(c *Config, t []string) error {
				c.Realm = t[0]
				return plain(wire.ValidRealm(t[0]))
			},
			get: func(c *Config) []string { return []string{c.Realm} },
			at:  func(c *Config) any { return &c.Realm },
		}.asCommon(),
		endpoint("listen", "", func(c *Config) *Endpoint { return &c.Listen },
			"The UDP address to listen on; 0.0.0.0:4433 serves other machines, port 0 is any free one.", nil).asCommon(),
		endpoint("advertised", "the address that it listens on", func(c *Config) *Endpoint { return &c.Advertised },
			"Where other nodes dial this one, when that is not where it listens.", func(e Endpoint) error {
				if e.Host == "" || e.Port == 0 {
					return fmt.Errorf("%s needs a host and a port: others are told to dial it", e)
				}
				return nil
			}).asCommon("advertised: node1.example.org:4433"),
		file("key", "node.key in the data directory", func(c *Config) *string { return &c.Key },
			"The key file, for its owner only: it makes the id of the node.").asCommon(),
		file("control", "control.sock in the data directory", func(c *Config) *string { return &c.Control },
			"The socket through which the other commands reach the node.").asCommon(),
	)
}

func endpoint(key, unset string, at func(*Config) *Endpoint, help string, check func(Endpoint) error) setting {
	return setting{
		key: key, help: help, holds: "HOST:PORT", takes: "HOST:PORT", unset: unset,
		set: func(c *Config, t []string) error {
			e, err := ParseEndpoint(t[0])
			if err == nil && check != nil {
				err = check(e)
			}
			if err == nil {
				*at(c) = e
			}
			return err
		},
		get: func(c *Config) []string {
			if *at(c) == (Endpoint{}) {
				return []string{""}
			}
			return []string{at(c).String()}
		},
		at: func(c *Config) any { return at(c) },
	}
}

func meshRows() []setting {
	peerText := func(p Peer) string { return ident.String(p.ID) + "@" + p.At.String() }
	return in("Peers",
		several("peers", "ID@HOST:PORT", "ID@HOST:PORT", func(c *Config) *[]Peer { return &c.Peers }, ParsePeer, peerText,
			func(p Peer) string { return "the peer " + ident.String(p.ID) },
			"Nodes to keep a connection to; they may be peers. \"maculanode id\" prints the id of one.",
		).flagged("peer").asLive().asCommon("peers:", "  - 0123...@node2.example.org:4433"),
		several("allow_peers", "ID", "ids", func(c *Config) *[]transport.PeerID { return &c.AllowPeers }, ParseID, ident.String, ident.String,
			"Nodes that may come as peers without being listed in peers; everybody else of the realm may come as a client.",
		).flagged("allow-peer").asLive().asCommon("allow_peers: []"),
		yes("open_peers", func(c *Config) *bool { return &c.OpenPeers },
			"Let every node of the realm come as a peer: for development, and refused when other machines can connect.").asLive().asCommon(),
		yes("open_peers_beyond_loopback", func(c *Config) *bool { return &c.OpenWide },
			"Allow open_peers even when other machines can connect."),
	)
}

func serviceRows() []setting {
	return in("Services of this node",
		several("echo", "NAME", "names", func(c *Config) *[]string { return &c.Echo },
			func(t string) (string, error) { return t, plain(wire.ValidName(t)) }, self, func(t string) string { return "the service " + t },
			"Services that answer with what they are asked.").asLive().asCommon("echo: [demo.echo]"),
		several("http", "NAME=URL", "NAME=URL", func(c *Config) *[]Backend { return &c.HTTP }, ParseBackend,
			func(b Backend) string { return b.Name + "=" + b.URL }, func(b Backend) string { return "the service " + b.Name },
			"Services that an HTTP server beside the node answers: each call is a POST to the URL.",
		).showing(withoutSecrets).asLive().asCommon("http:", "  - demo.resize=http://127.0.0.1:8080/resize"),
		span("service_ttl", time.Second, time.Hour, func(c *Config) *time.Duration { return &c.Node.Registry.TTL },
			"How long an advertised service is found when nobody advertises it again and it names no time of its own.").asLimit().asCommon(),
		span("min_service_ttl", 100*time.Millisecond, time.Hour, func(c *Config) *time.Duration { return &c.Node.Registry.MinTTL },
			"The shortest time to live of a service; shorter ones are raised to it.").asLimit(),
		span("max_service_ttl", time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.Node.Registry.MaxTTL },
			"The longest time to live of a service; longer ones are cut to it.").asLimit(),
		several("service_ttls", "NAME=D", "NAME=DURATION, where NAME may end with ** for all names that begin so", func(c *Config) *[]node.NameTTL { return &c.Node.Registry.TTLs },
			ParseNameTTL, nameTTLText, func(t node.NameTTL) string { return "the pattern " + t.Pattern },
			"The time to live of single services that name none; an exact name counts before a pattern, a longer pattern before a shorter one.",
		).asLimit(),
		span("service_pause", time.Second, time.Hour, func(c *Config) *time.Duration { return &c.Node.Registry.Pause },
			"A node that has not run for this long takes itself for paused: that time counts for no time to live."),
	)
}

// withoutSecrets are the backends without what stands in their URLs for them
// alone.
func withoutSecrets(c *Config) []string {
	var out []string
	for _, b := range c.HTTP {
		out = append(out, b.Name+"="+backend.Shown(b.URL))
	}
	return out
}

func nameTTLText(t node.NameTTL) string { return t.Pattern + "=" + spanText(t.TTL) }

// asName is a pattern with something in place of **.
func asName(pattern string) string {
	if prefix, ok := strings.CutSuffix(pattern, "**"); ok {
		return prefix + "x"
	}
	return pattern
}

// ParseNameTTL reads NAME=DURATION; NAME may end with ** for all
// names that begin so.
func ParseNameTTL(text string) (node.NameTTL, error) {
	name, ttl, ok := strings.Cut(text, "=")
	if !ok {
		return node.NameTTL{}, fmt.Errorf("%.100q is not NAME=DURATION, for example demo.**=30s", text)
	}
	if err := wire.ValidName(asName(name)); err != nil {
		return node.NameTTL{}, plain(err)
	}
	d, err := duration(ttl, 100*time.Millisecond, 24*time.Hour)
	return node.NameTTL{Pattern: name, TTL: d}, err
}

// localRows are about this machine: who may look, and what is written.
func localRows() []setting {
	token := func(key string, at func(*Config) *string, what string) setting {
		return file(key, "none", at, "A file for its owner only, with the token that "+what+" demands as \"Authorization: Bearer TOKEN\"; without one only this machine may listen. A reload reads the file again.")
	}
	return in("Operation",
		address("admin", false, func(c *Config) *Address { return &c.Admin },
			"The TCP address of the admin pages over HTTP: metrics, health, status; off for none.").asCommon(),
		token("admin_token_file", func(c *Config) *string { return &c.AdminToken }, "the admin address"),
		address("api", true, func(c *Config) *Address { return &c.API },
			"The TCP address, or unix:PATH, of the HTTP API for programs in any language; off for none.").asCommon(),
		token("api_token_file", func(c *Config) *string { return &c.APIToken }, "the API"),
		setting{
			key: "log_level", holds: "LEVEL", takes: "debug, info, warn or error",
			help: "What is logged, to standard error: this level and above.",
			set:  func(c *Config, t []string) error { return level(&c.LogLevel, t[0]) },
			get:  func(c *Config) []string { return []string{strings.ToLower(c.LogLevel.String())} },
			at:   func(c *Config) any { return &c.LogLevel },
		}.asLimit().asCommon(),
		setting{
			key: "log_format", holds: "FORMAT", takes: "text or json",
			help: "The form of a line of the log.",
			set:  func(c *Config, t []string) error { return oneOf(&c.LogFormat, t[0], "text", "json") },
			get:  func(c *Config) []string { return []string{c.LogFormat} },
			at:   func(c *Config) any { return &c.LogFormat },
		}.asCommon(),
	)
}

func address(key string, unix bool, at func(*Config) *Address, help string) setting {
	s := setting{
		key: key, help: help, holds: "HOST:PORT", takes: "HOST:PORT or off",
		set: func(c *Config, t []string) error {
			a, err := ParseAddress(t[0])
			if err == nil && a.Unix != "" && !unix {
				err = fmt.Errorf("%.100q is not HOST:PORT or off", t[0])
			}
			if err == nil {
				*at(c) = a
			}
			return err
		},
		get: func(c *Config) []string { return []string{at(c).String()} },
		at:  func(c *Config) any { return at(c) },
	}
	if unix {
		s.takes = "HOST:PORT, unix:PATH or off"
		s.rebase = func(base, text string) string {
			if path, ok := strings.CutPrefix(text, unixPrefix); ok && path != "" && !filepath.IsAbs(path) {
				return unixPrefix + filepath.Join(base, path)
			}
			return text
		}
	}
	return s
}
