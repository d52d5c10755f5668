package node

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/discovery"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/pool"
	"github.com/maculamesh/macula/node/pressure"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Peer is a node that this one knows from its configuration.
type Peer struct {
	ID   transport.PeerID
	Addr transport.Addr
}

// Config is what an operator decides. The zero value of every field but Realm
// takes a default, which stands beside it here or in the package of the part.
type Config struct {
	Realm      string             // the realm of every connection; no default
	Peers      []transport.PeerID // who may be a peer; everybody else may be a client
	OpenPeers  bool               // everybody may be a peer: for development only
	Bootstrap  []Peer             // peers that the node keeps a connection to; they may be peers without being in Peers
	Advertised transport.Addr     // where others can dial this node; the listener's own address

	Handshakes      int           // accepted connections whose hello was not answered yet; 64, and as many again for those who may be peers: strangers must not starve members
	CleanupInterval time.Duration // between two runs of the cleanup; 60 s
	CleanupBatch    int           // entries removed between two looks at other work; 1,000
	IdleAfter       time.Duration // a mesh connection unused for this long is closed; 10 min
	DrainTimeout    time.Duration // from the order to stop to the hard end; 30 s

	Adapt pressure.Config // from when on the node counts as short of memory or time, if Deps.Load says how much there is

	Link      link.Config
	Pool      pool.Config
	Clients   clients.Config
	Registry  registry.Config
	Server    rpc.ServerConfig
	Caller    rpc.CallerConfig
	Discovery discovery.Config
	Ledger    ledger.Config
}

const defaultHandshakes = 64

// Deps is the world of a node. Only these differ between production and
// simulation.
type Deps struct {
	Runtime   rt.Runtime
	Transport transport.Transport    // the node closes it when it closes itself
	ID        transport.PeerID       // what the transport proves to others
	Log       *slog.Logger           // nil discards
	Mark      func(string)           // told when something rare happened; may be nil
	Load      func() pressure.Sample // what of memory and time is used now; called now and then and must not block; nil is no load adaptation
}

// WithDefaults returns c with every zero field set, those of the parts too.
func (c Config) WithDefaults() Config {
	c.Handshakes = cmp.Or(c.Handshakes, defaultHandshakes)
	c.CleanupBatch = cmp.Or(c.CleanupBatch, 1000)
	c.CleanupInterval = cmp.Or(c.CleanupInterval, 60*time.Second)
	c.IdleAfter = cmp.Or(c.IdleAfter, 10*time.Minute)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 30*time.Second)
	c.Adapt = c.Adapt.WithDefaults()
	c.Pool = c.Pool.WithDefaults()
	c.Pool.Backoff = c.Pool.Backoff.WithDefaults()
	c.Clients = c.Clients.WithDefaults()
	c.Discovery.Peers = cmp.Or(c.Discovery.Peers, c.Pool.Cap+c.Pool.Closing) // every admitted peer is told
	c.Discovery = c.Discovery.WithDefaults()
	c.Registry = c.Registry.WithDefaults()
	c.Server = c.Server.WithDefaults()
	c.Caller = c.Caller.WithDefaults()
	c.Link = c.Link.WithDefaults()
	c.Ledger = c.Ledger.WithDefaults()
	return c
}

// withDefaults fills the fields of the node itself and checks the rest.
func (c Config) withDefaults(d Deps) (Config, error) {
	if err := wire.ValidRealm(c.Realm); err != nil {
		return c, fault.New("node.New", fault.Invalid, "realm: %v", err)
	}
	if err := wrongBootstrap("node.New", c.Bootstrap, d.ID); err != nil {
		return c, err
	}
	c = c.WithDefaults()
	if err := c.limits().entries().Check(); err != nil {
		return c, fault.Wrap("node.New", err)
	}
	if err := c.limits().inboundFits("node.New"); err != nil {
		return c, err
	}
	if err := c.Adapt.Check(); err != nil {
		return c, fault.Wrap("node.New", err)
	}
	c.Pool.Self, c.Link.Self, c.Link.Realm = d.ID, d.ID, c.Realm
	return c, nil
}
