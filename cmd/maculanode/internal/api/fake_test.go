package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a node with the services that were registered with it, and with
// those of call.
type fake struct {
	call func(ctx context.Context, req *control.Request) ([]byte, error) // nil: nobody provides anything

	mu      sync.Mutex
	adverts map[string]*fakeAdvert
	made    int
}

type fakeAdvert struct {
	f    *fake
	name string
	b    *backend.HTTP
	done chan struct{}
}

func (a *fakeAdvert) Done() <-chan struct{} { return a.done }
func (a *fakeAdvert) Err() error            { return nil }
func (a *fakeAdvert) Withdraw()             { a.f.Withdraw(a.name) }

func (f *fake) Call(ctx context.Context, req *control.Request) ([]byte, error) {
	f.mu.Lock()
	a := f.adverts[req.Name]
	f.mu.Unlock()
	switch {
	case a != nil:
		return a.b.Handle(ctx, &node.Request{Name: req.Name, Body: req.Body, Idempotent: req.Idempotent})
	case f.call != nil:
		return f.call(ctx, req)
	}
	return nil, fault.New("rpc.Call", fault.NotFound, "nobody provides %s", req.Name)
}

func (f *fake) Advertise(req *control.Request) (control.Advert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.adverts[req.Name] != nil || req.Name == "taken" {
		return nil, fault.New("", fault.Invalid, "this node provides %s already", req.Name)
	}
	b, err := backend.NewHTTP(req.HTTP, backend.Limits{})
	if err != nil {
		return nil, err
	}
	a := &fakeAdvert{f, req.Name, b, make(chan struct{})}
	if f.adverts == nil {
		f.adverts = map[string]*fakeAdvert{}
	}
	f.adverts[req.Name] = a
	f.made++
	return a, nil
}

func (f *fake) Replace(ad control.Advert, url string) error {
	b, err := backend.NewHTTP(url, backend.Limits{})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := ad.(*fakeAdvert)
	a.b.Close()
	a.b = b
	return nil
}

func (f *fake) Withdraw(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.adverts[name]
	if a == nil {
		return fault.New("", fault.NotFound, "this node does not provide %s", name)
	}
	delete(f.adverts, name)
	a.b.Close()
	close(a.done)
	return nil
}

func (f *fake) Lookup(_ context.Context, name string) ([]control.Service, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.adverts[name] == nil {
		return nil, nil
	}
	return []control.Service{{Name: name, Provider: "me", Local: true, Left: 30}}, nil
}

func (f *fake) Status() control.Status {
	return control.Status{ID: "me", Ready: true, ServiceList: []control.Service{{Name: "demo.echo", Provider: "me"}}}
}

func (f *fake) count() (adverts, made int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.adverts), f.made
}

// world is a served API and a client of it.
type world struct {
	t      *testing.T
	node   *fake
	server *Server
	url    string
	header http.Header
	client *http.Client
}

func serve(t *testing.T, f *fake, cfg Config) *world {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, node: f, server: Serve(lis, f, cfg), url: "http://" + lis.Addr().String(), header: http.Header{}}
	w.client = &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	if cfg.Token != nil {
		w.header.Set("Authorization", "Bearer "+cfg.Token())
	} else {
		w.header.Set(headerAPI, "1")
	}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		w.server.Close()
		for name := range f.adverts {
			f.Withdraw(name)
		}
	})
	return w
}

// serveUnix serves on a socket of the file system.
func serveUnix(t *testing.T, f *fake) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "api.sock")
	lis, free, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, node: f, server: Serve(lis, f, Config{}), url: "http://macula", header: http.Header{}}
	w.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		w.server.Close()
		free()
	})
	return w
}

// ask sends a request and returns the answer with its body.
func (w *world) ask(method, path, body string, header ...string) (*http.Response, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header = w.header.Clone()
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
