package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/maculamesh/macula/cmd/maculanode/internal/daemon"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/cmd/maculanode/internal/logs"
)

// runCmd has its settings as text: config parses them, as it does for the
// other sources.
type runCmd struct {
	place
	JSON bool `help:"Print the lines on standard output as JSON." name:"json"`

	Realm      string   `help:"Realm of the node, in reverse DNS." placeholder:"NAME"`
	Listen     string   `help:"UDP address to listen on; 127.0.0.1:4433." placeholder:"HOST:PORT"`
	Advertised string   `help:"Where others dial this node, when it is another address." placeholder:"HOST:PORT"`
	Key        string   `help:"Key file; node.key in the data directory." placeholder:"FILE"`
	Peer       []string `help:"A node to keep a connection to; may be given more than once." placeholder:"ID@HOST:PORT" sep:","`
	AllowPeer  []string `help:"A node that may come as a peer; may be given more than once." placeholder:"ID" sep:","`
	OpenPeers  bool     `help:"Let every node of the realm come as a peer. For development: refused when other machines can connect."`
	OpenWide   bool     `help:"Open peers even when other machines can connect." name:"open-peers-beyond-loopback"`
	Echo       []string `help:"A service of this node that answers with what it is asked; may be given more than once." placeholder:"NAME" sep:","`

	MaxPeers        string `help:"Connections to peers; 1000." placeholder:"N"`
	MaxClients      string `help:"Attached clients; 10000." placeholder:"N"`
	ServiceTTL      string `help:"How long an advertisement counts; 300s." placeholder:"D" name:"service-ttl"`
	CleanupInterval string `help:"How often expired entries are removed; 60s." placeholder:"D"`
	DrainTimeout    string `help:"How long calls in progress may take at the end; 30s." placeholder:"D"`
	LogLevel        string `help:"debug, info, warn or error; info." placeholder:"LEVEL"`
	LogFormat       string `help:"text or json; text." placeholder:"FORMAT"`
}

// Help is the second part of --help.
func (c *runCmd) Help() string {
	return `Each setting is also a key of the configuration file and a variable MACULA_<KEY>; flags stand
over variables, variables over the file. The log goes to standard error. Standard output gets a
line "ready" when the node answers; with --json also a line "closed" with what was left at the end,
which is nothing, or the exit code is 1.

SIGTERM and SIGINT drain the node: nobody new, calls in progress finish, everything is closed. The
second signal ends it at once.

Examples:
  maculanode run
  maculanode run --listen 0.0.0.0:4433 --peer ID@node2.example.org:4433
  maculanode run --dir ./n1 --realm org.example.dev --listen 127.0.0.1:0 --open-peers --echo demo.echo
  MACULA_LOG_FORMAT=json maculanode run --max-clients 500`
}

// Run implements the command.
func (c *runCmd) Run(m *Main) error {
	cfg, err := m.load(c.place)
	if err != nil {
		return err
	}
	if err := cfg.CheckRun(); err != nil {
		return usage(err)
	}
	names := &hosts.Names{}
	log := logs.New(m.Stderr, logs.Config{Level: cfg.LogLevel, JSON: cfg.LogFormat == "json", Rename: names.Rename})
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	closed, err := daemon.Run(m.ctx, cfg, daemon.Options{
		Log: log, Names: names, Version: version().String(), OwnsProcess: m.OwnsProcess,
		Ready: func(r daemon.Ready) { c.ready(m, r) },
	})
	if err != nil {
		return err
	}
	if c.JSON {
		m.json(struct {
			Event string `json:"event"`
			daemon.Closed
		}{"closed", closed})
	}
	l := closed.Leftovers
	log.Info("closed", "abandoned", l.Abandoned, "leases", l.Leases, "conns", l.Conns, "streams", l.Streams,
		"goroutines_of_ours", closed.Goroutines, "tasks", closed.Tasks, "timers", closed.Timers, "hooks", closed.Hooks)
	if !closed.Clean {
		for _, s := range closed.Stacks {
			log.Error("left running", "stack", s)
		}
		return errors.New("something of the node was left when everything was closed: this is a bug, the line \"closed\" above says what")
	}
	return nil
}

func (c *runCmd) ready(m *Main, r daemon.Ready) {
	if c.JSON {
		m.json(map[string]string{"event": "ready", "id": r.ID, "addr": r.Addr, "control": r.Control})
		return
	}
	control := r.Control
	if strings.ContainsAny(control, " \t\"") {
		control = fmt.Sprintf("%q", control)
	}
	fmt.Fprintf(m.Stdout, "ready id=%s addr=%s control=%s\n", r.ID, r.Addr, control)
}

// json prints v as one line.
func (m *Main) json(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("macula bug: " + err.Error()) // plain structs only
	}
	fmt.Fprintf(m.Stdout, "%s\n", data)
}
