package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/daemon"
)

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Say what is wrong with a configuration, all of it."`
	Show  configShowCmd  `cmd:"" help:"Show every setting and where its value comes from."`
}

type configCheckCmd struct {
	place
	File string `arg:"" optional:"" help:"Configuration file; that of --config or of the data directory."`
	JSON bool   `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *configCheckCmd) Help() string {
	return `Reads the file and the variables as "run" would, and looks at the key file and the token files.
Every mistake is one line with its place; the exit code is 2 when there is one, 0 otherwise.

Examples:
  maculanode config check
  maculanode config check ./maculanode.yaml
  maculanode config check --json new.yaml | jq -r '.mistakes[]'`
}

// Run implements the command.
func (c *configCheckCmd) Run(m *Main) error {
	if c.File != "" && c.Config != "" {
		return usage(errors.New("name one file, with --config or without"))
	}
	if c.File != "" {
		c.Config = c.File
	}
	cfg, errs := config.LoadAll(m.sources(c.place, "control"))
	if len(errs) == 0 {
		errs = cfg.Problems()
		if err := daemon.CheckKey(&cfg); err != nil {
			errs = append(errs, err)
		}
	}
	if c.JSON {
		out := struct {
			OK       bool     `json:"ok"`
			File     string   `json:"file,omitempty"`
			Mistakes []string `json:"mistakes"`
			Warnings []string `json:"warnings"`
		}{len(errs) == 0, cfg.File, []string{}, append([]string{}, cfg.Warnings...)}
		for _, err := range errs {
			out.Mistakes = append(out.Mistakes, oneLine(err))
		}
		m.json(out)
	} else {
		c.print(m, &cfg, errs)
	}
	if n := len(errs); n > 0 {
		return usage(fmt.Errorf("a node would not start with this configuration: %s", count(n, "mistake")))
	}
	return nil
}

func (c *configCheckCmd) print(m *Main, cfg *config.Config, errs []error) {
	for _, w := range cfg.Warnings {
		fmt.Fprintf(m.Stdout, "warning: %s\n", w)
	}
	for _, err := range errs {
		fmt.Fprintln(m.Stdout, oneLine(err))
	}
	if len(errs) > 0 {
		return
	}
	if cfg.File == "" {
		fmt.Fprintf(m.Stdout, "ok: there is no configuration file in %s, and none is needed\n", cfg.Dir)
		return
	}
	fmt.Fprintf(m.Stdout, "ok: %s\n", cfg.File)
}

type configShowCmd struct {
	place
	Running bool `help:"What the running node uses, and what a restart would change."`
	Changed bool `help:"Only what is not as by default."`
	JSON    bool `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *configShowCmd) Help() string {
	return `Without --running it reads the file and the variables as "run" would. The source of a value is a place
in the file, a variable, a flag, "limits set", or "default".

Examples:
  maculanode config show --changed
  maculanode config show --running --json | jq '.[] | select(.after_restart)'
  MACULA_MAX_PEERS=50 maculanode config show | grep max_peers`
}

// Run implements the command.
func (c *configShowCmd) Run(m *Main) error {
	only := []string{"control"}
	if !c.Running {
		only = append(only, "key") // the whole file counts
	}
	cfg, err := m.load(c.place, only...)
	if err != nil {
		return err
	}
	var all []control.Setting
	if c.Running {
		resp, err := ask(m.ctx, cfg.Control, &control.Request{Verb: control.VerbConfig})
		if err != nil {
			return err
		}
		all = resp.Settings
	} else {
		for _, s := range cfg.List() {
			all = append(all, control.Setting{Key: s.Key, Value: s.Value, Source: s.Source, Live: s.Live, Default: s.Default})
		}
	}
	out := []control.Setting{}
	for _, s := range all {
		if !c.Changed || !s.Default || s.Restart != "" {
			out = append(out, s)
		}
	}
	if c.JSON {
		m.json(out)
		return nil
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "KEY\tVALUE\tSOURCE\n")
	for _, s := range out {
		source := s.Source
		if s.Restart != "" {
			source += fmt.Sprintf(" (%s after a restart)", orDash(s.Restart))
		}
		items := config.Items(s.Key, s.Value)
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Key, orDash(items[0]), source)
		for _, item := range items[1:] {
			fmt.Fprintf(w, "\t%s\t\n", item)
		}
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// limitTable prints limits for people.
func limitTable(out io.Writer, list []control.Setting) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "KEY\tVALUE\tIN USE\tACTING\tSOURCE\tUNTIL\n")
	for _, s := range list {
		until := "-"
		if s.For > 0 {
			left := time.Duration(s.For * float64(time.Second))
			until = fmt.Sprintf("%s (%v)", time.Now().Add(left).Format(time.TimeOnly), max(left.Round(time.Second), time.Second))
		}
		acting := s.Acting
		if acting == "" {
			acting = s.Value
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Key, orDash(s.Value), orDash(s.Now), orDash(acting), s.Source, until)
	}
	w.Flush()
}
