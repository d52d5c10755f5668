package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"
	"unicode/utf8"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

type callCmd struct {
	place
	Name string `arg:"" help:"The service." complete:"service"`

	Data       *string       `help:"What to ask." placeholder:"TEXT" xor:"data"`
	DataFile   string        `help:"File with what to ask; - is standard input." placeholder:"FILE" xor:"data"`
	Timeout    time.Duration `help:"When to give up." default:"5s" placeholder:"D"`
	Idempotent bool          `help:"The call may be executed twice: another provider is tried after one may have executed it."`
	JSON       bool          `help:"Print the outcome as JSON." name:"json"`
	Via        string        `help:"Attach to this node as a client instead of asking the one that runs here." placeholder:"ID@HOST:PORT"`
	Realm      string        `help:"Realm, with --via; that of the configuration." placeholder:"NAME"`
	Key        string        `help:"Key file, with --via; node.key in the data directory." placeholder:"FILE"`
}

// Help is the second part of --help.
func (c *callCmd) Help() string {
	return `The answer goes to standard output as it is. Without --data and --data-file what comes on standard
input is sent, if that is not a terminal; at most 1 MiB. Ctrl-C cancels the call, here and at the
provider.

Examples:
  maculanode call demo.echo --data hello
  maculanode call image.resize --data-file photo.jpg --timeout 30s > small.jpg
  date | maculanode call demo.echo --json
  maculanode call demo.echo --data hello --via ID@gateway.example.org:4433 --realm org.example.mesh`
}

// Run implements the command.
func (c *callCmd) Run(m *Main) error {
	if err := wire.ValidName(c.Name); err != nil {
		return usage(err)
	}
	if c.Timeout <= 0 || c.Timeout > 10*time.Minute {
		return usage(fmt.Errorf("--timeout: %v is out of range: more than 0, at most 10m", c.Timeout))
	}
	only := []string{"control"}
	if c.Via != "" {
		only = append(only, "realm", "key")
	}
	cfg, err := m.load(c.place, only...)
	if err != nil {
		return err
	}
	body, err := c.body(m)
	if err != nil {
		return err
	}
	begun := time.Now()
	var answer []byte
	if c.Via != "" {
		answer, err = c.callVia(m.ctx, cfg, body)
	} else {
		answer, err = c.callNode(m.ctx, cfg, body)
	}
	if err != nil && m.ctx.Err() != nil {
		err = fault.New("", fault.Cancelled, "the call of %s was cancelled", c.Name)
	}
	if took := time.Since(begun); fault.KindOf(err) == fault.Deadline && took >= c.Timeout {
		err = fault.New("", fault.Deadline, "%s has not answered within %v", c.Name, c.Timeout)
	}
	if c.JSON {
		m.json(outcome(c.Name, answer, err, time.Since(begun)))
		return err
	}
	if err != nil {
		return err
	}
	if _, err := m.Stdout.Write(answer); err != nil {
		return fmt.Errorf("the answer cannot be written: %w", err)
	}
	if terminal(m.Stdout) && (len(answer) == 0 || answer[len(answer)-1] != '\n') {
		fmt.Fprintln(m.Stdout)
	}
	return nil
}

// body is what to ask.
func (c *callCmd) body(m *Main) ([]byte, error) {
	var data []byte
	var err error
	switch {
	case c.Data != nil:
		data = []byte(*c.Data)
	case c.DataFile == "-", c.DataFile == "" && m.Stdin != nil && !terminal(m.Stdin):
		data, err = m.readInput(func(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, control.MaxBody+1)) })
	case c.DataFile != "":
		data, err = readFile(c.DataFile)
	}
	if err != nil {
		return nil, err
	}
	if len(data) > control.MaxBody {
		return nil, usage(fmt.Errorf("what to ask has more than %d bytes, the limit of the mesh", control.MaxBody))
	}
	return data, nil
}

// readInput reads standard input, and gives up when the command is cancelled. The goroutine that reads
// may then stay until the input ends, or until the process does, which is
// about to: a read of a terminal or a pipe cannot be interrupted.
func (m *Main) readInput(read func(io.Reader) ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := read(m.Stdin)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("standard input: %w", r.err)
		}
		return r.data, nil
	case <-m.ctx.Done():
		return nil, fault.New("", fault.Cancelled, "cancelled before standard input has ended")
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage(fmt.Errorf("--data-file: there is no file %s", name))
	}
	if err != nil {
		return nil, usage(fmt.Errorf("--data-file: %w", err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, control.MaxBody+1))
	if err != nil {
		return nil, pathUsage(fmt.Errorf("--data-file: %w", err))
	}
	return data, nil
}

// callNode asks the node that runs here. It waits a little longer than the
// node does, so that the node's own answer comes first.
func (c *callCmd) callNode(ctx context.Context, cfg config.Config, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout+2*time.Second)
	defer cancel()
	resp, err := control.Do(ctx, cfg.Control, &control.Request{
		Verb: control.VerbCall, Name: c.Name, Body: body, Timeout: c.Timeout, Idempotent: c.Idempotent,
	})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// callVia attaches to a gateway for one call.
func (c *callCmd) callVia(ctx context.Context, cfg config.Config, body []byte) (answer []byte, err error) {
	via, err := config.ParsePeer(c.Via)
	if err != nil {
		return nil, usage(fmt.Errorf("--via: %w", err))
	}
	if cfg.Realm == "" {
		return nil, usage(errors.New("no realm is set: --via needs --realm NAME, that of the node there"))
	}
	key, err := ownKey(cfg.Key)
	if err != nil {
		return nil, err
	}
	r := realrt.New(realrt.Config{})
	ctx, cancel := r.WithTimeout(ctx, c.Timeout)
	defer cancel()
	at, ok := via.At.Literal()
	if !ok {
		if at, err = hosts.Lookup(ctx, net.DefaultResolver, via.At.Host, via.At.Port); err != nil {
			return nil, fmt.Errorf("--via: %w", err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	tr, err := quic.New(quic.Config{Key: key, Addr: localFor(at), Clock: r, Log: log})
	if err != nil {
		return nil, fmt.Errorf("no socket for the call: %w", err)
	}
	defer tr.Close()
	if via.ID == tr.ID() {
		return nil, usage(fmt.Errorf("--via: %s is this node itself: leave --via out to ask it", ident.Short(via.ID)))
	}
	cl, err := client.New(client.Config{
		Realm: cfg.Realm, Gateways: []client.Gateway{{ID: via.ID, Addr: at}}, NoReconnect: true,
	}, client.Deps{Runtime: r, Transport: tr, ID: tr.ID(), Log: log})
	if err != nil {
		return nil, err
	}
	defer func() {
		end, done := r.WithTimeout(context.Background(), 2*time.Second)
		defer done()
		cl.Close(end)
	}()
	if err := cl.Attach(ctx); err != nil {
		return nil, attachError(via, err)
	}
	return cl.Call(ctx, c.Name, body, c.Idempotent)
}

// attachError says that it was the way to the gateway that failed: a deadline
// there means that nobody answers.
func attachError(via config.Peer, err error) error {
	kind, what := fault.KindOf(err), "did not take this client"
	if kind == fault.Deadline {
		kind = fault.Unreachable
	}
	if kind == fault.Unreachable {
		what = "cannot be reached"
	}
	return &fault.Error{Kind: kind, Detail: fmt.Sprintf("the node %s at %s %s", ident.Short(via.ID), via.At, what), RetryAfter: fault.RetryAfter(err), Err: err}
}

// localFor is a free port of the family and the reach of the other end.
func localFor(to netip.AddrPort) netip.AddrPort {
	switch a := to.Addr(); {
	case a.Is4() && a.IsLoopback():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	case a.Is4():
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	case a.IsLoopback():
		return netip.AddrPortFrom(netip.IPv6Loopback(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

// result is the outcome of a call in JSON. An answer that is text is in Body,
// another one in Base64.
type result struct {
	Service string   `json:"service"`
	OK      bool     `json:"ok"`
	Body    *string  `json:"body,omitempty"`
	Base64  []byte   `json:"body_base64,omitempty"`
	Took    float64  `json:"took_ms"`
	Error   *failing `json:"error,omitempty"`
}

type failing struct {
	Kind       string  `json:"kind"`
	Message    string  `json:"message"`
	RetryAfter float64 `json:"retry_after_ms,omitempty"`
	Exit       int     `json:"exit"`
}

func outcome(service string, body []byte, err error, took time.Duration) result {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	r := result{Service: service, OK: err == nil, Took: ms(took)}
	switch {
	case err != nil:
		r.Error = &failing{Kind: fault.KindOf(err).String(), Message: oneLine(err), RetryAfter: ms(fault.RetryAfter(err)), Exit: exitCode(err)}
	case utf8.Valid(body):
		text := string(body)
		r.Body = &text
	default:
		r.Base64 = body
	}
	return r
}
