package daemon

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/cmd/maculanode/internal/logs"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport/quic"
)

// look is a host of a node that does not listen.
func look(t *testing.T) *host {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	r := realrt.New(realrt.Config{})
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.New(node.Config{Realm: "org.example.look"}, node.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return newHost(n, r, hostConfig{version: "1.2.3", services: 10})
}

func TestTheTablesOfTheProcessAreInStatusAndMetrics(t *testing.T) {
	h := look(t)
	h.show(func() node.Table { return node.Table{Name: "more of these", Entries: 3, Limit: 5, Peak: 4, Refused: 2} })
	if _, err := h.add("demo.echo", backend.Echo, nil, 0); err != nil {
		t.Fatal(err)
	}
	text, err := h.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`macula_table_entries{table="adverts"} 1`, `macula_table_limit{table="adverts"} 10`,
		`macula_table_entries{table="more_of_these"} 3`, `macula_table_refused_total{table="more_of_these"} 2`,
		`macula_table_entries{table="services"} 1`, `macula_ready 0`, `version="1.2.3"`,
	} {
		if !strings.Contains(string(text), line) {
			t.Errorf("the metrics do not have %s", line)
		}
	}
	s := h.Status()
	if s.Ready || s.NotReady == "" || s.Acting.Clients != s.Clients.Limit || s.Pressure.Level != "normal" {
		t.Errorf("ready %v %q, %+v, %+v", s.Ready, s.NotReady, s.Acting, s.Pressure)
	}
	seen := map[string]int{}
	for _, table := range s.Tables {
		seen[table.Name]++
	}
	if seen["adverts"] != 1 || seen["more of these"] != 1 || seen["pool"] != 1 {
		t.Errorf("tables: %v", seen)
	}
}

func TestAServiceGetsAnotherBackendUntilItHasEnded(t *testing.T) {
	h := look(t)
	var urls []string
	for _, answer := range []string{"one", "two"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(answer)) }))
		defer srv.Close()
		urls = append(urls, srv.URL)
	}
	ad, err := h.Advertise(&control.Request{Name: "a.b", HTTP: urls[0]})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Replace(ad, urls[1]); err != nil {
		t.Fatal(err)
	}
	if got, err := ad.(*advert).serve(t.Context(), &node.Request{Name: "a.b"}); string(got) != "two" {
		t.Errorf("the other backend answers %q, %v", got, err)
	}
	if err := h.Replace(ad, "ftp://h/"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a wrong address: %v", err)
	}
	ad.Withdraw()
	if err := h.Replace(ad, urls[0]); fault.KindOf(err) != fault.NotFound {
		t.Errorf("after the end: %v", err)
	}
	freed := false
	if ad.(*advert).swap(backend.Echo, func() { freed = true }) || !freed {
		t.Error("a backend that came after the end is not freed")
	}
}

func TestAProfileIsForGoToolPprof(t *testing.T) {
	h := look(t)
	for _, name := range profiles {
		if data, err := h.Profile(name); err != nil || !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	if _, err := h.Profile("../heap"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("of no such profile: %v", err)
	}
}

func TestAReloadThatWasRefusedCountsUntilOneIsTaken(t *testing.T) {
	h := look(t)
	var cfg config.Config
	wrong := errors.New("here: a mistake")
	d := &running{node: h.n, host: h, opt: Options{Log: logs.New(io.Discard, logs.Config{}), Names: &hosts.Names{}, Load: func() (config.Config, error) { return cfg, wrong }}}
	flags := []config.Value{{Flag: "realm", Text: []string{"org.example.look"}}}
	var err error
	if cfg, err = config.Load(config.Sources{Dir: t.TempDir(), Env: func(string) string { return "" }, Flags: flags}); err != nil {
		t.Fatal(err)
	}
	d.cfg = cfg
	h.live = newLive(d)
	for _, c := range []struct{ err error }{{nil}, {wrong}, {wrong}, {nil}} {
		wrong = c.err
		if _, err := h.Reload(); (err != nil) != (c.err != nil) {
			t.Fatal(err)
		}
		if got := h.Reloads().Failed; got != (c.err != nil) {
			t.Errorf("after a reload that ended with %v: refused last is %v", c.err, got)
		}
	}
}
