// Package rpc is calls by name: the server side runs handlers within limits
// and contains their panics, the caller side finds a provider, fails over to
// the next one and keeps all attempts inside one deadline.
package rpc

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/histogram"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Request is a call. Its handler may keep it, and changes nothing of it but the
// bytes of Body.
type Request = link.Request

// Handler answers a call. Its context ends with the caller's deadline, with
// the caller's cancellation, and with the connection; the handler's permit is
// held until it returns. An error that is not a *fault.Error reaches the
// caller as Application with its text. A panic becomes Internal.
type Handler func(ctx context.Context, req *Request) ([]byte, error)

// ServerConfig holds the limits. Zero fields take the default beside them.
type ServerConfig struct {
	MaxHandlers int           // handlers running, abandoned ones included; 10,000. With one, a gateway cannot pass a call of a client on to a service of its own: that takes two
	RetryAfter  time.Duration // told to a caller that is over the limit; 100 ms
}

// WithDefaults returns c with every zero field set.
func (c ServerConfig) WithDefaults() ServerConfig {
	c.MaxHandlers = cmp.Or(c.MaxHandlers, 10_000)
	c.RetryAfter = cmp.Or(c.RetryAfter, 100*time.Millisecond)
	return c
}

// ServerDeps is the world of a server.
type ServerDeps struct {
	Runtime rt.Runtime
	Log     *slog.Logger
	// Route finds the handler of a call that arrived, or says why there is
	// none. It must not block.
	Route func(in *link.Inbound) (Handler, error)
}

// Server runs handlers. All methods are safe for concurrent use.
type Server struct {
	r     rt.Runtime
	cfg   ServerConfig
	deps  ServerDeps
	group *rt.Group

	mu     rt.Mutex
	closed bool
	line   []running // calls of peers whose handlers are to be started; bound: each has a permit
	begun  int       // of the line, those that are started already
	coming bool      // a task that will start the first of them is under way
	work   func()    // handle, made once
	limit  int       // handlers that may run
	over   int       // how many ran when the limit was lowered below that, and have not returned yet: the most that there may be
	counts ServerCounts
	times  histogram.Histogram
	locals *bounded.Map[uint64, *local] // calls of this node to itself
	lastID uint64

	abandoned atomic.Int64 // handlers of local calls that nobody waits for any more
}

// local is a call of this node to itself.
type local struct {
	name   string
	caller transport.PeerID
	bytes  int // of the request
	ctx    context.Context
	cancel context.CancelCauseFunc
	begun  mono.Time
}

// ServerCounts are the totals of a server.
type ServerCounts struct {
	Running int // handlers that have not returned
	Peak    int
	Served  uint64
	Refused uint64 // over the limit
	Panics  uint64

	Abandoned int // handlers of local calls that nobody waits for any more, and that have not returned
}

// NewServer returns a server.
func NewServer(cfg ServerConfig, deps ServerDeps) *Server {
	cfg = cfg.WithDefaults()
	s := &Server{
		r: deps.Runtime, cfg: cfg, deps: deps, group: rt.NewGroup(deps.Runtime), mu: rt.NewMutex(deps.Runtime),
		limit:  cfg.MaxHandlers,
		locals: bounded.NewMap[uint64, *local]("local calls", cfg.MaxHandlers),
	}
	s.work = s.handle
	return s
}

// noReturn is the answer of a handler that ended without one.
const noReturn = fault.Internal

// Local runs a handler of this node for a caller of this node, under the same
// limits, and waits until it returns or ctx ends. For a call that has passed a
// node it waits until the handler returns.
func (s *Server) Local(ctx context.Context, h Handler, req *Request) ([]byte, error) {
	s.mu.Lock()
	err := s.enter()
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	type result struct {
		body []byte
		err  error
		left atomic.Bool // by whoever comes first: the handler that returns, or its caller
	}
	res := &result{err: noReturn}
	mine := *req // the caller may be gone, and use its bytes again, before the handler has returned
	mine.Body = slices.Clone(req.Body)
	done := rt.NewEvent(s.r)
	own, cancel := s.r.WithCancelCause(ctx)
	begun := s.r.Now()
	defer cancel(fault.CallerGone)
	forget, ok := s.start(&local{name: req.Name, caller: req.Caller, bytes: len(req.Body), ctx: ctx, cancel: cancel, begun: begun}, func() {
		defer done.Fire()
		defer s.exit(begun) // first: the next call of this caller finds the permit
		defer func() {
			if res.left.Swap(true) {
				s.abandoned.Add(-1)
			}
		}()
		res.body, res.err = s.run(own, h, &mine)
	})
	if !ok {
		s.exit(begun)
		return nil, errClosed()
	}
	defer forget()
	wait := ctx
	if req.Hops > 0 {
		// Whoever asked holds a place while this runs. Given back earlier, it
		// would let somebody who takes back each call have every handler.
		wait = context.Background()
	}
	if err := done.Wait(wait); err != nil {
		if !res.left.Swap(true) {
			s.abandoned.Add(1)
		}
		return nil, &fault.Error{Op: "rpc.Call", Kind: fault.KindOf(err), Executed: true, Err: err}
	}
	err, executed := outcome(res.err)
	if executed {
		err = markExecuted(err)
	}
	return res.body, err
}

// run calls the handler and contains its panic.
func (s *Server) run(ctx context.Context, h Handler, req *Request) (body []byte, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover() // nil when the handler ended its task
		s.mu.Lock()
		s.counts.Panics++
		s.mu.Unlock()
		s.deps.Log.Error("handler panicked", "service", req.Name, "panic", p, "stack", stack())
		body, err = nil, fault.New("serve", fault.Internal, "the handler of %s panicked", req.Name)
	}()
	body, err = h(ctx, req)
	returned = true
	return body, err
}

// maxFrames bounds the stack that is logged.
const maxFrames = 32

// stack is the stack of a panic by functions and lines, without addresses, so
// that it is the same in every run.
func stack() string {
	pcs := make([]uintptr, maxFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		fmt.Fprintf(&b, "%s (%s:%d)\n", f.Function, filepath.Base(f.File), f.Line)
		if !more {
			return b.String()
		}
	}
}

func errClosed() error { return fault.New("serve", fault.Draining, "the node is shutting down") }

// enter takes a permit without waiting: the reader of a stream asks. Called
// with the lock held.
func (s *Server) enter() error {
	if s.closed {
		return errClosed()
	}
	if s.counts.Running >= s.limit {
		s.counts.Refused++
		return &fault.Error{Op: "serve", Kind: fault.Overload, Detail: "every handler is busy", RetryAfter: s.cfg.RetryAfter}
	}
	s.counts.Running++
	s.counts.Served++
	s.counts.Peak = max(s.counts.Peak, s.counts.Running)
	return nil
}

// exit gives back the permit of a call that began then.
func (s *Server) exit(begun mono.Time) {
	now := s.r.Now()
	s.mu.Lock()
	s.counts.Running--
	s.over = min(s.over, s.counts.Running)
	s.times.Observe(now.Sub(begun))
	s.mu.Unlock()
}

// Counts returns the totals so far.
func (s *Server) Counts() ServerCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	counts.Abandoned = int(s.abandoned.Load())
	return counts
}

// Times returns how long handlers have taken so far, from the arrival of a call
// to the end of its answer.
func (s *Server) Times() histogram.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times.Snapshot()
}

// Tables returns the books of the server's tables.
func (s *Server) Tables() []bounded.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []bounded.Stats{
		{Name: "handlers", Entries: s.counts.Running, Limit: s.limit, Peak: s.counts.Peak, Refused: s.counts.Refused},
		s.locals.Stats(),
	}
}

// InFlight lists up to most calls of this node to itself, the oldest first.
func (s *Server) InFlight(most int) (list []link.InFlight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.locals.All() {
		if len(list) == most {
			break
		}
		f := link.InFlight{Service: l.name, Caller: l.caller, Begun: l.begun, Bytes: l.bytes}
		if left, ok := rt.Remaining(s.r, l.ctx); ok {
			f.Until = s.r.Now().Add(left)
		}
		list = append(list, f)
	}
	return list
}

// Limit is how many handlers may run.
func (s *Server) Limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit
}

// SetLimit changes how many handlers may run, at least 1. Those that run over a
// lower limit go on to their ends, and no other one starts meanwhile.
func (s *Server) SetLimit(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit, s.over = limit, s.counts.Running
	s.locals.SetCap(max(limit, s.locals.Cap())) // each has a permit, so no more is needed
}

// Check compares the running handlers with the limit in constant time.
func (s *Server) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.counts.Running; n > max(s.limit, s.over) {
		return fmt.Errorf("rpc: %d handlers run, the limit is %d, and %d ran when it was lowered", n, s.limit, s.over)
	}
	return nil
}

// Close takes no more calls and waits until every handler has returned or ctx
// ends. It returns how many it had to abandon; the contexts of those that this
// node itself has called end now, as those of others do with their links.
func (s *Server) Close(ctx context.Context) (abandoned int) {
	s.mu.Lock()
	s.closed = true // not the group: a call that was taken may still need a task
	s.mu.Unlock()
	if s.group.Wait(ctx) == nil {
		return 0
	}
	s.mu.Lock()
	abandoned = s.counts.Running
	var cancels []context.CancelCauseFunc
	for _, l := range s.locals.All() {
		cancels = append(cancels, l.cancel)
	}
	s.mu.Unlock()
	for _, cancel := range cancels {
		cancel(errClosed())
	}
	return abandoned
}

// start runs f as the task of a local call, which it keeps until forget is
// called. It is not ok when the server has closed since the call took its
// permit: Close need not know of it then.
func (s *Server) start(l *local, f func()) (forget func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.lastID++
	id := s.lastID
	s.locals.Put(id, l, 0) // there is a permit for each, so there is room
	s.group.Go("rpc/handler", f)
	return func() {
		s.mu.Lock()
		s.locals.DeleteAny(id)
		s.mu.Unlock()
	}, true
}

// passed is the error of a handler that has only passed the call on.
type passed struct{ error }

// Unwrap returns the error itself.
func (p passed) Unwrap() error { return p.error }

// Passed marks the error of a handler that has only passed the call on: what
// the error says of the execution counts, and not that the handler has run. It
// returns nil for a nil err.
func Passed(err error) error {
	if err == nil {
		return nil
	}
	return passed{err}
}

// outcome takes the mark of Passed off and tells whether the call may have
// been executed.
func outcome(err error) (error, bool) {
	if p, ok := err.(passed); ok {
		return p.error, fault.Executed(p.error)
	}
	return err, true
}

// markExecuted makes the error of a handler say that the call was executed.
func markExecuted(err error) error {
	if err == nil || fault.Executed(err) {
		return err
	}
	kind := fault.KindOf(err)
	if kind == fault.Other {
		kind = fault.Application
	}
	return &fault.Error{Op: "call", Kind: kind, RetryAfter: fault.RetryAfter(err), Executed: true, Err: err}
}
