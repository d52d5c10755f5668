package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
)

func TestACallTakesABodyAndGivesTheReply(t *testing.T) {
	var got control.Request
	w := serve(t, &fake{call: func(_ context.Context, req *control.Request) ([]byte, error) {
		got = *req
		return append([]byte("re: "), req.Body...), nil
	}}, Config{})
	resp, body := w.ask("POST", "/v1/call/a.b/c", "h\x00i", headerTimeout, "1500", headerIdempotent, "true")
	if resp.StatusCode != 200 || body != "re: h\x00i" || resp.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if got.Name != "a.b/c" || got.Timeout != 1500*time.Millisecond || !got.Idempotent || string(got.Body) != "h\x00i" {
		t.Errorf("the node was asked %+v", got)
	}
	if _, _ = w.ask("POST", "/v1/call/a.b%2Fd", ""); got.Name != "a.b/d" {
		t.Errorf("a slash in the name: %q", got.Name)
	}
}

func TestEveryKindOfErrorHasItsStatusAndSaysWhatItIs(t *testing.T) {
	var err error
	w := serve(t, &fake{call: func(context.Context, *control.Request) ([]byte, error) { return nil, err }}, Config{})
	for kind, status := range map[fault.Kind]int{
		fault.Other: 500, fault.Internal: 500, fault.Overload: 503, fault.NotFound: 404, fault.Deadline: 504, fault.Cancelled: 503, fault.CallerGone: 503,
		fault.Unauthorized: 403, fault.RealmMismatch: 403, fault.TooLarge: 413, fault.Draining: 503, fault.HopLimit: 502, fault.Unreachable: 502,
		fault.Protocol: 502, fault.Superseded: 503, fault.Version: 502, fault.Invalid: 400, fault.Application: 502, 999: 500,
	} {
		err = &fault.Error{Op: "rpc.Call", Kind: kind, Detail: "text of\nsomebody \x1b[31melse", RetryAfter: 1200 * time.Millisecond}
		resp, body := w.ask("POST", "/v1/call/x", "")
		var f failure
		if e := json.Unmarshal([]byte(body), &f); e != nil {
			t.Fatalf("%v: %q: %v", kind, body, e)
		}
		if resp.StatusCode != status || f.Code != uint16(kind) || f.Kind != kind.String() || f.RetryAfter != 1200 || strings.ContainsAny(f.Error, "\n\x1b") {
			t.Errorf("%v: %d %q", kind, resp.StatusCode, body)
		}
		if want := map[bool]string{true: "2"}[status == 503]; resp.Header.Get("Retry-After") != want {
			t.Errorf("%v: Retry-After is %q, want %q", kind, resp.Header.Get("Retry-After"), want)
		}
	}
}

func TestACallEndsWithItsClient(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	w := serve(t, &fake{call: func(ctx context.Context, _ *control.Request) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}, Config{BodyTime: time.Nanosecond * 1e8}) // a deadline of the body that passes must not end it
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "POST", w.url+"/v1/call/x", strings.NewReader("body"))
	r.Header = w.header
	out := make(chan error, 1)
	go func() {
		_, err := w.client.Do(r)
		out <- err
	}()
	<-begun
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	<-out
}

func TestTheServerEndsCallsWhenItCloses(t *testing.T) {
	begun := make(chan struct{})
	w := serve(t, &fake{call: func(ctx context.Context, _ *control.Request) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	}}, Config{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, _ := http.NewRequest("POST", w.url+"/v1/call/x", nil)
		r.Header = w.header
		if resp, err := w.client.Do(r); err == nil {
			resp.Body.Close()
		}
	}()
	<-begun
	w.server.Close()
	<-done
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
	w := serve(t, &fake{call: func(_ context.Context, req *control.Request) ([]byte, error) { return []byte("ok"), nil }}, Config{})
	if resp, body := w.ask("POST", "/v1/call/x", strings.Repeat("x", control.MaxBody)); resp.StatusCode != 200 {
		t.Errorf("the largest body: %d %s", resp.StatusCode, body)
	}
	if resp, body := w.ask("PUT", "/v1/services/x", strings.Repeat("x", maxRegistration+1)); resp.StatusCode != 413 || !strings.Contains(body, `"too large"`) {
		t.Errorf("a large registration: %d %s", resp.StatusCode, body)
	}
	// Of a body without a length, no more than the limit is read.
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/call/x HTTP/1.1\r\nHost: localhost\r\nMacula-Api: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
	go func() {
		for range 40 {
			if _, err := io.WriteString(conn, "10000\r\n"+strings.Repeat("x", 0x10000)+"\r\n"); err != nil {
				return
			}
		}
	}()
	head := make([]byte, 12)
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 413" {
		t.Errorf("%q %v", head, err)
	}
}

func TestTheBodyOfARefusedRequestIsNotWaitedFor(t *testing.T) {
	w := serve(t, &fake{}, Config{BodyTime: time.Hour, Token: func() string { return strings.Repeat("t", 16) }})
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(conn, "POST /v1/call/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 401 ") {
		t.Errorf("%q, %v", answer, err)
	}
}

func TestABackendIsRegisteredReplacedAndWithdrawn(t *testing.T) {
	one := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("one " + r.Header.Get("Macula-Service")))
	}))
	defer one.Close()
	two := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("two")) }))
	defer two.Close()
	w := serve(t, &fake{}, Config{})
	put := func(url string) (int, string) {
		resp, body := w.ask("PUT", "/v1/services/demo.greet", `{"url": "`+url+`", "ttl": "60s"}`)
		return resp.StatusCode, body
	}
	expect := func(want string) {
		t.Helper()
		if _, body := w.ask("POST", "/v1/call/demo.greet", "x"); !strings.HasPrefix(body, want) {
			t.Errorf("a call answers %q, want %q", body, want)
		}
	}
	if code, body := put(one.URL); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	expect("one demo.greet")
	if code, _ := put(one.URL); code != 200 {
		t.Errorf("the same again: %d", code)
	}
	if _, made := w.node.count(); made != 1 {
		t.Errorf("the same again was advertised again")
	}
	if code, _ := put("ftp://x/"); code != 400 {
		t.Errorf("a wrong address: %d", code)
	}
	expect("one") // and what was there is still there
	if code, _ := put(two.URL); code != 200 {
		t.Errorf("another: %d", code)
	}
	expect("two")
	if _, made := w.node.count(); made != 1 {
		t.Error("another server took the place of the first, and the service was gone for a moment")
	}
	if resp, body := w.ask("GET", "/v1/services/demo.greet", ""); resp.StatusCode != 200 || !strings.Contains(body, `"total":1`) {
		t.Errorf("lookup: %d %s", resp.StatusCode, body)
	}
	if resp, _ := w.ask("DELETE", "/v1/services/demo.greet", ""); resp.StatusCode != 204 {
		t.Errorf("DELETE: %d", resp.StatusCode)
	}
	expect(`{"error":`)
	for _, method := range []string{"DELETE", "GET"} {
		if resp, _ := w.ask(method, "/v1/services/demo.greet", ""); resp.StatusCode != 404 {
			t.Errorf("%s of what is gone: %d", method, resp.StatusCode)
		}
	}
	if code, _ := put(one.URL); code != 201 {
		t.Errorf("after it was withdrawn: %d", code)
	}
	if resp, _ := w.ask("PUT", "/v1/services/taken", `{"url": "`+one.URL+`"}`); resp.StatusCode != 400 {
		t.Errorf("a service of somebody else: %d", resp.StatusCode)
	}
}

func TestARegistrationHasToBeRight(t *testing.T) {
	w := serve(t, &fake{}, Config{})
	for _, body := range []string{"", "{}", "[]", `{"url": ""}`, `{"url": "http://h/", "x": 1}`, `{"url": "http://h/"} {}`, `{"url": "http://h/", "ttl": "soon"}`, `{"url": "http://h/", "ttl": "-1s"}`, `{"url": "file:///etc/passwd"}`} {
		if resp, got := w.ask("PUT", "/v1/services/x", body); resp.StatusCode != 400 || !strings.Contains(got, `"invalid"`) {
			t.Errorf("%q: %d %s", body, resp.StatusCode, got)
		}
	}
	if n, made := w.node.count(); n+made != 0 {
		t.Errorf("%d services", n)
	}
}

func TestWithoutATokenOnlyProgramsOfThisMachineAreAnswered(t *testing.T) {
	w := serve(t, &fake{}, Config{})
	for _, c := range []struct {
		name   string
		header []string
		status int
	}{
		{"as it should be", nil, 200},
		{"localhost", []string{"Host", "localhost:4435"}, 200},
		{"a page of the web", []string{headerAPI, ""}, 403},
		{"a name that was rebound", []string{"Host", "evil.example:4435"}, 403},
		{"a name like an address", []string{"Host", "127.0.0.1.evil.example"}, 403},
	} {
		if resp, body := w.ask("GET", "/v1/status", "", c.header...); resp.StatusCode != c.status {
			t.Errorf("%s: %d %s", c.name, resp.StatusCode, body)
		}
	}
	// A page may send a simple POST without asking first; it must not be a call.
	if resp, _ := w.ask("POST", "/v1/call/x", "x", headerAPI, "", "Origin", "https://evil.example", "Content-Type", "text/plain"); resp.StatusCode != 403 {
		t.Errorf("a call from a page: %d", resp.StatusCode)
	}
	u := serveUnix(t, &fake{})
	if resp, body := u.ask("GET", "/v1/status", ""); resp.StatusCode != 200 {
		t.Errorf("over a socket: %d %s", resp.StatusCode, body)
	}
}

func TestATokenIsNeededWhenThereIsOne(t *testing.T) {
	w := serve(t, &fake{}, Config{Token: func() string { return "s3cret" }})
	for given, status := range map[string]int{"Bearer s3cret": 200, "bearer s3cret": 200, "Bearer s3cre": 401, "Bearer s3crets": 401, "Bearer": 401, "": 401, "Basic s3cret": 401} {
		if resp, _ := w.ask("GET", "/v1/status", "", "Authorization", given, headerAPI, "1"); resp.StatusCode != status {
			t.Errorf("%q: %d, want %d", given, resp.StatusCode, status)
		}
	}
}

func TestWhatIsTooMuchIsToldToComeAgain(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	w := serve(t, &fake{call: func(context.Context, *control.Request) ([]byte, error) {
		begun <- struct{}{}
		<-goOn
		return nil, nil
	}}, Config{Requests: 1})
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ask("POST", "/v1/call/x", "")
	}()
	<-begun
	resp, body := w.ask("GET", "/v1/status", "")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, `"overload"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	close(goOn)
	<-done
	if resp, _ := w.ask("GET", "/v1/status", ""); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

func TestWhatThereIsNotIsSaidInJSON(t *testing.T) {
	w := serve(t, &fake{}, Config{})
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"GET", "/", "", 404}, {"GET", "/v2/status", "", 404}, {"GET", "/v1/call/x", "POST", 405}, {"POST", "/v1/services/x", "GET, PUT, DELETE", 405}, {"PATCH", "/v1/status", "GET", 405},
	} {
		resp, body := w.ask(c.method, c.path, "")
		var f failure
		if err := json.Unmarshal([]byte(body), &f); err != nil || resp.StatusCode != c.status || resp.Header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %q, Allow %q", c.method, c.path, resp.StatusCode, body, resp.Header.Get("Allow"))
		}
	}
}

func TestTheDocumentDescribesEveryRouteAndNoOther(t *testing.T) {
	kept, err := os.ReadFile("../../../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, document) {
		t.Error("openapi.yaml of the package is not docs/openapi.yaml: copy it")
	}
	var doc struct {
		OpenAPI    string `yaml:"openapi"`
		Paths      map[string]map[string]any
		Components map[string]map[string]any
	}
	if err := yaml.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("openapi: %q", doc.OpenAPI)
	}
	described := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			described[strings.ToUpper(method)+" "+path] = true
			if o, ok := op.(map[string]any); !ok || o["operationId"] == nil || o["summary"] == nil || o["responses"] == nil {
				t.Errorf("%s %s lacks an operationId, a summary or responses", method, path)
			}
		}
	}
	for _, r := range (&Server{}).routes() {
		key := r.method + " " + strings.ReplaceAll(r.path, "...}", "}")
		if !described[key] {
			t.Errorf("%s is not described", key)
		}
		delete(described, key)
	}
	for key := range described {
		t.Errorf("%s is described and not there", key)
	}
	// Every reference leads somewhere.
	for line := range strings.Lines(string(document)) {
		if _, rest, ok := strings.Cut(line, `"#/components/`); ok {
			kind, name, _ := strings.Cut(strings.SplitN(rest, `"`, 2)[0], "/")
			if doc.Components[kind][name] == nil {
				t.Errorf("there is no %s/%s", kind, name)
			}
		}
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	w := serve(t, &fake{}, Config{})
	if resp, body := w.ask("GET", "/v1/openapi.yaml", ""); resp.StatusCode != 200 || body != string(document) {
		t.Errorf("%d, %d bytes", resp.StatusCode, len(body))
	}
}
