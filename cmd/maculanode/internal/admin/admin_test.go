package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// world is a served node and a client of it.
type world struct {
	t      *testing.T
	node   *fake
	server *Server
	url    string
	client *http.Client
}

func serve(t *testing.T, f *fake, cfg Config) *world {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, node: f, server: Serve(lis, f, cfg), url: "http://" + lis.Addr().String()}
	w.client = &http.Client{
		Transport: &http.Transport{}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		w.server.Close()
	})
	return w
}

func (w *world) ask(method, path string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(data)
}

func (w *world) get(path string) (int, string) {
	w.t.Helper()
	resp, body := w.ask("GET", path)
	return resp.StatusCode, body
}

func TestEveryPathAnswersAndNothingCanBeChanged(t *testing.T) {
	w := serve(t, busy(), Config{Gatherer: prometheus.NewRegistry()})
	for _, path := range []string{
		"/", "/page.css", "/page.js", "/healthz", "/readyz", "/statusz", "/connz", "/clientz", "/servicez", "/callz", "/ledgerz", "/configz",
		"/metrics", "/debug/invariants", "/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline",
	} {
		resp, body := w.ask("GET", path)
		if resp.StatusCode != 200 || resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("%s: %d %.100s", path, resp.StatusCode, body)
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
			if resp, _ := w.ask(method, path); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
		}
	}
	if code, _ := w.get("/elsewhere"); code != 404 {
		t.Errorf("a path that there is not: %d", code)
	}
}

func TestReadinessSaysInOneLineWhyNot(t *testing.T) {
	w := serve(t, &fake{why: "joining:\n2 peers"}, Config{Token: func() string { return "s3cret" }})
	if code, body := w.get("/readyz"); code != 503 || !strings.HasPrefix(body, "not ready: joining:") || strings.Count(body, "\n") != 1 {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := w.get("/healthz"); code != 200 {
		t.Errorf("a node that is not ready lives: %d", code)
	}
	w.node.set(func(f *fake) { f.why = "" })
	if code, body := w.get("/readyz"); code != 200 || body != "ready\n" {
		t.Errorf("%d %q", code, body)
	}
}

func TestARecountSaysWhatIsWrongAndRunsOnceAtATime(t *testing.T) {
	f := &fake{begun: make(chan struct{}), goOn: make(chan struct{})}
	w := serve(t, f, Config{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if code, body := w.get("/debug/invariants"); code != 200 || !strings.HasPrefix(body, "ok") {
			t.Errorf("%d %q", code, body)
		}
	}()
	<-f.begun
	if code, _ := w.get("/debug/invariants"); code != 503 {
		t.Errorf("a second one: %d", code)
	}
	close(f.goOn)
	<-done
	f.begun, f.wrong = nil, errors.New("ledger: the peer counts 2 leases, there are 1")
	if code, body := w.get("/debug/invariants"); code != 500 || !strings.Contains(body, "counts 2 leases") {
		t.Errorf("%d %q", code, body)
	}
	if f.audits != 2 {
		t.Errorf("%d recounts", f.audits)
	}
}

func TestListsAreSortedAndCut(t *testing.T) {
	w := serve(t, busy(), Config{})
	var conns list[control.Conn]
	_, body := w.ask("GET", "/connz?limit=3&sort=asked")
	if err := json.Unmarshal([]byte(body), &conns); err != nil || conns.Total != 41 || conns.Shown != 3 || len(conns.List) != 3 || conns.List[0].Asked != 40*1700 || conns.List[2].Asked != 38*1700 {
		t.Errorf("%v %+v", err, conns)
	}
	if _, body := w.ask("GET", "/clientz?limit=1"); !strings.Contains(body, `"total": 2310`) {
		t.Errorf("those that the status does not list are not counted: %s", body)
	}
	var calls list[control.Call]
	_, body = w.ask("GET", "/callz?sort=bytes&limit=1")
	if err := json.Unmarshal([]byte(body), &calls); err != nil || len(calls.List) != 1 || calls.List[0].Bytes != 69*1200 {
		t.Errorf("%v %+v", err, calls)
	}
	var ledger struct {
		Classes []control.Class
		Holders []control.Holder
	}
	_, body = w.ask("GET", "/ledgerz?sort=leases&limit=2")
	if err := json.Unmarshal([]byte(body), &ledger); err != nil || len(ledger.Classes) != 5 || len(ledger.Holders) != 2 || ledger.Holders[0].Leases != 900 {
		t.Errorf("%v %+v", err, ledger)
	}
	for _, q := range []string{"limit=0", "limit=-1", "limit=1001", "limit=x", "sort=x", "sort=id&limit=1e3"} {
		if code, body := w.get("/connz?" + q); code != 400 || strings.Count(body, "\n") != 1 {
			t.Errorf("%s: %d %q", q, code, body)
		}
	}
	if _, body := serve(t, &fake{}, Config{}).ask("GET", "/connz"); !strings.Contains(body, `"list": []`) {
		t.Errorf("an empty list is %s", body)
	}
}

func TestWithoutATokenAReboundNameIsRefused(t *testing.T) {
	w := serve(t, busy(), Config{})
	for host, want := range map[string]int{"localhost:1": 200, "127.0.0.1": 200, "[::1]:4434": 200, "evil.example": 403, "127.0.0.1.evil.example:4434": 403, "0.0.0.0": 403} {
		if resp, _ := w.ask("GET", "/statusz", "Host", host); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, resp.StatusCode, want)
		}
		if resp, _ := w.ask("GET", "/healthz", "Host", host); resp.StatusCode != 200 {
			t.Errorf("health under %s: %d", host, resp.StatusCode)
		}
	}
	if resp, _ := w.ask("GET", "/debug/invariants", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"); resp.StatusCode != 403 || w.node.audits != 0 {
		t.Errorf("an image of another site made the node recount: %d", resp.StatusCode)
	}
}

func TestATokenIsNeededAndABrowserGetsACookieForIt(t *testing.T) {
	var token atomic.Value
	token.Store("s3cret")
	w := serve(t, busy(), Config{Token: func() string { return token.Load().(string) }, Refresh: time.Millisecond})
	for given, want := range map[string]int{"Bearer s3cret": 200, "Bearer s3cre": 401, "": 401} {
		if resp, body := w.ask("GET", "/statusz", "Authorization", given); resp.StatusCode != want || want == 401 && strings.Contains(body, selfID) {
			t.Errorf("%q: %d", given, resp.StatusCode)
		}
	}
	for _, path := range []string{"/", "/?token=wrong", "/?token=", "/events", "/metrics", "/debug/pprof/", "/statusz?token=s3cret"} {
		if resp, _ := w.ask("GET", path); resp.StatusCode != 401 || len(resp.Cookies()) != 0 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	resp, _ := w.ask("GET", "/?token=s3cret")
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/" || len(resp.Cookies()) != 1 {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	c := resp.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, "s3cret") {
		t.Errorf("the cookie is %v", c)
	}
	if resp, _ := w.ask("GET", "/", "Cookie", c.Name+"="+c.Value, "Host", "node.example"); resp.StatusCode != 200 {
		t.Errorf("with the cookie: %d", resp.StatusCode)
	}
	if resp, _ := w.ask("GET", "/", "Cookie", c.Name+"=s3cret"); resp.StatusCode != 401 {
		t.Errorf("with the token as the cookie: %d", resp.StatusCode)
	}
	token.Store("another")
	if resp, _ := w.ask("GET", "/", "Cookie", c.Name+"="+c.Value); resp.StatusCode != 401 {
		t.Errorf("with the cookie of a token that was changed: %d", resp.StatusCode)
	}
	for given, want := range map[string]int{"Bearer s3cret": 401, "Bearer another": 200} {
		if resp, _ := w.ask("GET", "/statusz", "Authorization", given); resp.StatusCode != want {
			t.Errorf("%q after the change: %d", given, resp.StatusCode)
		}
	}
}

func TestThePageIsWholeAndEscapesWhatOthersSay(t *testing.T) {
	_, body := serve(t, busy(), Config{}).ask("GET", "/")
	for _, want := range []string{selfID, "elevated", "example.net", `aria-label="Peers`, "demo.echo", "&lt;img src=x", "20 of 70, the oldest first"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	for _, not := range []string{"<img", "<no value>", "NaN", "style=", "onclick"} {
		if strings.Contains(body, not) {
			t.Errorf("%q is in the page", not)
		}
	}
	if n := strings.Count(body, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
}

func TestAPageIsToldWhatHasChangedAndOnlyThat(t *testing.T) {
	w := serve(t, busy(), Config{Refresh: 5 * time.Millisecond})
	resp, err := w.client.Get(w.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v", resp.Header)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	next := func() string {
		for in.Scan() {
			if name, ok := strings.CutPrefix(in.Text(), "event: "); ok && name == "part" && in.Scan() {
				return strings.TrimPrefix(in.Text(), "data: ")
			}
		}
		t.Fatal("the stream has ended")
		return ""
	}
	for _, want := range fragments {
		if got := next(); got != want {
			t.Errorf("%q came first, want %q", got, want)
		}
	}
	w.node.set(func(f *fake) { f.status.PeerList = f.status.PeerList[:1] })
	if got := next(); got != "peers" {
		t.Errorf("after a change of the peers, %q came", got)
	}
}

func TestStreamsHaveALimitAndEndWithTheServer(t *testing.T) {
	w := serve(t, &fake{}, Config{Streams: 1, Refresh: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", w.url+"/events", nil)
	first, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := w.get("/events"); code != 503 {
		t.Errorf("one too many: %d", code)
	}
	cancel()
	first.Body.Close()
	var second *http.Response
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if second, err = w.client.Get(w.url + "/events"); err != nil {
			t.Fatal(err)
		}
		if second.StatusCode == 200 {
			break
		}
		second.Body.Close()
	}
	defer second.Body.Close()
	if second.StatusCode != 200 {
		t.Fatal("the place of a page that was closed does not come back")
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		io.Copy(io.Discard, second.Body)
	}()
	w.server.door.Close()
	<-closed
}

func TestProfilesAreBoundedInTime(t *testing.T) {
	w := serve(t, &fake{}, Config{})
	for _, s := range []string{"0", "61", "-1", "x", "1e1"} {
		if code, _ := w.get("/debug/pprof/profile?seconds=" + s); code != 400 {
			t.Errorf("seconds=%s: %d", s, code)
		}
	}
}
