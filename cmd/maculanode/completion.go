package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maculamesh/macula/cmd/maculanode/internal/completion"
	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Help is the second part of --help.
func (c *completionCmd) Help() string {
	return `The script asks this program for every candidate, so it fits the version that is installed: verbs,
flags, values, limits, and the names of services from the running node, if that answers in time.

Examples:
  source <(maculanode completion bash)
  maculanode completion bash > /etc/bash_completion.d/maculanode
  maculanode completion zsh > "${fpath[1]}/_maculanode"
  maculanode completion fish > ~/.config/fish/completions/maculanode.fish`
}

// Run implements the command.
func (c *completionCmd) Run(m *Main) error {
	script, err := completion.Script(c.Shell, "maculanode")
	if err != nil {
		return usage(err)
	}
	fmt.Fprint(m.Stdout, script)
	return nil
}

// completeCmd is what the scripts ask.
type completeCmd struct {
	Words []string `arg:"" optional:"" help:"The words behind the name of the program."`
}

// completeTime is how long the running node may take to name its services:
// somebody has pressed a key and waits.
const completeTime = 300 * time.Millisecond

// Run implements the command.
func (c *completeCmd) Run(m *Main, kctx *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, found := range completion.Complete(kctx.Model, words, m.names) {
		fmt.Fprintf(m.Stdout, "%s\t%s\n", found.Word, found.Help)
	}
	return nil
}

// names are those of limits, or of services: all that the node knows, or its
// own.
func (m *Main) names(kind string, words []string) []string {
	switch kind {
	case "limit":
		return config.LimitKeys()
	case "limit=":
		keys := config.LimitKeys()
		for i := range keys {
			keys[i] += "="
		}
		return keys
	}
	p := place{Dir: m.defaultDir()}
	for _, f := range []struct {
		name string
		to   *string
	}{{"--dir", &p.Dir}, {"--config", &p.Config}, {"--control", &p.Control}} {
		for i, w := range words {
			if v, ok := strings.CutPrefix(w, f.name+"="); ok {
				*f.to = v
			} else if w == f.name && i+1 < len(words) {
				*f.to = words[i+1]
			}
		}
	}
	path := p.Control
	if path == "" {
		cfg, err := m.load(p, "control")
		if err != nil {
			return nil
		}
		path = cfg.Control
	}
	ctx, cancel := context.WithTimeout(m.ctx, completeTime)
	defer cancel()
	resp, err := control.Do(ctx, path, &control.Request{Verb: control.VerbStatus})
	if err != nil || resp.Status == nil {
		return nil
	}
	var out []string
	for _, s := range resp.Status.ServiceList {
		if kind == "service" || s.Local && s.Provider == resp.Status.ID {
			out = append(out, s.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
