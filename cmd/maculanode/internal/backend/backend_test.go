package backend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, lim Limits, h http.HandlerFunc) *HTTP {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	b, err := NewHTTP(srv.URL+"/path", lim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestACallIsAPostAndItsAnswerTheReply(t *testing.T) {
	b := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/path" || r.Header.Get(HeaderService) != "a.b" || len(r.Header.Get(HeaderCaller)) != 56 || r.Header.Get(HeaderTimeout) == "" || r.Header.Get(HeaderIdempotent) != "true" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		w.WriteHeader(http.StatusCreated)
		w.Write(bytes.ToUpper(body))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := b.Handle(ctx, &node.Request{Name: "a.b", Body: []byte("hello"), Idempotent: true})
	if err != nil || string(got) != "HELLO" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWhatIsNotAReplyIsAnErrorOfItsKind(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   fault.Kind
		want   string
		after  time.Duration
	}{
		{404, fault.Application, "404 Not Found: no such thing", 0},
		{302, fault.Application, "302 Found", 0},
		{503, fault.Overload, "503", 7 * time.Second},
		{429, fault.Overload, "429", 7 * time.Second},
	} {
		b := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, "no such thing\nsecond line")
		})
		_, err := b.Handle(t.Context(), &node.Request{Name: "x"})
		if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "second") || fault.RetryAfter(err) != c.after {
			t.Errorf("%d: %v", c.status, err)
		}
	}
}

func TestAnAnswerOverTheLimitIsTooLarge(t *testing.T) {
	size := 100
	b := serve(t, Limits{MaxBody: 100}, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, size)) })
	if got, err := b.Handle(t.Context(), &node.Request{}); err != nil || len(got) != 100 {
		t.Errorf("%d, %v", len(got), err)
	}
	size++
	if _, err := b.Handle(t.Context(), &node.Request{}); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("got %v", err)
	}
}

func TestTheEndOfTheCallEndsTheRequest(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	b := serve(t, Limits{}, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(ended)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := fault.New("", fault.CallerGone, "gone")
	go func() {
		<-begun
		cancel(gone)
	}()
	if _, err := b.Handle(ctx, &node.Request{}); !errors.Is(err, fault.CallerGone) {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestABackendThatIsNotThereIsUnreachable(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	b, err := NewHTTP(srv.URL, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Handle(t.Context(), &node.Request{}); fault.KindOf(err) != fault.Unreachable {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", "host:80", "ftp://x/", "http://", "http:///path", "http://a b/", "%"} {
		if _, err := NewHTTP(bad, Limits{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
