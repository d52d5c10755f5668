package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// The names of the constants of this package, with what the document calls
// them and their values. A constant that is missing here is found by
// TestTheDocumentKnowsEveryConstant.
var (
	kinds = []named{
		{"KindHello", "hello", uint64(wire.KindHello)}, {"KindWelcome", "welcome", uint64(wire.KindWelcome)},
		{"KindGoAway", "goaway", uint64(wire.KindGoAway)}, {"KindGoAwayAck", "goaway-ack", uint64(wire.KindGoAwayAck)},
		{"KindPing", "ping", uint64(wire.KindPing)}, {"KindPong", "pong", uint64(wire.KindPong)},
		{"KindAdvertise", "advertise", uint64(wire.KindAdvertise)}, {"KindWithdraw", "withdraw", uint64(wire.KindWithdraw)},
		{"KindAdvertiseAck", "advertise-ack", uint64(wire.KindAdvertiseAck)},
		{"KindQuery", "query", uint64(wire.KindQuery)}, {"KindAnswer", "answer", uint64(wire.KindAnswer)},
		{"KindElsewhere", "elsewhere", uint64(wire.KindElsewhere)},
		{"KindCall", "call", uint64(wire.KindCall)}, {"KindReply", "reply", uint64(wire.KindReply)},
		{"KindError", "error", uint64(wire.KindError)}, {"KindCancel", "cancel", uint64(wire.KindCancel)},
	}
	streams = []named{
		{"StreamControl", "control", uint64(wire.StreamControl)}, {"StreamCalls", "calls", uint64(wire.StreamCalls)},
		{"StreamCall", "call", uint64(wire.StreamCall)}, {"StreamReply", "reply", uint64(wire.StreamReply)},
	}
	roles = []named{{"RolePeer", "peer", uint64(wire.RolePeer)}, {"RoleClient", "client", uint64(wire.RoleClient)}}
	flags = []named{
		{"FlagIdempotent", "idempotent", uint64(wire.FlagIdempotent)}, {"FlagOneWay", "one-way", uint64(wire.FlagOneWay)},
		{"FlagForwarded", "forwarded", uint64(wire.FlagForwarded)},
	}
	limits = []named{
		{"MaxName", "MaxName", wire.MaxName}, {"MaxRealm", "MaxRealm", wire.MaxRealm}, {"MaxMessage", "MaxMessage", wire.MaxMessage},
		{"MaxListen", "MaxListen", wire.MaxListen}, {"MaxAddr", "MaxAddr", wire.MaxAddr}, {"MaxProviders", "MaxProviders", wire.MaxProviders},
		{"MaxElsewhere", "MaxElsewhere", wire.MaxElsewhere},
		{"MaxSmall", "MaxSmall", wire.MaxSmall}, {"", "MaxBody", uint64(wire.Limits{}.WithDefaults().MaxBody)},
		{"Overhead", "Overhead", wire.Overhead}, {"MaxFrame", "MaxFrame", wire.MaxFrame}, {"MaxControl", "MaxControl", wire.MaxControl},
		{"MaxRefusal", "MaxRefusal", wire.MaxRefusal}, {"MaxBudget", "MaxBudget", uint64(wire.MaxBudget / time.Microsecond)},
		{"MaxRetryAfter", "MaxRetryAfter", uint64(wire.MaxRetryAfter / time.Millisecond)},
		{"MaxTTL", "MaxTTL", uint64(wire.MaxTTL / time.Millisecond)},
	}
)

type named struct {
	constant string // in this package; empty for none
	name     string // in the document
	value    uint64
}

// table is a table of the document: rows by their column titles.
type table []map[string]string

// sections reads docs/PROTOCOL.md into the tables under each heading.
func sections(t *testing.T) map[string][]table {
	t.Helper()
	text, err := os.ReadFile("../../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]table{}
	heading := ""
	var titles []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if after, ok := strings.CutPrefix(line, "#"); ok {
			heading = strings.TrimSpace(strings.TrimLeft(after, "#"))
			out[heading] = nil
		}
		if !strings.HasPrefix(line, "|") {
			titles = nil
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case titles == nil:
			titles = cells
			out[heading] = append(out[heading], nil)
		case strings.HasPrefix(cells[0], "---"):
		case len(cells) != len(titles):
			t.Fatalf("%s: a row with %d cells under %d titles: %s", heading, len(cells), len(titles), line)
		default:
			row := map[string]string{}
			for i, title := range titles {
				row[title] = cells[i]
			}
			tables := out[heading]
			tables[len(tables)-1] = append(tables[len(tables)-1], row)
		}
	}
	return out
}

// first returns the first table under a heading.
func first(t *testing.T, doc map[string][]table, heading string) table {
	t.Helper()
	if len(doc[heading]) == 0 {
		t.Fatalf("docs/PROTOCOL.md has no table under %q", heading)
	}
	return doc[heading][0]
}

// same compares a table of the document with what the code says.
func same(t *testing.T, tab table, number, name string, want []named) {
	t.Helper()
	for i, row := range tab {
		if i >= len(want) {
			t.Errorf("the document has %s, and the code has not", row[name])
			continue
		}
		if got := row[name]; got != want[i].name {
			t.Errorf("row %d is %s in the document and %s in the code", i+1, got, want[i].name)
		}
		if got := row[number]; got != fmt.Sprint(want[i].value) {
			t.Errorf("%s is %s in the document and %d in the code", row[name], got, want[i].value)
		}
	}
	for _, w := range want[min(len(tab), len(want)):] {
		t.Errorf("the code has %s, and the document has not", w.name)
	}
}

func TestTheDocumentHasTheNumbersOfTheCode(t *testing.T) {
	doc := sections(t)
	same(t, first(t, doc, "Streams"), "type", "name", streams)
	same(t, first(t, doc, "Frames"), "kind", "name", kinds)
	same(t, first(t, doc, "Roles"), "number", "name", roles)
	same(t, first(t, doc, "Flags"), "bit", "name", flags)
	same(t, first(t, doc, "Limits"), "value", "limit", limits)
}

func TestTheDocumentHasTheKindsOfFailureOfTheCode(t *testing.T) {
	var want []named
	for k := fault.Kind(0); !strings.HasPrefix(k.String(), "kind "); k++ {
		want = append(want, named{"", k.String(), uint64(k)})
	}
	tab := first(t, sections(t), "Kinds of failure")
	same(t, tab, "number", "name", want)
	for i, row := range tab {
		again := "no"
		if fault.Kind(i).Retryable() {
			again = "yes"
		}
		if got := row["try elsewhere"]; got != again {
			t.Errorf("try elsewhere of %s is %s in the document and %s in the code", row["name"], got, again)
		}
	}
}

func TestTheDocumentHasTheTransportOfTheCode(t *testing.T) {
	c := transport.Config{}.WithDefaults()
	want := map[string]string{
		"ALPN": wire.ALPN, "key exchange": "X25519",
		"handshake timeout": seconds(c.HandshakeTimeout), "idle timeout": seconds(c.IdleTimeout), "keep-alive": seconds(c.KeepAlive),
		"stream window": fmt.Sprint(c.StreamWindow), "connection window": fmt.Sprint(c.ConnWindow), "streams": fmt.Sprint(c.MaxStreams),
	}
	tab := first(t, sections(t), "Transport")
	for _, row := range tab {
		if p := row["parameter"]; row["value"] != want[p] {
			t.Errorf("%s is %s in the document and %s in the code", p, row["value"], want[p])
		}
	}
	if len(tab) != len(want) {
		t.Errorf("the document has %d parameters, the code %d", len(tab), len(want))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", int(d.Seconds())) }

// Whoever adds a constant adds it to the tables above, and then the document
// has to have it.
func TestTheDocumentKnowsEveryConstant(t *testing.T) {
	listed := map[string]bool{}
	for _, list := range [][]named{kinds, streams, roles, flags, limits} {
		for _, n := range list {
			listed[n.constant] = true
		}
	}
	wanted := regexp.MustCompile(`^(Kind|Stream|Role|Flag|Max)[A-Z]|^Overhead$`)
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if !wanted.MatchString(id.Name) {
						continue
					}
					seen++
					if !listed[id.Name] {
						t.Errorf("%s: the constant %s is not compared with docs/PROTOCOL.md: add it to protocol_test.go", file, id.Name)
					}
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d constants were found: does the test look at the right files?", seen)
	}
}

// sample is a frame of the code, and its fields by their names in the
// document.
type sample struct {
	frame  []byte
	fields map[string][]byte
}

func be(size int, v uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, v)[8-size:]
}

func text(s string) []byte { return append([]byte{byte(len(s))}, s...) }

func samples() map[string]sample {
	id := transport.PeerID(bytes.Repeat([]byte{0xAB}, 32))
	addr := netip.MustParseAddrPort("10.1.2.3:4433")
	addrBytes := []byte{4, 10, 1, 2, 3, 0x11, 0x51}
	ttl := 300 * time.Second
	return map[string]sample{
		"hello": {
			wire.AppendHello(nil, &wire.Hello{MinVersion: 1, MaxVersion: 2, Features: 3, Role: wire.RoleClient, Session: 5, MaxCalls: 6, Realm: "org.x", Listen: []string{"a:1", "bb:2"}}),
			map[string][]byte{
				"min version": be(2, 1), "max version": be(2, 2), "features": be(8, 3), "role": be(1, 2), "session": be(8, 5),
				"max calls": be(4, 6), "realm": text("org.x"), "listen count": be(1, 2), "listen": append(text("a:1"), text("bb:2")...),
			},
		},
		"welcome": {
			wire.AppendWelcome(nil, &wire.Welcome{Version: 1, Features: 2, Session: 3, MaxCalls: 4}),
			map[string][]byte{"version": be(2, 1), "features": be(8, 2), "session": be(8, 3), "max calls": be(4, 4)},
		},
		"goaway": {
			wire.AppendGoAway(nil, &wire.GoAway{LastCall: 9, Kind: fault.Draining, RetryAfter: 1500 * time.Millisecond}),
			map[string][]byte{"last call": be(8, 9), "kind": be(2, 10), "retry after": be(4, 1500)},
		},
		"goaway-ack": {wire.AppendGoAwayAck(nil), nil},
		"ping":       {wire.AppendPing(nil, 7), map[string][]byte{"id": be(8, 7)}},
		"pong":       {wire.AppendPong(nil, 7), map[string][]byte{"id": be(8, 7)}},
		"advertise": {
			wire.AppendAdvertise(nil, &wire.Advertise{Name: "a.b", Provider: id, Version: 2, TTL: ttl, Hops: 1, Addr: addr}),
			map[string][]byte{"name": text("a.b"), "provider": id[:], "version": be(8, 2), "ttl": be(4, 300_000), "hops": be(1, 1), "address": addrBytes},
		},
		"withdraw": {
			wire.AppendWithdraw(nil, &wire.Withdraw{Name: "a.b", Provider: id, Version: 3}),
			map[string][]byte{"name": text("a.b"), "provider": id[:], "version": be(8, 3)},
		},
		"advertise-ack": {
			wire.AppendAdvertiseAck(nil, &wire.AdvertiseAck{Name: "a.b", Version: 2, Kind: fault.Overload, RetryAfter: time.Second}),
			map[string][]byte{"name": text("a.b"), "version": be(8, 2), "kind": be(2, 2), "retry after": be(4, 1000)},
		},
		"query": {
			wire.AppendQuery(nil, &wire.Query{ID: 4, Name: "a.b"}),
			map[string][]byte{"id": be(4, 4), "name": text("a.b")},
		},
		"answer": {
			wire.AppendAnswer(nil, &wire.Answer{ID: 4, Name: "a.b", Found: []wire.Provider{{ID: id, Version: 2, TTL: ttl, Hops: 1, Addr: addr}}}),
			map[string][]byte{
				"id": be(4, 4), "name": text("a.b"), "count": be(1, 1), "providers": nil, // the entry follows in its own table
				"provider": id[:], "version": be(8, 2), "ttl": be(4, 300_000), "hops": be(1, 1), "address": addrBytes,
			},
		},
		"elsewhere": {
			wire.AppendElsewhere(nil, &wire.Elsewhere{Gateways: []wire.Gateway{{ID: id, Addr: addr}}}),
			map[string][]byte{"count": be(1, 1), "gateways": nil, "gateway": id[:], "address": addrBytes},
		},
		"call": {
			wire.AppendCall(nil, &wire.Call{ID: 1, Flags: wire.FlagForwarded, Hops: 2, Budget: 5 * time.Second, Caller: id, Name: "a.b", Body: []byte("body")}),
			map[string][]byte{
				"id": be(8, 1), "flags": be(1, 4), "hops": be(1, 2), "budget": be(8, 5_000_000), "caller": id[:], "name": text("a.b"), "body": []byte("body"),
			},
		},
		"reply": {wire.AppendReply(nil, 1, []byte("body")), map[string][]byte{"id": be(8, 1), "body": []byte("body")}},
		"error": {
			wire.AppendError(nil, &wire.Error{ID: 1, Kind: fault.Overload, RetryAfter: time.Second, Executed: true, Message: "full"}),
			map[string][]byte{"id": be(8, 1), "kind": be(2, 2), "retry after": be(4, 1000), "flags": be(1, 1), "message": text("full")},
		},
		"cancel": {wire.AppendCancel(nil, 1, fault.Cancelled), map[string][]byte{"id": be(8, 1), "kind": be(2, 5)}},
	}
}

// Each frame is put together from the rows of the document, in their order,
// and has to be what the code writes.
func TestTheDocumentHasTheFieldsOfTheCode(t *testing.T) {
	doc, all := sections(t), samples()
	for _, k := range kinds {
		heading := fmt.Sprintf("%s (%d)", k.name, k.value)
		if _, ok := doc[heading]; !ok {
			t.Errorf("the document has no section %q", heading)
			continue
		}
		s := all[k.name]
		payload := []byte{byte(k.value)}
		for _, tab := range doc[heading] {
			for _, row := range tab {
				field, ok := s.fields[row["field"]]
				if !ok {
					t.Errorf("%s: the test knows no field %q", k.name, row["field"])
				}
				if why := fits(row["size"], field); why != "" {
					t.Errorf("%s: the field %q %s", k.name, row["field"], why)
				}
				payload = append(payload, field...)
			}
		}
		want := append(be(4, uint64(len(payload))), payload...)
		if !bytes.Equal(s.frame, want) {
			t.Errorf("%s: the code writes\n%x\nand the document makes it\n%x", k.name, s.frame, want)
		}
	}
}

// fits says what is wrong with the size of a field, or nothing.
func fits(size string, field []byte) string {
	switch n, err := strconv.Atoi(size); {
	case err == nil && n != len(field):
		return fmt.Sprintf("has %d bytes in the document and %d in the code", n, len(field))
	case err != nil && !slices.Contains([]string{"1 + n", "n", "0 or 32"}, size):
		return fmt.Sprintf("has the size %q, which the test does not know", size)
	}
	return ""
}

func TestTheExamplesOfTheDocumentAreTrue(t *testing.T) {
	seed, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	id, err := ident.FromPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ what, value string }{
		{"private seed", hex.EncodeToString(seed)},
		{"public key", hex.EncodeToString(key)},
		{"id", hex.EncodeToString(id[:])},
		{"printed id", ident.String(id)},
		{"ping 7", hex.EncodeToString(wire.AppendPing(nil, 7))},
		{"call 1 of `demo.echo`, 5 s, body `hi`", hex.EncodeToString(wire.AppendCall(nil, &wire.Call{ID: 1, Budget: 5 * time.Second, Name: "demo.echo", Body: []byte("hi")}))},
		{"its reply", hex.EncodeToString(wire.AppendReply(nil, 1, []byte("hi")))},
	}
	tab := first(t, sections(t), "Examples")
	if len(tab) != len(want) {
		t.Fatalf("the document has %d examples, the test %d", len(tab), len(want))
	}
	for i, row := range tab {
		if row["what"] != want[i].what || row["value"] != want[i].value {
			t.Errorf("the document has\n%s: %s\nand the code\n%s: %s", row["what"], row["value"], want[i].what, want[i].value)
		}
	}
}

func TestTheReasonsOfTheDocumentAreTrue(t *testing.T) {
	tab := first(t, sections(t), "Close codes")
	for _, row := range tab {
		code, err := strconv.ParseUint(row["code"], 10, 64)
		reason := strings.Trim(row["reason"], "`")
		if err != nil {
			t.Fatal(err)
		}
		e := wire.ParseRefusal(transport.Code(code), reason)
		if got := wire.EncodeRefusal(e.Kind, e.RetryAfter, e.Detail); got != reason || uint64(wire.CloseCode(e.Kind)) != code {
			t.Errorf("code %d with %q is read as %v and written as %q", code, reason, e.Kind, got)
		}
	}
	if len(tab) < 3 {
		t.Errorf("only %d reasons", len(tab))
	}
}
