package rpc

import (
	"time"

	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/rt"
)

// Calls arrive in bursts and most handlers return at once, so a task is not
// started for each. Calls that were taken wait in a line, and one task is on
// its way to the first of them. Before that task runs a handler, which may
// block, it sends a successor to what is left of the line; after the handler
// it goes on with the line itself. So a call never waits for the handler of
// another, and a burst whose handlers do not block needs two tasks.
//
// The pattern is leader/followers: Schmidt et al., "Pattern-Oriented Software
// Architecture", volume 2, 2000.

// running is a call of a peer that is being served.
type running struct {
	s    *Server
	in   *link.Inbound
	h    Handler
	req  Request
	next *running
}

// Serve implements link.Server: it takes the call, whose handler is started as
// soon as a task runs, or refuses at once.
func (s *Server) Serve(in *link.Inbound) error {
	h, err := s.deps.Route(in)
	if err != nil {
		return err
	}
	r := &running{s: s, in: in, h: h, req: Request{Name: in.Name, Body: in.Body, Caller: in.Caller, Idempotent: in.Idempotent, Hops: in.Hops}}
	s.mu.Lock()
	if err = s.enter(); err == nil {
		s.put(r)
	}
	s.mu.Unlock()
	return err
}

// put makes r the last of the line. Called with the lock held.
func (s *Server) put(r *running) {
	if s.first == nil {
		s.first = r
	} else {
		s.last.next = r
	}
	s.last = r
	s.send()
}

// send sees to it that a task comes to the line. Called with the lock held.
func (s *Server) send() {
	if !s.coming {
		s.coming = true
		s.group.Go("rpc/handler", s.work)
	}
}

// handle is a task that starts handlers until the line is empty.
func (s *Server) handle() {
	for r := s.take(true); r != nil; r = s.take(false) {
		r.serve()
	}
}

// take returns the first of the line, or nil; arrived says that the task that
// was under way is here.
func (s *Server) take(arrived bool) *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	if arrived {
		s.coming = false
	}
	r := s.first
	if r == nil {
		return nil
	}
	s.first, r.next = r.next, nil
	if s.first != nil {
		s.send()
	}
	return r
}

func (r *running) serve() {
	defer r.s.exit(r.in.Begun())
	var body []byte
	err := error(noReturn)
	// Deferred, so that a handler that ends its task is answered too.
	defer func() {
		err, executed := outcome(err)
		r.in.Answer(body, err, executed)
	}()
	if rt.Buggify(r.s.r, "rpc: handler starts late") {
		rt.Sleep(r.in, r.s.r, 5*time.Millisecond)
	}
	body, err = r.s.run(r.in, r.h, &r.req)
}
