package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
)

// readerMachine is a peer that writes frames, in pieces and too large ones
// among them, and a Reader at the other end. The model is the frames and how
// many of their bytes have been written.
type readerMachine struct {
	rd      *Reader
	limit   int
	frames  [][]byte // that Next has not returned, whole
	pending []byte   // of the frames, what was written and not read
	unsent  []byte   // of the frames, what was not written
	sent    int      // of those frames, what was written
	last    int      // the size of the frame that was returned last
	ended   bool
}

// Read is the source of the reader: what was written, and then its deadline.
func (x *readerMachine) Read(p []byte) (int, error) {
	if len(x.pending) == 0 {
		if x.ended {
			return 0, io.EOF
		}
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, x.pending)
	x.pending = x.pending[n:]
	return n, nil
}

func (x *readerMachine) Frame(t *rapid.T) {
	if x.ended || len(x.frames) > 20 {
		t.Skip("there are enough")
	}
	n := rapid.OneOf(rapid.IntRange(0, 60), rapid.IntRange(0, x.limit-headerSize), rapid.IntRange(x.limit-headerSize, x.limit)).Draw(t, "bytes")
	f := frame(byte(rapid.IntRange(0, 255).Draw(t, "kind")), n)
	x.frames, x.unsent = append(x.frames, f), append(x.unsent, f...)
}

func (x *readerMachine) Write(t *rapid.T) {
	if len(x.unsent) == 0 || x.ended {
		t.Skip("nothing is left to write")
	}
	n := min(rapid.OneOf(rapid.IntRange(1, 8), rapid.IntRange(1, 20_000)).Draw(t, "bytes"), len(x.unsent))
	x.pending, x.unsent = append(x.pending, x.unsent[:n]...), x.unsent[n:]
	x.sent += n
}

func (x *readerMachine) End(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "end") > 0 {
		t.Skip("most histories should be long")
	}
	x.ended = true
}

func (x *readerMachine) Next(t *rapid.T) {
	kind, payload, err := x.rd.Next()
	switch {
	case len(x.frames) > 0 && x.sent >= 4 && len(x.frames[0]) > x.limit:
		if !errors.Is(err, fault.TooLarge) {
			t.Fatalf("a frame of %d bytes at a limit of %d: %v", len(x.frames[0]), x.limit, err)
		}
	case len(x.frames) > 0 && x.sent >= len(x.frames[0]):
		f := x.frames[0]
		if err != nil || kind != f[4] || !bytes.Equal(payload, f[headerSize:]) {
			t.Fatalf("a frame of %d bytes: kind %d, %d bytes, %v", len(f), kind, len(payload), err)
		}
		x.frames, x.sent, x.last = x.frames[1:], x.sent-len(f), len(f)
	case !x.ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("before the end of a frame: %v", err)
		}
	case x.sent == 0:
		if err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
	default:
		if !errors.Is(err, fault.Protocol) {
			t.Fatalf("at the end inside a frame: %v", err)
		}
	}
}

func (x *readerMachine) Check(t *rapid.T) {
	if most := max(busyBuffer, 3*max(x.sent, x.last)); x.rd.Held() > most {
		t.Fatalf("it holds %d bytes, %d have come of what it has not returned", x.rd.Held(), x.sent)
	}
	if got := x.rd.Buffered() + len(x.pending); got != x.sent {
		t.Fatalf("%d bytes are on their way or held, want %d", got, x.sent)
	}
}

func TestAReaderIsTheListOfFramesThatWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &readerMachine{limit: rapid.OneOf(rapid.IntRange(2*headerSize, 200), rapid.IntRange(200, 20_000)).Draw(t, "limit")}
		x.rd = NewReader(x, x.limit)
		t.Repeat(rapid.StateMachineActions(x))
	})
}
