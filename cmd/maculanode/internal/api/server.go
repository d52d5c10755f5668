// Package api is the local HTTP API of a node: with it a program in any
// language calls services of the mesh, and provides services that an HTTP
// server of its own answers. docs/openapi.yaml describes it.
package api

import (
	"cmp"
	"context"
	_ "embed"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/door"
)

// Node is what the API asks of the node.
type Node interface {
	// Call calls a service; it blocks until the answer is there or ctx ends.
	Call(ctx context.Context, req *control.Request) ([]byte, error)
	// Advertise provides a service until the advert is withdrawn.
	Advertise(req *control.Request) (control.Advert, error)
	// Replace lets another HTTP server answer a service of Advertise from now
	// on; calls in progress end where they are. An error changes nothing.
	Replace(ad control.Advert, url string) error
	// Withdraw ends a service that Advertise has started, whoever did it.
	Withdraw(name string) error
	// Lookup asks who provides a name, the mesh too when nobody is known.
	Lookup(ctx context.Context, name string) ([]control.Service, error)
	Status() control.Status
}

// Config is what a server needs beside the node. Zero limits take the default
// beside them.
type Config struct {
	Token func() string // that requests must carry, now; nil or empty: none, which is for unix sockets and loopback only
	Log   *slog.Logger  // nil: nothing is logged

	Conns    int           // connections at a time; 256: each costs some KiB
	Requests int           // of those, requests that the node works on; 64: each may hold two bodies of 1 MiB
	BodyTime time.Duration // for the body of a request to arrive; 30 s
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	if c.Token == nil {
		c.Token = func() string { return "" }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Conns = cmp.Or(c.Conns, 256)
	c.Requests = cmp.Or(c.Requests, 64)
	c.BodyTime = cmp.Or(c.BodyTime, 30*time.Second)
	return c
}

// Server answers over one listener.
type Server struct {
	cfg   Config
	node  Node
	door  *door.Server
	mux   *http.ServeMux
	unix  bool
	local bool // only this machine can reach the listener
	busy  chan struct{}

	mu      sync.Mutex
	adverts map[string]*advert // bound: the node's limit of local services; those that have ended are dropped before another comes
}

// document describes the API. It is a copy of docs/openapi.yaml, for a file
// outside of the package cannot be embedded.
//
//go:embed openapi.yaml
var document []byte

// Serve starts to answer on lis, in goroutines that Close waits for.
func Serve(lis net.Listener, n Node, cfg Config) *Server {
	cfg = cfg.WithDefaults()
	s := &Server{
		cfg: cfg, node: n, mux: http.NewServeMux(), unix: door.Unix(lis), local: door.Local(lis),
		busy: make(chan struct{}, cfg.Requests), adverts: map[string]*advert{},
	}
	for _, r := range s.routes() {
		s.mux.HandleFunc(r.method+" "+r.path, r.serve)
	}
	s.mux.HandleFunc("/", s.unknown)
	s.door = door.Serve(lis, s.guard(s.mux), cfg.Log, door.Config{Conns: cfg.Conns, BodyTime: door.Unwanted})
	return s
}

// Close ends every connection and request, and waits until nothing of the
// server is left. The services that it has registered live on: they end with
// the node.
func (s *Server) Close() { s.door.Close() }

// route is one thing that can be asked.
type route struct {
	method, path string
	serve        http.HandlerFunc
}

// routes is the API. Names may have slashes in them, as they are or as %2F.
func (s *Server) routes() []route {
	return []route{
		{"POST", "/v1/call/{service...}", s.call},
		{"GET", "/v1/services", s.services},
		{"GET", "/v1/services/{name...}", s.lookup},
		{"PUT", "/v1/services/{name...}", s.register},
		{"DELETE", "/v1/services/{name...}", s.withdraw},
		{"GET", "/v1/status", s.status},
		{"GET", "/v1/openapi.yaml", s.describe},
	}
}

// methods are those that a route may have.
var methods = []string{"GET", "PUT", "POST", "DELETE"}

// unknown answers what no route does.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range methods {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := s.mux.Handler(probe); pattern != "/" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) == 0 {
		fail(w, http.StatusNotFound, "there is no such path: GET /v1/openapi.yaml describes those that there are")
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, http.StatusMethodNotAllowed, "this path takes "+strings.Join(allowed, ", "))
}

// guard is what every request passes first.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		token := s.cfg.Token()
		switch {
		case token != "" && !door.Bearer(r, token):
			w.Header().Set("WWW-Authenticate", `Bearer realm="macula api"`)
			fail(w, http.StatusUnauthorized, "a token is needed: send \"Authorization: Bearer TOKEN\"; it is in the file of api_token_file")
			return
		case token == "" && !s.local:
			fail(w, http.StatusForbidden, "others can reach this address, so a token is needed: set api_token_file")
			return
		case token == "" && !s.unix && !door.LocalHost(r):
			fail(w, http.StatusForbidden, "without a token only localhost, 127.0.0.1 and [::1] are answered: use one of these names, or set api_token_file")
			return
		case token == "" && !s.unix && r.Header.Get(headerAPI) != "1":
			// A page of the web cannot send it without being asked first.
			fail(w, http.StatusForbidden, "without a token every request needs the header \""+headerAPI+": 1\"")
			return
		}
		select {
		case s.busy <- struct{}{}:
			defer func() { <-s.busy }()
			if r.ContentLength != 0 { // who is let in has time for it
				http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTime))
			}
			next.ServeHTTP(w, r)
		default:
			failure{Error: "too many requests are in progress here", Kind: "overload", status: http.StatusTooManyRequests, RetryAfter: 1000}.write(w)
		}
	})
}

func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	send(w, http.StatusOK, document)
}
