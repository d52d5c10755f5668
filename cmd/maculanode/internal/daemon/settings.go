package daemon

import (
	"context"
	"crypto/ed25519"
	"strconv"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ident/keyfile"
	"github.com/maculamesh/macula/transport/quic"
)

// quicConfig is the transport's part of the configuration.
func (d *running) quicConfig() quic.Config {
	return quic.Config{Config: d.cfg.QUIC, Clock: d.r, Log: d.opt.Log.Logger}
}

// nodeConfig is the node's.
func (d *running) nodeConfig(ctx context.Context) (node.Config, error) {
	c := &d.cfg
	nc := c.Node
	nc.Realm, nc.Peers, nc.OpenPeers, nc.Bootstrap = c.Realm, c.AllowPeers, c.OpenPeers, d.bootstrap(c.Peers)
	var err error
	nc.Advertised, err = d.advertised(ctx)
	return nc, err
}

// bootstrap lists the peers with addresses, or what stands for names.
func (d *running) bootstrap(peers []config.Peer) []node.Peer {
	var out []node.Peer
	for _, p := range peers {
		a, ok := p.At.Literal()
		if !ok {
			a = d.opt.Names.Add(p.At.Host, p.At.Port)
		}
		out = append(out, node.Peer{ID: p.ID, Addr: a})
	}
	return out
}

// Settings implements control.Node.
func (h *host) Settings() []control.Setting { return h.live.list(false) }

// Reload implements control.Node.
func (h *host) Reload() (control.Reload, error) { return h.live.reload() }

// SetLimits implements control.Node.
func (h *host) SetLimits(set []string, lasts time.Duration) ([]control.Setting, error) {
	if len(set) > 0 {
		if err := h.live.set(set, lasts); err != nil {
			return nil, err
		}
	}
	return h.live.list(true), nil
}

// Reloads counts how often the configuration was read again.
func (h *host) Reloads() Reloads {
	h.live.mu.Lock()
	defer h.live.mu.Unlock()
	return h.live.reloads
}

// list describes what the node runs with, or its limits only.
func (l *live) list(limits bool) []control.Setting {
	st, act := l.d.node.Status(), l.d.node.Acting()
	used := map[string]int{ // bound: the keys that are written here
		"max_peers": st.Pool.Open, "max_inbound_peers": st.Pool.Inbound, "max_clients": st.Clients.Attached, "max_services": st.Registry.Entries, "max_handlers": st.Server.Running,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	acting := l.cfg.WithLimits(act)
	acts := acting.List()
	then := map[string]string{} // bound: the table of settings
	for _, c := range l.cfg.Changes(&l.read) {
		if !c.Live {
			then[c.Key] = c.New
		}
	}
	out := []control.Setting{}
	for i, s := range l.cfg.List() {
		if limits && !s.Limit {
			continue
		}
		d := control.Setting{Key: s.Key, Value: s.Value, Source: s.Source, Live: s.Live, Default: s.Default, Restart: then[s.Key]}
		if n, ok := used[s.Key]; ok {
			d.Now = strconv.Itoa(n)
		}
		if s.Limit && acts[i].Value != s.Value {
			d.Acting = acts[i].Value
		}
		if t := l.timed[s.Key]; t != nil {
			d.For = max(time.Until(t.until), 0).Seconds()
		}
		out = append(out, d)
	}
	return out
}

// CheckKey says what is wrong with the key file of a configuration, or with what
// the configuration says of the node with that key.
func CheckKey(cfg *config.Config) error {
	key, err := keyfile.Load(cfg.Key)
	if err != nil {
		return KeyError(cfg.Key, err)
	}
	defer clear(key)
	id, err := ident.FromPublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		return err
	}
	return cfg.CheckSelf(id)
}
