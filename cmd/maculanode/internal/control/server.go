package control

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
)

// Node is what the server asks of the node. The contexts end when the command
// goes away, and when the server closes.
type Node interface {
	Status() Status
	Call(ctx context.Context, req *Request) ([]byte, error)
	// Advertise provides a service until the advert is withdrawn.
	Advertise(req *Request) (Advert, error)
	// Withdraw ends a service that Advertise has started, whoever did it.
	Withdraw(name string) error
	// Calls lists what is in flight, the oldest first.
	Calls() []Call
	// Lookup asks who provides a name, the mesh too when nobody is known.
	Lookup(ctx context.Context, name string) ([]Service, error)
	// Settings lists what the node runs with and where it comes from.
	Settings() []Setting
	// Reload reads the configuration again, and changes everything or nothing.
	Reload() (Reload, error)
	// SetLimits changes limits, all or none of them, for a time or until
	// something else sets them; without any it only lists them.
	SetLimits(set []string, lasts time.Duration) ([]Setting, error)
	// Drain takes no more calls, services and clients, and waits until those
	// that are there have gone, or ctx ends.
	Drain(ctx context.Context) (Drained, error)
	// Metrics is the text that Prometheus would be told.
	Metrics() ([]byte, error)
	// Profile is a profile of the Go runtime: goroutine or heap.
	Profile(name string) ([]byte, error)
}

// Advert is a service that lives for as long as somebody wants it.
type Advert interface {
	// Done is closed when the service has ended.
	Done() <-chan struct{}
	// Err says why, after Done.
	Err() error
	Withdraw()
}

// Config holds the limits of a server. Zero fields take the default beside
// them.
type Config struct {
	Conns        int           // connections at a time; 64: commands are typed by people and scripts
	Attached     int           // of those, connections that hold a service; 48, so that there is always room to look
	ReadTimeout  time.Duration // for the request to arrive; 5 s
	WriteTimeout time.Duration // for the answer to be taken; 10 s
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.Conns = cmp.Or(c.Conns, 64)
	c.Attached = cmp.Or(c.Attached, 48)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 5*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	return c
}

// Server answers commands. It owns the listener and every connection.
type Server struct {
	cfg    Config
	node   Node
	log    *slog.Logger
	lis    net.Listener
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // the accept loop, connections and their watchers

	mu       sync.Mutex
	conns    map[net.Conn]struct{} // bound: cfg.Conns
	attached int
	peak     int    // most connections at a time
	refused  uint64 // for which there was no place
	closed   bool
}

// Serve starts to answer on lis, in goroutines that Close waits for.
func Serve(lis net.Listener, node Node, log *slog.Logger, cfg Config) *Server {
	s := &Server{cfg: cfg.WithDefaults(), node: node, log: log, lis: lis, conns: map[net.Conn]struct{}{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.wg.Go(s.accept)
	return s
}

// Close ends every connection and waits until nothing of the server is left.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.lis.Close()
	s.cancel(fault.New("control", fault.Draining, "the node has stopped"))
	s.wg.Wait()
}

func (s *Server) accept() {
	for {
		conn, err := s.lis.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("control socket: accept failed", "err", err)
			select { // out of descriptors, most likely
			case <-time.After(100 * time.Millisecond):
				continue
			case <-s.ctx.Done():
				return
			}
		}
		if !s.enter(conn) {
			s.refuse(conn)
			continue
		}
		s.wg.Go(func() {
			defer s.leave(conn)
			s.serve(conn)
		})
	}
}

func (s *Server) enter(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.cfg.Conns {
		s.refused++
		return false
	}
	s.conns[conn] = struct{}{}
	s.peak = max(s.peak, len(s.conns))
	return true
}

func (s *Server) leave(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
}

// Stats returns the books of the connections.
func (s *Server) Stats() bounded.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bounded.Stats{Name: "control connections", Entries: len(s.conns), Limit: s.cfg.Conns, Peak: s.peak, Refused: s.refused}
}

// Conns returns how many connections there are.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// refuse answers without reading. The answer is small, so it fits into the
// socket's buffer and does not block.
func (s *Server) refuse(conn net.Conn) {
	conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	write(conn, &Response{Error: failure(&fault.Error{Op: "control", Kind: fault.Overload, Detail: "too many commands are connected to this node", RetryAfter: time.Second})})
	conn.Close()
}

// serve answers one request. From then on the only thing that can come from
// the command is its end, and that ends what it asked for.
func (s *Server) serve(conn net.Conn) {
	conn.SetReadDeadline(time.Now().Add(s.cfg.ReadTimeout))
	stop := context.AfterFunc(s.ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	var req Request
	err := read(conn, &req)
	if !stop() {
		s.answer(conn, nil, context.Cause(s.ctx))
		return
	}
	if err != nil {
		s.badRequest(conn, err)
		return
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	conn.SetReadDeadline(time.Time{})
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		var b [1]byte
		conn.Read(b[:]) // a byte here is as wrong as the end
		cancel(fault.New("control", fault.CallerGone, "the command was ended"))
	}()
	defer func() {
		conn.SetReadDeadline(time.Unix(1, 0))
		<-watching
	}()
	s.dispatch(ctx, conn, &req)
}

func (s *Server) dispatch(ctx context.Context, conn net.Conn, req *Request) {
	switch req.Verb {
	case VerbStatus:
		st := s.node.Status()
		s.answer(conn, &Response{Status: &st}, nil)
	case VerbCall:
		body, err := s.node.Call(ctx, req)
		s.answer(conn, &Response{Body: body}, err)
	case VerbAdvertise:
		s.advertise(ctx, conn, req)
	case VerbWithdraw:
		s.answer(conn, &Response{}, s.node.Withdraw(req.Name))
	case VerbCalls:
		s.answer(conn, &Response{Calls: s.node.Calls()}, nil)
	case VerbLookup:
		list, err := s.node.Lookup(ctx, req.Name)
		s.answer(conn, &Response{Services: list}, err)
	case VerbConfig:
		s.answer(conn, &Response{Settings: s.node.Settings()}, nil)
	case VerbReload:
		r, err := s.node.Reload()
		s.answer(conn, &Response{Reload: &r}, err)
	case VerbLimits:
		list, err := s.node.SetLimits(req.Set, req.For)
		s.answer(conn, &Response{Settings: list}, err)
	case VerbDrain:
		if req.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, req.Timeout)
			defer cancel()
		}
		d, err := s.node.Drain(ctx)
		s.answer(conn, &Response{Drained: &d}, err)
	case VerbMetrics:
		text, err := s.node.Metrics()
		s.answer(conn, &Response{Body: text}, err)
	case VerbProfile:
		p, err := s.node.Profile(req.Name)
		s.answer(conn, &Response{Body: p}, err)
	default:
		s.answer(conn, nil, fault.New("control", fault.Invalid, "this node does not know the verb %.40q: is it another version?", req.Verb))
	}
}

// advertise holds a service for as long as the connection lives. A second
// message tells the command when the service ended before.
func (s *Server) advertise(ctx context.Context, conn net.Conn, req *Request) {
	if !req.Detach {
		if !s.attach() {
			s.answer(conn, nil, &fault.Error{Op: "control", Kind: fault.Overload, Detail: "too many attached services: use --detach, or end some", RetryAfter: time.Second})
			return
		}
		defer s.detach()
	}
	ad, err := s.node.Advertise(req)
	if err != nil || req.Detach {
		s.answer(conn, &Response{}, err)
		return
	}
	defer ad.Withdraw()
	if !s.answer(conn, &Response{}, nil) {
		return
	}
	select {
	case <-ad.Done():
		s.answer(conn, nil, ad.Err())
	case <-ctx.Done():
		s.answer(conn, nil, context.Cause(ctx)) // reaches the command when it was the node that ended
	}
}

func (s *Server) attach() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attached >= s.cfg.Attached {
		return false
	}
	s.attached++
	return true
}

func (s *Server) detach() {
	s.mu.Lock()
	s.attached--
	s.mu.Unlock()
}

// answer reports whether the answer was taken.
func (s *Server) answer(conn net.Conn, resp *Response, err error) bool {
	if err != nil {
		resp = &Response{Error: failure(err)}
	}
	conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	werr := write(conn, resp)
	if fault.KindOf(werr) == fault.TooLarge {
		werr = write(conn, &Response{Error: failure(werr)})
	}
	return werr == nil
}

func (s *Server) badRequest(conn net.Conn, err error) {
	if errors.Is(err, io.EOF) {
		return // somebody looked whether a node lives
	}
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		err = fault.New("control", fault.Deadline, "the request did not arrive within %v", s.cfg.ReadTimeout)
	}
	s.log.Debug("control socket: bad request", "err", err)
	s.answer(conn, nil, err)
}
