package rawquic

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"
)

// maxQueued bounds the bytes that wait to be written.
const maxQueued = 4 << 20

// writer combines frames into few writes. It yields once before it writes:
// everybody who is ready to run adds a frame first, and all of them leave in
// one packet.
type writer struct {
	w     io.Writer
	ready chan struct{}

	mu     sync.Mutex
	buf    []byte
	spare  []byte
	busy   bool // ready was signalled and the frames are not all written
	closed bool
}

func newWriter(w io.Writer) *writer { return &writer{w: w, ready: make(chan struct{}, 1)} }

// add appends a frame.
func (w *writer) add(number uint32, body []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return errors.New("rawquic: closed")
	case len(w.buf) > maxQueued:
		return errors.New("rawquic: too much is waiting")
	}
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(len(body)))
	w.buf = binary.BigEndian.AppendUint32(w.buf, number)
	w.buf = append(w.buf, body...)
	if !w.busy {
		w.busy = true
		w.ready <- struct{}{}
	}
	return nil
}

// run writes until close, or an error of the stream.
func (w *writer) run() {
	for range w.ready {
		for {
			runtime.Gosched()
			w.mu.Lock()
			if len(w.buf) == 0 {
				w.busy = false
				w.mu.Unlock()
				break
			}
			out := w.buf
			w.buf = w.spare[:0]
			w.mu.Unlock()
			if _, err := w.w.Write(out); err != nil {
				w.close()
				return
			}
			w.spare = out
		}
	}
}

// close ends run.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.ready)
	}
}
