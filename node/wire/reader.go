package wire

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/maculamesh/macula/node/fault"
)

// Sizes of a Reader's buffer. Ten thousand idle links have two readers each,
// so one that waits holds little; one that is busy takes what arrives in few
// reads.
const (
	idleBuffer = 512     // until a read fills it: a few small calls
	busyBuffer = 4 << 10 // the most that is held before a frame needs more
	calmReads  = 32      // reads in a row that fit the idle buffer before it is taken again
	idleReads  = 100     // empty reads in a row before the stream counts as broken
)

// Reader cuts a byte stream into frames. It has one buffer, which grows only
// as the bytes of a large frame arrive, so that a peer that announces much
// and sends nothing holds nothing: at any time the buffer is at most three
// times what has arrived of the frame, or busyBuffer. Not safe for concurrent
// use.
type Reader struct {
	src  io.Reader
	max  int
	buf  []byte
	r, w int   // buf[r:w] has arrived and was not returned
	full bool  // the last read filled the buffer
	calm int   // reads in a row that would have fit the idle buffer
	err  error // of the source, to be returned after what arrived before it
}

// NewReader returns a reader of frames of at most max bytes, length field
// included. It reads nothing yet and holds no buffer.
func NewReader(src io.Reader, max int) *Reader {
	return &Reader{src: src, max: max}
}

// Next returns the next frame. It blocks only in the source's Read. payload
// is a part of the reader's buffer, valid until the next call.
//
// Errors: io.EOF when the stream ended between two frames; TooLarge for a
// frame over the limit, before anything is held for it; Protocol for a frame
// without a kind, or when the stream ended inside one; the source's own error
// unchanged. After an error of the source that can pass, such as a read
// deadline, Next goes on where it stopped.
func (r *Reader) Next() (kind byte, payload []byte, err error) {
	for {
		have := r.buf[r.r:r.w]
		want := headerSize
		if len(have) >= 4 {
			n := uint64(binary.BigEndian.Uint32(have))
			if n == 0 {
				return 0, nil, fault.New("wire", fault.Protocol, "a frame without a kind")
			}
			if n+4 > uint64(r.max) {
				return 0, nil, fault.New("wire", fault.TooLarge, "a frame of %d bytes, the limit is %d", n+4, r.max)
			}
			want = int(n) + 4
			if len(have) >= want {
				r.r += want
				return have[4], have[headerSize:want:want], nil
			}
		}
		if err := r.fill(want); err != nil {
			return 0, nil, err
		}
	}
}

// Buffered returns how many bytes have arrived and were not returned yet.
func (r *Reader) Buffered() int { return r.w - r.r }

// Held returns the size of the buffer in bytes: what the reader costs.
func (r *Reader) Held() int { return cap(r.buf) }

// fill reads once, towards a frame of want bytes.
func (r *Reader) fill(want int) error {
	if r.err != nil {
		return r.fail()
	}
	r.resize(want)
	for range idleReads {
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		r.err = err
		if n > 0 {
			r.full = r.w == len(r.buf)
			if r.calm++; n > idleBuffer {
				r.calm = 0
			}
			return nil
		}
		if err != nil {
			return r.fail()
		}
	}
	return io.ErrNoProgress
}

// fail returns the error of the source, once.
func (r *Reader) fail() error {
	err := r.err
	if !errors.Is(err, io.EOF) {
		r.err = nil
		return err
	}
	if r.r == r.w {
		return io.EOF
	}
	return &fault.Error{Op: "wire", Kind: fault.Protocol, Detail: "the stream ended inside a frame", Err: io.ErrUnexpectedEOF}
}

// resize makes room to read, with what has arrived moved to the front.
func (r *Reader) resize(want int) {
	size := cap(r.buf)
	have := r.w - r.r
	switch {
	case size == 0:
		size = idleBuffer
	case r.full && size < busyBuffer:
		size = busyBuffer // the stream is busy: fewer reads
	case have == size:
		size = min(3*size, max(busyBuffer, want))
	case size > busyBuffer && want <= busyBuffer:
		size = busyBuffer // the large frame is over
	case size == busyBuffer && r.calm >= calmReads && want <= idleBuffer:
		size = idleBuffer
	}
	if size == cap(r.buf) {
		if r.r > 0 {
			copy(r.buf, r.buf[r.r:r.w])
			r.r, r.w = 0, have
		}
		return
	}
	buf := make([]byte, size)
	copy(buf, r.buf[r.r:r.w])
	r.buf, r.r, r.w, r.full, r.calm = buf, 0, have, false, 0
}
