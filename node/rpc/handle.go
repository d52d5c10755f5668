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
	in *link.Inbound
	h  Handler
}

// Serve implements link.Server: it takes the call, whose handler is started as
// soon as a task runs, or refuses at once.
func (s *Server) Serve(in *link.Inbound) error {
	h, err := s.deps.Route(in)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if err = s.enter(); err == nil {
		s.put(running{in, h})
	}
	s.mu.Unlock()
	return err
}

// put makes r the last of the line. Called with the lock held.
func (s *Server) put(r running) {
	// A line that is never empty must not grow for ever; it moves up by half of its
	// length, or each call would move all that wait.
	if len(s.line) == cap(s.line) && s.begun > 0 && 2*s.begun >= len(s.line) {
		n := copy(s.line, s.line[s.begun:])
		clear(s.line[n:])
		s.line, s.begun = s.line[:n], 0
	}
	s.line = append(s.line, r)
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
	for r, ok := s.take(true); ok; r, ok = s.take(false) {
		s.serve(r)
	}
}

// maxLine is how many places an empty line keeps.
const maxLine = 256

// take returns the first of the line; arrived says that the task that was
// under way is here.
func (s *Server) take(arrived bool) (r running, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if arrived {
		s.coming = false
	}
	if s.begun == len(s.line) {
		s.line, s.begun = s.line[:0], 0
		if cap(s.line) > maxLine {
			s.line = nil
		}
		return r, false
	}
	r, s.line[s.begun] = s.line[s.begun], r
	if s.begun++; s.begun < len(s.line) {
		s.send()
	}
	return r, true
}

func (s *Server) serve(r running) {
	defer s.exit(r.in.Begun())
	var body []byte
	err := error(noReturn)
	// Deferred, so that a handler that ends its task is answered too.
	defer func() {
		err, executed := outcome(err)
		r.in.Answer(body, err, executed)
	}()
	if rt.Buggify(s.r, "rpc: handler starts late") {
		rt.Sleep(r.in, s.r, 5*time.Millisecond)
	}
	body, err = s.run(r.in, r.h, &r.in.Request)
}
