package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/daemon"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/cmd/maculanode/internal/logs"
	"github.com/maculamesh/macula/cmd/maculanode/internal/notify"
)

// runCmd has its settings as text: config parses them, as it does for the
// other sources.
type runCmd struct {
	place
	JSON bool `help:"Print the lines on standard output as JSON." name:"json"`

	kong.Plugins // a flag for every setting
}

func newRunCmd() runCmd { return runCmd{Plugins: kong.Plugins{config.Flags("control")}} }

// Help is the second part of --help.
func (c *runCmd) Help() string {
	return `Each setting is also a key of the configuration file and a variable MACULA_<KEY>; flags stand
over variables, variables over the file. The log goes to standard error. Standard output gets a
line "listening" when the node answers, whether it has reached others or not: "status --ready" says
that. With --json it gets a line "closed" with what was left at the end, which is nothing, or the
exit code is 1.

SIGTERM and SIGINT drain the node: nobody new, calls in progress finish, everything is closed. The
second signal ends it at once. SIGHUP reads the configuration file again, as "reload" does.

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
	if err := daemon.CheckKey(&cfg); err != nil {
		return usage(err)
	}
	hangup := make(chan os.Signal, 1)
	if m.OwnsProcess {
		// A program of Go that crashes exits with 2, which is a mistake in the
		// configuration here: after that one nobody starts the node again.
		debug.SetTraceback("crash")
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
	}
	names := &hosts.Names{}
	look := cfg.Logs()
	look.Rename = names.Rename
	log := logs.New(m.Stderr, look)
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	manager := notify.Socket(m.env(notify.Variable))
	defer context.AfterFunc(m.ctx, func() { told(log.Warn, manager.Stopping("draining")) })()
	closed, err := daemon.Run(m.ctx, cfg, daemon.Options{
		Log: log, Names: names, Version: version().String(), OwnsProcess: m.OwnsProcess,
		Load: func() (config.Config, error) { return m.load(c.place) }, Hangup: hangup,
		Ready: func(r daemon.Ready) {
			c.listening(m, r)
			told(log.Warn, manager.Ready("listening on "+r.Addr))
		},
	})
	if err != nil {
		return asUsage(err)
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

func (c *runCmd) listening(m *Main, r daemon.Ready) {
	line := map[string]string{"event": "listening", "id": r.ID, "addr": r.Addr, "control": r.Control} // bound: what stands here
	text := fmt.Sprintf("listening id=%s addr=%s control=%s", r.ID, r.Addr, quoted(r.Control))
	for _, door := range []struct{ key, where string }{{"admin", r.Admin}, {"api", r.API}} {
		if door.where != "" {
			line[door.key] = door.where
			text += " " + door.key + "=" + quoted(door.where)
		}
	}
	if c.JSON {
		m.json(line)
		return
	}
	fmt.Fprintln(m.Stdout, text)
}

// told logs that the service manager could not be told something; the node
// runs without it.
func told(warn func(string, ...any), err error) {
	if err != nil {
		warn("notify", "err", err)
	}
}

// quoted is a path as one word of a line.
func quoted(s string) string {
	if strings.ContainsAny(s, " \t\"") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// json prints v as one line.
func (m *Main) json(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic("macula bug: " + err.Error()) // plain structs only
	}
	fmt.Fprintf(m.Stdout, "%s\n", data)
}
