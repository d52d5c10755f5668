package link

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// writer combines the frames of many tasks into few writes on one stream.
//
// Whoever adds a frame to an empty writer starts its flush task, which yields
// once before it writes: everybody who is ready to run adds a frame first, and
// all of them leave in one packet. An idle writer has no task.
type writer struct {
	r       rt.Runtime
	group   *rt.Group
	stream  transport.Stream                 // nil until the first flush, when open is set
	open    func() (transport.Stream, error) // opens stream; nil when it is given
	first   byte                             // the type of a stream that open opens
	limit   int                              // bytes that may wait
	timeout time.Duration                    // for one write
	fail    func(error)                      // told the first error, without a lock held
	shared  *Buffers

	space *rt.Gate // open while there is room
	mu    rt.Mutex
	buf   []byte // frames that wait
	spare []byte // the other buffer, while none is being written
	busy  bool   // the flush task runs
	work  func() // flush, made once
	err   error
}

func newWriter(l *Link, s transport.Stream) *writer {
	w := &writer{
		r: l.r, group: l.group, stream: s,
		limit: l.cfg.QueueBytes, timeout: l.cfg.WriteTimeout, fail: l.fail, shared: l.deps.Buffers,
		space: rt.NewGate(l.r, true), mu: rt.NewMutex(l.r),
	}
	w.work = w.flush
	return w
}

// begin waits for room, takes the lock and returns the buffer to append to.
// After a nil error the caller must call end, without parking in between.
func (w *writer) begin(ctx context.Context) ([]byte, error) {
	for {
		w.mu.Lock()
		if w.err != nil {
			err := w.err
			w.mu.Unlock()
			return nil, err
		}
		if len(w.buf) < w.limit {
			return w.room(), nil
		}
		w.space.Shut()
		w.mu.Unlock()
		if err := w.space.Pass(ctx); err != nil {
			return nil, err
		}
	}
}

// beginNow is begin for those who must not wait. It has twice the room, so
// that answers to a peer that overruns its limits do not wait behind it, and
// reports false when even that is used up.
func (w *writer) beginNow() ([]byte, bool) {
	w.mu.Lock()
	if w.err != nil || len(w.buf) >= 2*w.limit {
		w.mu.Unlock()
		return nil, false
	}
	return w.room(), true
}

// room is the buffer to append to. Called with the lock held.
func (w *writer) room() []byte {
	if w.buf == nil {
		w.buf = w.shared.get()
	}
	return w.buf
}

// end puts the buffer back and sees to it that it is written.
func (w *writer) end(buf []byte) {
	w.buf = buf
	start := !w.busy && len(buf) > 0
	if start {
		w.busy = true
	}
	w.mu.Unlock()
	if start && !w.group.Go("link/flush", w.work) {
		w.stop(transport.ErrClosed)
	}
}

// flush writes until nothing waits.
func (w *writer) flush() {
	for {
		w.r.Yield()
		if rt.Buggify(w.r, "link: flush late") {
			rt.Sleep(context.Background(), w.r, time.Millisecond)
		}
		out := w.take()
		if out == nil {
			return
		}
		if err := w.write(out); err != nil {
			w.stop(err)
			w.fail(err)
			return
		}
		w.give(out)
	}
}

func (w *writer) write(out []byte) error {
	if w.stream == nil {
		s, err := w.open()
		if err != nil {
			return err
		}
		w.stream = s
		out = append([]byte{w.first}, out...)
	}
	w.stream.SetWriteDeadline(w.r.Now().Add(w.timeout))
	_, err := w.stream.Write(out)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &fault.Error{Op: "link", Kind: fault.Overload, Detail: "the peer does not read", Err: err}
	}
	return err
}

// take returns what waits, or nil when the flush task is to end.
func (w *writer) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) == 0 || w.err != nil {
		w.busy = false
		w.buf, w.spare = w.shared.put(w.buf), w.shared.put(w.spare)
		return nil
	}
	out := w.buf
	w.buf, w.spare = w.spare[:0], nil
	w.space.Open()
	return out
}

func (w *writer) give(out []byte) {
	w.mu.Lock()
	w.spare = out[:0]
	w.mu.Unlock()
}

// stop makes every later begin fail with err.
func (w *writer) stop(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.busy = false
	w.buf, w.spare = nil, nil
	w.mu.Unlock()
	w.space.Open()
}
