// Package door is what stands in front of the node's HTTP servers: how many
// may come in, who they have to be, and that all of them have gone when the
// server has been closed.
package door

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config holds the limits of a server. Zero fields take the default beside
// them.
type Config struct {
	Conns       int           // connections at a time; 64: people, scripts and one or two scrapers; a newcomer ends the one that has asked nothing for the longest, or is refused
	HeaderTime  time.Duration // for the head of a request to arrive; 5 s
	BodyTime    time.Duration // for the body of a request, if it has one; 10 s; the handler may change it
	IdleTime    time.Duration // a connection without a request is closed; 60 s
	HeaderBytes int           // of a request; 16 KiB
}

func (c Config) withDefaults() Config {
	c.Conns = cmp.Or(c.Conns, 64)
	c.HeaderTime = cmp.Or(c.HeaderTime, 5*time.Second)
	c.BodyTime = cmp.Or(c.BodyTime, 10*time.Second)
	c.IdleTime = cmp.Or(c.IdleTime, time.Minute)
	c.HeaderBytes = cmp.Or(c.HeaderBytes, 16<<10)
	return c
}

// Server is an HTTP/1.1 server over one listener.
type Server struct {
	http  *http.Server
	end   context.CancelFunc
	wg    sync.WaitGroup // Serve
	conns sync.WaitGroup // the goroutine of each connection
	lis   *limited
}

// Serve starts to answer on lis, in goroutines that Close waits for. Every
// request's context ends when its client goes away, and with Close. Handlers
// set their own deadlines for writing.
func Serve(lis net.Listener, h http.Handler, logger *slog.Logger, cfg Config) *Server {
	cfg = cfg.withDefaults()
	ctx, end := context.WithCancel(context.Background())
	s := &Server{end: end, lis: &limited{Listener: lis, free: make(chan struct{}, cfg.Conns)}}
	s.http = &http.Server{
		Handler: bodies(h, cfg.BodyTime), ReadHeaderTimeout: cfg.HeaderTime, IdleTimeout: cfg.IdleTime, MaxHeaderBytes: cfg.HeaderBytes,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(lines{logger}, "", 0),
		ConnState:   s.count,
	}
	s.wg.Go(func() {
		err := s.http.Serve(s.lis)
		if !errors.Is(err, http.ErrServerClosed) {
			logger.Warn("an HTTP server has stopped to listen", "addr", lis.Addr().String(), "err", err)
		}
	})
	return s
}

// bodies bounds the time for a body, also for one that nobody wants to read:
// the server reads it to its end. Without a body there must be no deadline, for
// it would end the request.
func bodies(h http.Handler, most time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(most))
		}
		h.ServeHTTP(w, r)
	})
}

// count is told of every connection before its goroutine starts, and as the
// last thing that its goroutine does.
func (s *Server) count(conn net.Conn, state http.ConnState) {
	s.lis.rest(conn, state == http.StateNew || state == http.StateIdle)
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// Unwanted is how long the rest of a body may take that nobody will read.
const Unwanted = time.Second

// lastWords is what answers that are being written get, before their
// connections end.
const lastWords = 250 * time.Millisecond

// Close ends every connection and request, and waits until nothing of the
// server is left.
func (s *Server) Close() {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	s.http.Shutdown(ctx)
	cancel()
	s.http.Close()
	s.wg.Wait()
	s.conns.Wait()
}

// lines is the log of net/http, which says little that an operator can use.
type lines struct{ log *slog.Logger }

// Write implements io.Writer.
func (l lines) Write(p []byte) (int, error) {
	l.log.Debug("http", "text", strings.TrimSpace(string(p)))
	return len(p), nil
}

// limited refuses connections that are too many, so that they do not wait.
type limited struct {
	net.Listener
	free    chan struct{}
	peak    atomic.Int64
	refused atomic.Uint64

	mu      sync.Mutex
	resting []net.Conn // those without a request, the oldest first; bound: cap(free)
}

// rest notes that a connection has no request from now on, or has one or is
// closed.
func (l *limited) rest(conn net.Conn, does bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.resting, conn); i >= 0 {
		l.resting = slices.Delete(l.resting, i, i+1)
	}
	if does {
		l.resting = append(l.resting, conn)
	}
}

// evict closes the connection that is without a request for the longest, if
// there is one: whoever only holds places does not keep others out.
func (l *limited) evict() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.resting) > 0 {
		l.resting[0].Close()
		l.resting = slices.Delete(l.resting, 0, 1)
	}
}

// full is the answer to a connection that is too many. It fits into the
// buffer of the socket, so that writing it does not block.
const full = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 27\r\n\r\ntoo many are connected now\n"

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if len(l.free) == cap(l.free) {
			l.evict()
		}
		select {
		case l.free <- struct{}{}:
			l.peak.Store(max(l.peak.Load(), int64(len(l.free)))) // nobody else accepts
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { <-l.free })}, nil
		default:
		}
		l.refused.Add(1)
		conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		io.WriteString(conn, full)
		conn.Close()
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}
