package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/bundle"
	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/doctor"
)

type bundleCmd struct {
	place
	Output string `help:"The archive to make; maculanode-support-TIME.tar.gz here." placeholder:"FILE"`
	Log    string `help:"A log file of the node, or - for standard input: its last MiB is added." placeholder:"FILE"`

	piped []byte // the end of standard input, with --log -
}

// Help is the second part of --help.
func (c *bundleCmd) Help() string {
	return `One .tar.gz, for its owner only and never over another file: version, effective configuration,
status, peers, clients, services, calls in flight, metrics, profiles of goroutines and of the heap,
what doctor finds, and the end of a log. CONTENTS.txt in it says what is there, what is missing and
why. When no node runs, the parts that only a node can give are missing.

Never in it: the key, tokens, and the bodies of calls. Names of services, ids and addresses are:
look into it before you give it to somebody.

Examples:
  maculanode support-bundle
  journalctl -u maculanode | maculanode support-bundle --log -
  maculanode support-bundle --log /var/log/maculanode.log --output /tmp/n1.tar.gz`
}

// maxLog is how much of the log is taken, in bytes.
const maxLog = 1 << 20

// maxToken bounds what is read of a token file, in bytes.
const maxToken = 64 << 10

// Run implements the command.
func (c *bundleCmd) Run(m *Main) error {
	now := time.Now()
	if c.Output == "" {
		c.Output = "maculanode-support-" + now.UTC().Format("20060102-150405") + ".tar.gz"
	}
	if c.Log == "-" {
		if m.Stdin == nil || terminal(m.Stdin) {
			return usage(errors.New("--log -: there is nothing on standard input: pipe a log into it"))
		}
		var err error
		if c.piped, err = m.readInput(func(r io.Reader) ([]byte, error) { return bundle.TailOf(r, maxLog) }); err != nil {
			return err
		}
	}
	check := doctorCmd{place: c.place}
	in := check.input(m)
	b := &bundle.Bundle{
		Made: now, About: "What a maculanode and its machine say about themselves.",
		Left: []string{
			"the private key of the node",
			"tokens of the admin pages and of the API, and passwords in URLs",
			"the bodies of calls",
		},
	}
	for _, path := range []string{in.Key, in.Config.AdminToken, in.Config.APIToken} { // also what is no key or token, in the place of one
		if path != "" {
			b.Hide(head(path))
		}
	}
	c.collect(m, b, in)
	if err := b.Write(c.Output); err != nil {
		return pathUsage(err)
	}
	fmt.Fprintf(m.Stdout, "%s\n\n%s", c.Output, b.List())
	return nil
}

// head is the beginning of a file, and nothing when it cannot be read: then it
// is not in the archive either.
func head(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, maxToken))
	return data
}

func (c *bundleCmd) collect(m *Main, b *bundle.Bundle, in doctor.Input) {
	b.Add("version.json", "the program that made this", pretty(version()), nil)
	live := func(verb, name string) (*control.Response, error) {
		return ask(m.ctx, in.Config.Control, &control.Request{Verb: verb, Name: name})
	}
	c.settings(b, in, live)
	rep := doctor.Run(m.ctx, in)
	var text bytes.Buffer
	rep.Print(&text)
	b.Add("doctor.txt", "checks of the machine and the configuration", text.Bytes(), nil)

	resp, err := live(control.VerbStatus, "")
	var s control.Status
	if err == nil && resp.Status != nil {
		s = *resp.Status
	}
	whole := s
	whole.PeerList, whole.ClientList, whole.ServiceList = nil, nil, nil
	b.Add("status.json", "what the node holds and has done", pretty(whole), err)
	b.Add("peers.json", "connections to peers", pretty(rowsOf(s.Pool.Now, s.PeerList)), err)
	b.Add("clients.json", "attached clients", pretty(rowsOf(s.Clients.Now, s.ClientList)), err)
	b.Add("services.json", "services that the node knows", pretty(rowsOf(s.Registry.Now, s.ServiceList)), err)
	resp, err = live(control.VerbCalls, "")
	var calls []control.Call
	if err == nil {
		calls = resp.Calls
	}
	b.Add("calls.json", "calls in flight, without their bodies", pretty(rowsOf(len(calls), calls)), err)
	resp, err = live(control.VerbMetrics, "")
	b.Add("metrics.txt", "what Prometheus is told", body(resp), err)
	resp, err = live(control.VerbProfile, "goroutine")
	b.AddRaw("goroutine.pprof", "profile of the goroutines", body(resp), err)
	resp, err = live(control.VerbProfile, "heap")
	b.AddRaw("heap.pprof", "profile of the heap", body(resp), err)
	switch c.Log {
	case "":
	case "-":
		b.Add("log.txt", "the end of standard input", c.piped, nil)
	default:
		data, err := bundle.Tail(c.Log, maxLog)
		b.Add("log.txt", "the end of "+c.Log, data, err)
	}
}

// settings adds the configuration: that of the node that runs, or what one
// would start with.
func (c *bundleCmd) settings(b *bundle.Bundle, in doctor.Input, live func(verb, name string) (*control.Response, error)) {
	const name = "config.txt"
	if resp, err := live(control.VerbConfig, ""); err == nil && len(resp.Settings) > 0 {
		var text bytes.Buffer
		for _, s := range resp.Settings {
			fmt.Fprintf(&text, "%s: %s  # %s\n", s.Key, bundle.Redact(s.Value), s.Source)
		}
		b.Add(name, "what the node runs with", text.Bytes(), nil)
		return
	}
	b.Add(name, "what a node would start with", effective(&in.Config), errors.Join(in.Mistakes...))
}

// effective is a configuration as text.
func effective(c *config.Config) []byte {
	var text bytes.Buffer
	for _, s := range c.List() {
		fmt.Fprintf(&text, "%s: %s  # %s\n", s.Key, bundle.Redact(s.Value), s.Source)
	}
	return text.Bytes()
}

func body(r *control.Response) []byte {
	if r == nil {
		return nil
	}
	return r.Body
}

// pretty is v in JSON with a value a line.
func pretty(v any) []byte {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("macula bug: " + err.Error()) // plain structs only
	}
	return append(data, '\n')
}
