package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// logged is what a node has written, a line for each.
func logged(t *testing.T, log *bytes.Buffer) (lines []map[string]any) {
	t.Helper()
	for _, text := range bytes.Split(bytes.TrimSpace(log.Bytes()), []byte("\n")) {
		var l map[string]any
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatalf("not a line of JSON: %q", text)
		}
		lines = append(lines, l)
	}
	return lines
}

// find returns the lines with a message.
func find(lines []map[string]any, msg string) (found []map[string]any) {
	for _, l := range lines {
		if l["msg"] == msg {
			found = append(found, l)
		}
	}
	return found
}

func TestEveryEventOfALifeIsOneLineWithItsReason(t *testing.T) {
	var log bytes.Buffer
	s := newStopStage(t)
	other := s.run("other", "--drain-timeout", "5s")
	s.log = &log
	n := s.run("n", "--log-format", "json", "--log-level", "debug", "--cleanup-interval", "100ms", "--peer", at(other), "--drain-timeout", "5s")
	s.eventually(n, `"pool":{"now":1,`)
	s.do(n, "call", "nobody", "--data", "x") // is remembered for a second, and then cleaned up
	s.log = nil
	guest := s.node("guest")
	s.do(guest, "call", "nobody", "--data", "x", "--via", at(n))
	s.eventually(n, `"left":1`)
	cleaned := time.Now().Add(patience)
	for s.status(n).Cleanup.Removed == 0 && time.Now().Before(cleaned) {
		time.Sleep(50 * time.Millisecond)
	}
	for _, verb := range []string{"reload", "drain"} {
		if _, err := s.do(n, verb); err != nil {
			t.Error(err)
		}
	}
	s.stop(n)
	s.stop(other)
	lines := logged(t, &log)
	for msg, key := range map[string]string{
		"listening": "addr", "peer up": "peer", "peer down": "reason", "client attached": "client", "client left": "reason",
		"configuration reloaded": "changed", "draining": "reason", "drained": "left", "stopping": "within", "stopped": "took", "closed": "leases",
	} {
		found := find(lines, msg)
		if len(found) != 1 {
			t.Errorf("%q: %d lines: %v", msg, len(found), found)
			continue
		}
		if v, ok := found[0][key]; key != "" && (!ok || v == "" || v == nil) {
			t.Errorf("%q has no %s: %v", msg, key, found[0])
		}
		if found[0]["level"] != "INFO" {
			t.Errorf("%q is at level %v", msg, found[0]["level"])
		}
	}
	levels := map[any]int{}
	for _, l := range find(lines, "cleanup") {
		levels[l["level"]]++
		if removed, ok := l["removed"].(float64); !ok || (removed > 0) != (l["level"] == "INFO") {
			t.Errorf("a cleanup at the wrong level: %v", l)
		}
	}
	if levels["INFO"] == 0 || levels["DEBUG"] == 0 {
		t.Errorf("cleanups by level: %v", levels)
	}
}

// nodeStatus is what these tests look at of it.
type nodeStatus struct{ Cleanup struct{ Removed int } }

func (s *stopStage) status(p interface {
	Status(context.Context, any) error
}) (st nodeStatus) {
	s.t.Helper()
	if err := p.Status(s.ctx, &st); err != nil {
		s.t.Fatal(err)
	}
	return st
}

func TestRefusedStrangersCannotFillTheLog(t *testing.T) {
	const again, strangers, most = 30, 250, 200
	var log bytes.Buffer
	s := newStopStage(t)
	s.log = &log
	n := s.node("n")
	if err := n.Start(s.ctx, "--log-format", "json", "--drain-timeout", drainFor); err != nil {
		t.Fatal(err)
	}
	gate, err := ident.Parse(n.ID)
	if err != nil {
		t.Fatal(err)
	}
	one := newKey(t)
	for range again {
		comeAsPeer(t, s.ctx, one, gate, netip.MustParseAddrPort(n.Addr))
	}
	for range strangers {
		comeAsPeer(t, s.ctx, newKey(t), gate, netip.MustParseAddrPort(n.Addr))
	}
	s.stop(n)
	refused := find(logged(t, &log), "not allowed as a peer")
	by := map[any]int{}
	for _, l := range refused {
		by[l["peer"]]++
	}
	if len(refused) == 0 || len(refused) > most {
		t.Errorf("%d lines for %d refusals, the limit is %d", len(refused), again+strangers, most)
	}
	for peer, lines := range by {
		if lines != 1 {
			t.Errorf("%d lines about %v", lines, peer)
		}
	}
}

func newKey(t *testing.T) ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// comeAsPeer is a node that is in nobody's list.
func comeAsPeer(t *testing.T, ctx context.Context, key ed25519.PrivateKey, to transport.PeerID, at transport.Addr) {
	t.Helper()
	r := realrt.New(realrt.Config{})
	log := slog.New(slog.DiscardHandler)
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	cfg := link.Config{Self: tr.ID(), Realm: stopRealm}.WithDefaults()
	_, err = link.Dial(ctx, link.Deps{Runtime: r, Ledger: ledger.New(ledger.Config{}), Log: log}, cfg, tr, at, to, wire.RolePeer)
	if fault.KindOf(err) != fault.Unauthorized {
		t.Fatalf("a stranger got %v", err)
	}
}
