// Package admin is the HTTP server with which people and monitors look at a
// node: a status page, metrics, health, the tables as JSON, a recount on
// demand and the profiles of the Go runtime. It only shows: nothing that it
// serves changes the node.
package admin

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/door"
)

// Node is what the server asks of the node. No method blocks for long; Audit
// and Holders take time in proportion to what the node holds.
type Node interface {
	Status() control.Status
	// Calls lists what is in flight, the oldest first.
	Calls() []control.Call
	// Settings lists what the node runs with, without secrets.
	Settings() []control.Setting
	// Ready reports whether others should come to this node, or else why not.
	Ready() (bool, string)
	// Audit recounts everything that the node holds.
	Audit() error
	// Holders lists those that make the node hold the most, the largest first.
	Holders() []control.Holder
}

// Config is what a server needs beside the node. Zero limits take the default
// beside them.
type Config struct {
	Token    func() string       // that requests must carry, now; nil or empty: none, and then only names of this machine are answered
	Log      *slog.Logger        // nil: nothing is logged
	Gatherer prometheus.Gatherer // of /metrics and of the latency chart; nil: there is neither

	Conns   int           // connections at a time; 64
	Streams int           // of those, pages that follow the node; 16, so that a monitor always gets in
	Refresh time.Duration // between two updates of such a page; 2 s
	Sample  time.Duration // between two points of the charts; 10 s
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	if c.Token == nil {
		c.Token = func() string { return "" }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Conns = cmp.Or(c.Conns, 64)
	c.Streams = cmp.Or(c.Streams, 16)
	c.Refresh = cmp.Or(c.Refresh, 2*time.Second)
	c.Sample = cmp.Or(c.Sample, 10*time.Second)
	return c
}

// Server answers over one listener.
type Server struct {
	cfg                Config
	node               Node
	door               *door.Server
	local              bool          // only this machine can reach the listener
	cookie             string        // its name, of a browser that has shown the token
	streams            chan struct{} // a place for each
	recount, profiling chan struct{} // one of each at a time
	history            *history
	stop               chan struct{}
	wg                 sync.WaitGroup // the sampler

	mu   sync.Mutex
	page *page // the latest one, for a moment
}

// Serve starts to answer on lis and to take samples for the charts, in
// goroutines that Close waits for.
func Serve(lis net.Listener, n Node, cfg Config) *Server {
	cfg = cfg.WithDefaults()
	s := &Server{
		cfg: cfg, node: n, local: door.Local(lis),
		cookie:  cookieName(lis),
		streams: make(chan struct{}, cfg.Streams), recount: make(chan struct{}, 1), profiling: make(chan struct{}, 1),
		history: newHistory(cfg.Gatherer), stop: make(chan struct{}),
	}
	s.sample()
	s.wg.Go(s.follow)
	s.door = door.Serve(lis, s.guard(s.routes()), cfg.Log, door.Config{Conns: cfg.Conns, BodyTime: door.Unwanted})
	return s
}

// Close ends every connection and waits until nothing of the server is left.
// The listener is closed too.
func (s *Server) Close() {
	close(s.stop)
	s.door.Close()
	s.wg.Wait()
}

// cookieName tells apart the nodes of one machine: browsers give a cookie to
// all ports of a host.
func cookieName(lis net.Listener) string {
	name := "macula_admin"
	if a, ok := lis.Addr().(*net.TCPAddr); ok {
		name += "_" + strconv.Itoa(a.Port)
	}
	return name
}

// routes is what there is.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveIndex)
	mux.HandleFunc("GET /page.css", asset("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /page.js", asset("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("GET "+pathHealth, serveHealth)
	mux.HandleFunc("GET "+pathReady, s.serveReady)
	mux.HandleFunc("GET /statusz", s.serveStatus)
	mux.HandleFunc("GET /connz", s.serveConns)
	mux.HandleFunc("GET /clientz", s.serveClients)
	mux.HandleFunc("GET /servicez", s.serveServices)
	mux.HandleFunc("GET /callz", s.serveCalls)
	mux.HandleFunc("GET /ledgerz", s.serveLedger)
	mux.HandleFunc("GET /configz", s.serveConfig)
	mux.HandleFunc("GET /debug/invariants", s.serveInvariants)
	s.profiles(mux)
	if s.cfg.Gatherer != nil {
		mux.Handle("GET /metrics", s.metrics())
	}
	return mux
}

// sample adds one point to the charts.
func (s *Server) sample() {
	st := s.node.Status()
	s.history.add(&st, s.node.Holders())
}

// follow is the sampler.
func (s *Server) follow() {
	tick := time.NewTicker(s.cfg.Sample)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.sample()
		case <-s.stop:
			return
		}
	}
}
