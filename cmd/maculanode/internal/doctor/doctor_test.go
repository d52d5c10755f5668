package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ident/keyfile"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// resolver knows one name.
type resolver struct{}

func (resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "known.test" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// healthy is a data directory without anything that is wrong in it, read with
// those flags.
func healthy(t *testing.T, flags ...string) Input {
	t.Helper()
	dir := t.TempDir()
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := keyfile.Create(filepath.Join(dir, config.KeyName), key); err != nil {
		t.Fatal(err)
	}
	src := config.Sources{Dir: dir, Env: func(string) string { return "" }, Flags: []config.Value{
		{Flag: "realm", Text: []string{"local.test"}}, {Flag: "listen", Text: []string{"127.0.0.1:0"}},
	}}
	for i := 0; i < len(flags); i += 2 {
		src.Flags = append(src.Flags, config.Value{Flag: flags[i], Text: []string{flags[i+1]}})
	}
	in := Input{Dir: dir, Key: filepath.Join(dir, config.KeyName), Version: "v1", Resolver: resolver{}, MemoryLimit: 100 << 30}
	in.Config, in.Mistakes = config.LoadAll(src)
	return in
}

// found is the line of a check; there must be one.
func found(t *testing.T, in Input, check string) Line {
	t.Helper()
	rep := Run(t.Context(), in)
	var lines []Line
	for _, l := range rep.Lines {
		if l.Check == check {
			lines = append(lines, l)
		}
		if (l.Do == "") != (l.Result == OK) || strings.ContainsAny(l.What+l.Do, "\n\r") {
			t.Errorf("%+v", l)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("%d lines about %s: %+v", len(lines), check, rep.Lines)
	}
	if rep.OK != (rep.Count(Fail) == 0) {
		t.Errorf("ok is %v with %d failures", rep.OK, rep.Count(Fail))
	}
	return lines[0]
}

func TestAHealthyMachineFailsNothing(t *testing.T) {
	rep := Run(t.Context(), healthy(t))
	for _, l := range rep.Lines {
		if l.Result == Fail {
			t.Errorf("%+v", l)
		}
	}
}

func TestEachCheckFindsWhatItIsFor(t *testing.T) {
	busy, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	id := ident.String(ident.Simulated(1, "other"))
	gone, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, c := range []struct {
		name  string
		flags []string
		spoil func(*Input)
		check string
		want  Result
		what  string
	}{
		{"a wrong configuration", []string{"max-peers", "0"}, nil, "configuration", Fail, "max-peers"},
		{"no realm", []string{}, func(in *Input) { in.Config.Realm = "" }, "configuration", Fail, "no realm"},
		{"a misspelt variable", nil, func(in *Input) { in.Config.Warnings = []string{"odd"} }, "configuration", Warn, "odd"},
		{"no directory", nil, func(in *Input) { in.Dir += "/none" }, "data directory", Fail, "there is no"},
		{"a directory that others write to", nil, func(in *Input) { os.Chmod(in.Dir, 0o777) }, "data directory", Warn, "others may write"},
		{"no key", nil, func(in *Input) { os.Remove(in.Key) }, "key", Fail, "no key file"},
		{"a key that others read", nil, func(in *Input) { os.Chmod(in.Key, 0o644) }, "key", Fail, "0644"},
		{"a key that is none", nil, func(in *Input) { os.WriteFile(in.Key, []byte("x"), 0o600) }, "key", Fail, "key"},
		{"a token that is missing", nil, func(in *Input) { in.Config.AdminToken = in.Dir + "/none" }, "configuration", Fail, "no token file"},
		{"the key of another node", nil, func(in *Input) { in.Status = &control.Status{ID: id, Ready: true, Version: "v1"} }, "key", Warn, "the one that runs"},
		{"a node that hangs", nil, func(in *Input) { in.StatusErr = errors.New("no answer") }, "node", Fail, "does not answer"},
		{"a node that is not ready", nil, func(in *Input) { in.Status = &control.Status{NotReady: "joining", Version: "v1"} }, "node", Warn, "joining"},
		{"a node of another version", nil, func(in *Input) { in.Status = &control.Status{Ready: true, Version: "v0"} }, "node", Warn, "version v0"},
		{"a node under pressure", nil, func(in *Input) {
			in.Status = &control.Status{Ready: true, Version: "v1", Pressure: control.Pressure{Level: "high"}}
		}, "node", Warn, "high"},
		{"a port that is taken", []string{"listen", busy.LocalAddr().String()}, nil, "UDP port", Fail, "in use"},
		{"a port that our node has", []string{"listen", busy.LocalAddr().String()}, func(in *Input) {
			in.Status = &control.Status{Addr: busy.LocalAddr().String(), Ready: true, Version: "v1"}
		}, "UDP port", OK, "our node"},
		{"an address of another machine", []string{"listen", "192.0.2.1:4433"}, nil, "UDP port", Fail, "no address of this machine"},
		{"a host name nobody knows", []string{"listen", "unknown.test:4433"}, nil, "UDP port", Fail, "no such host"},
		{"an admin port that is taken", []string{"admin", web.Addr().String()}, nil, "admin", Fail, "in use"},
		{"an API of our node", []string{"api", web.Addr().String()}, func(in *Input) { in.Status = &control.Status{Ready: true, Version: "v1"} }, "api", OK, "answers"},
		{"little memory", nil, func(in *Input) { in.MemoryLimit = 64 << 20 }, "memory", Warn, " MiB, and there are 64 MiB"},
		{"memory for everything but bodies", nil, func(in *Input) { in.MemoryLimit = 1 << 30 }, "memory", Warn, "and fit, but are "},
		{"no limit on memory", nil, func(in *Input) { in.MemoryLimit = 0 }, "memory", Warn, "all caps together"},
		{"a key from the future", nil, func(in *Input) { future(t, in.Key) }, "clock", Warn, "from the future"},
		{"no such interface", []string{"listen", "192.0.2.1:4433"}, nil, "packet size", Warn, "no interface"},
		{"a peer without a machine", []string{"peer", id + "@unknown.test:4433"}, nil, "peer " + id[:8], Fail, "no such host"},
		{"a peer that is down", []string{"peer", id + "@" + gone.LocalAddr().String()}, nil, "peer " + id[:8], Fail, "nobody listens"},
		{"a peer that is there", []string{"peer", id + "@" + busy.LocalAddr().String()}, nil, "peer " + id[:8], OK, "can be sent to"},
	} {
		in := healthy(t, c.flags...)
		if c.spoil != nil {
			c.spoil(&in)
		}
		l := found(t, in, c.check)
		if runtime.GOOS != "linux" && l.Result == OK {
			continue // some systems do not tell
		}
		if l.Result != c.want || !strings.Contains(l.What, c.what) {
			t.Errorf("%s: %+v", c.name, l)
		}
	}
}

func TestAHandshakeProvesWhoIsThere(t *testing.T) {
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: realrt.New(realrt.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Listen(transport.ListenConfig{}); err != nil {
		t.Fatal(err)
	}
	at := tr.Addr().String()
	in := healthy(t, "peer", ident.String(tr.ID())+"@"+at)
	in.Handshake = true
	if l := found(t, in, "peer "+ident.Short(tr.ID())); l.Result != OK || !strings.Contains(l.What, "shaken hands") {
		t.Errorf("%+v", l)
	}
	// The handshake has a key of its own: only the node knows whether it is let in.
	in.Status = &control.Status{ID: "ours", Ready: true, Version: "v1"}
	if l := found(t, in, "peer "+ident.Short(tr.ID())); l.Result != Warn || !strings.Contains(l.What, "is not connected") {
		t.Errorf("%+v", l)
	}
	in.Status.Pool.Now, in.Status.PeerList = 1, []control.Conn{{ID: ident.String(tr.ID())}}
	if l := found(t, in, "peer "+ident.Short(tr.ID())); l.Result != OK {
		t.Errorf("%+v", l)
	}
	other := ident.Simulated(2, "other")
	in = healthy(t, "peer", ident.String(other)+"@"+at)
	in.Handshake = true
	if l := found(t, in, "peer "+ident.Short(other)); l.Result != Fail || !strings.Contains(l.What, "somebody else answers") {
		t.Errorf("%+v", l)
	}
}

func future(t *testing.T, path string) {
	t.Helper()
	at := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}
