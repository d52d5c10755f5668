package link

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/node/wire"
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
	charge  func(bytes int) (ledger.Lease, error)

	space   *rt.Gate // open while there is room
	mu      rt.Mutex
	buf     []byte         // frames that wait
	spare   []byte         // the other buffer, while none is being written
	writing int            // bytes that are being written
	leases  []ledger.Lease // for what is held beyond freeQueue; bound: mostQueued in steps
	leased  int            // bytes of these
	busy    bool           // the flush task runs
	work    func()         // flush, made once
	err     error
}

// freeQueue is how many bytes a writer may hold without a lease before one
// frame more: a queue that is longer is charged to the peer in steps, so that
// many peers who do not read cannot hold more than the node has for all of them.
const (
	freeQueue = 4 << 10
	leaseStep = 32 << 10
)

// mostQueued is what a writer holds at most: the queue, with twice the room
// for those who must not wait and the frame that crosses the line, and as much
// again that is being written.
func (c Config) mostQueued() int { return 2 * (2*c.QueueBytes + wire.MaxFrame) }

func newWriter(l *Link, s transport.Stream) *writer {
	w := &writer{
		r: l.r, group: l.group, stream: s,
		limit: l.cfg.QueueBytes, timeout: l.cfg.WriteTimeout, fail: l.fail, shared: l.deps.Buffers,
		space: rt.NewGate(l.r, true), mu: rt.NewMutex(l.r),
		charge: func(bytes int) (ledger.Lease, error) {
			return l.deps.Ledger.Acquire(l.scope, "write queue", ledger.Claim{Class: ledger.Queue, Bytes: int64(bytes)})
		},
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
		if w.fits(1) {
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
	if w.err != nil || !w.fits(2) {
		w.mu.Unlock()
		return nil, false
	}
	return w.room(), true
}

// fits reports whether one frame more may wait, with so many times the usual
// room. Called with the lock held.
func (w *writer) fits(times int) bool {
	if !w.afford() {
		// The node has no room for queues. Those who must not wait have some all
		// the same: what they say is short, and bounded by what the peer may ask.
		return times > 1 && len(w.buf) < w.limit/2
	}
	return len(w.buf) < times*w.limit
}

// afford takes leases for what is held, and reports false when there is no
// room for them.
func (w *writer) afford() bool {
	for len(w.buf)+w.writing >= freeQueue+w.leased {
		lease, err := w.charge(leaseStep)
		if err != nil {
			return false
		}
		w.leases, w.leased = append(w.leases, lease), w.leased+leaseStep
	}
	return true
}

// discharge gives the leases back. Called with the lock held.
func (w *writer) discharge() {
	for _, lease := range w.leases {
		lease.Release()
	}
	w.leases, w.leased = nil, 0
}

// held is how many bytes wait or are being written.
func (w *writer) held() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.buf) + w.writing
}

// drained waits until nothing waits to be written.
func (w *writer) drained(ctx context.Context) error {
	for {
		w.mu.Lock()
		err, empty := w.err, len(w.buf) == 0
		if err == nil && !empty {
			w.space.Shut()
		}
		w.mu.Unlock()
		if err != nil || empty {
			return err
		}
		if err := w.space.Pass(ctx); err != nil {
			return err
		}
	}
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
	for len(out) > 0 {
		part := out[:min(len(out), leastWrite)]
		w.stream.SetWriteDeadline(w.r.Now().Add(w.timeout))
		_, err := w.stream.Write(part)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return &fault.Error{Op: "link", Kind: fault.Overload, Detail: "the peer does not read", Err: err}
		}
		if err != nil {
			return err
		}
		out = out[len(part):]
	}
	return nil
}

// leastWrite is how many bytes the peer has to take in the time for one write:
// all that waits may need longer than that on a link that is slow and alive.
const leastWrite = 16 << 10

// take returns what waits, or nil when the flush task is to end.
func (w *writer) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) == 0 || w.err != nil {
		w.busy = false
		w.buf, w.spare = w.shared.put(w.buf), w.shared.put(w.spare)
		w.discharge()
		return nil
	}
	out := w.buf
	w.buf, w.spare, w.writing = w.spare[:0], nil, len(w.buf)
	w.space.Open()
	return out
}

func (w *writer) give(out []byte) {
	w.mu.Lock()
	w.spare, w.writing = out[:0], 0
	w.mu.Unlock()
}

// stop makes every later begin fail with err.
func (w *writer) stop(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.busy = false
	w.buf, w.spare, w.writing = nil, nil, 0
	w.discharge()
	w.mu.Unlock()
	w.space.Open()
}
