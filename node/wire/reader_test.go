package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
)

// frame returns a frame of n payload bytes with a pattern in it.
func frame(kind byte, n int) []byte {
	b := begin(nil, kind)
	for i := range n {
		b = append(b, byte(i)^kind)
	}
	return finish(b, 0)
}

// chopped gives a stream away in pieces of the given sizes, the last bytes
// together with the error.
type chopped struct {
	b    []byte
	size func() int
	err  error
}

func (c *chopped) Read(p []byte) (int, error) {
	n := copy(p, c.b[:min(len(c.b), c.size())])
	c.b = c.b[n:]
	if len(c.b) == 0 {
		return n, c.err
	}
	return n, nil
}

func TestReaderYieldsTheFramesHoweverTheStreamIsChopped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOf(rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 20_000))).Draw(t, "frames")
		var stream []byte
		for i, n := range sizes {
			stream = append(stream, frame(byte(i), n)...)
		}
		piece := rapid.OneOf(rapid.IntRange(0, 64), rapid.IntRange(1, 9000))
		rd := NewReader(&chopped{b: stream, size: func() int { return piece.Draw(t, "piece") }, err: io.EOF}, 20_005)
		for i, n := range sizes {
			kind, payload, err := rd.Next()
			if err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
			if want := frame(byte(i), n); kind != want[4] || !bytes.Equal(payload, want[5:]) {
				t.Fatalf("frame %d of %d bytes came out wrong", i, n)
			}
			if cap(payload) != len(payload) {
				t.Fatal("an append to the payload would overwrite the next frame")
			}
		}
		if _, _, err := rd.Next(); err != io.EOF {
			t.Fatalf("after the last frame: %v", err)
		}
	})
}

func TestReaderRefusesAFrameOverTheLimitBeforeItHoldsAnything(t *testing.T) {
	for _, length := range []uint32{97, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		src := append(binary.BigEndian.AppendUint32(nil, length), make([]byte, 600)...)
		rd := NewReader(bytes.NewReader(src), 100)
		_, _, err := rd.Next()
		if !errors.Is(err, fault.TooLarge) {
			t.Errorf("length %d: %v, want TooLarge", length, err)
		}
		if rd.Held() > idleBuffer {
			t.Errorf("length %d: the reader holds %d bytes", length, rd.Held())
		}
		if _, _, again := rd.Next(); !errors.Is(again, fault.TooLarge) {
			t.Errorf("length %d: the reader went on: %v", length, again)
		}
	}
	rd := NewReader(bytes.NewReader(frame(1, 95)), 100)
	if _, payload, err := rd.Next(); err != nil || len(payload) != 95 {
		t.Errorf("a frame of exactly the limit: %d bytes, %v", len(payload), err)
	}
}

// drip gives one byte at a time and checks what the reader holds meanwhile.
type drip struct {
	t    *testing.T
	rd   *Reader
	b    []byte
	sent int
}

func (d *drip) Read(p []byte) (int, error) {
	if limit := max(busyBuffer, 3*d.sent); d.rd.Held() > limit {
		d.t.Fatalf("after %d bytes the reader holds %d", d.sent, d.rd.Held())
	}
	if d.sent == len(d.b) {
		return 0, io.EOF
	}
	p[0] = d.b[d.sent]
	d.sent++
	return 1, nil
}

func TestASlowPeerHoldsOnlyWhatItHasSent(t *testing.T) {
	for _, n := range []int{10, busyBuffer, MaxSmall, 200_000} {
		d := &drip{t: t, b: frame(1, n)}
		d.rd = NewReader(d, 1<<20)
		if _, payload, err := d.rd.Next(); err != nil || len(payload) != n {
			t.Fatalf("%d bytes, %v", len(payload), err)
		}
		if most := max(n+headerSize, busyBuffer); d.rd.Held() > most {
			t.Errorf("a frame of %d bytes made the reader hold %d", n, d.rd.Held())
		}
	}
}

func TestReaderGivesTheRoomOfALargeFrameBack(t *testing.T) {
	pr := &chopped{b: append(frame(1, 100_000), frame(2, 10)...), size: func() int { return 1000 }, err: io.EOF}
	rd := NewReader(pr, 1<<20)
	rd.Next()
	rd.Next()
	if rd.Next(); rd.Held() > busyBuffer {
		t.Errorf("waiting for the next frame the reader holds %d bytes", rd.Held())
	}
}

func TestReaderGrowsWhileBusyAndShrinksWhenQuiet(t *testing.T) {
	size := 10_000
	src := &chopped{b: bytes.Repeat(frame(1, 40), 2000), size: func() int { return size }, err: io.EOF}
	rd := NewReader(src, 1000)
	for range 500 {
		rd.Next()
	}
	if rd.Held() != busyBuffer {
		t.Errorf("busy: the reader holds %d bytes, want %d", rd.Held(), busyBuffer)
	}
	size = 45
	for range 500 {
		if _, _, err := rd.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if rd.Held() != idleBuffer {
		t.Errorf("quiet: the reader holds %d bytes, want %d", rd.Held(), idleBuffer)
	}
}

func TestANewReaderHoldsNothing(t *testing.T) {
	if rd := NewReader(nil, 100); rd.Held() != 0 || rd.Buffered() != 0 {
		t.Error("it holds a buffer before anything was read")
	}
}

func TestReaderEndOfStream(t *testing.T) {
	whole := frame(7, 50)
	for n := range len(whole) {
		for _, src := range []io.Reader{bytes.NewReader(whole[:n]), iotest.DataErrReader(bytes.NewReader(whole[:n]))} {
			rd := NewReader(src, 100)
			_, _, err := rd.Next()
			if n == 0 {
				if err != io.EOF {
					t.Errorf("empty stream: %v", err)
				}
				continue
			}
			if !errors.Is(err, fault.Protocol) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the stream ended after %d of %d bytes: %v", n, len(whole), err)
			}
		}
	}
}

func TestReaderRefusesAFrameWithoutAKind(t *testing.T) {
	if _, _, err := NewReader(bytes.NewReader(make([]byte, 10)), 100).Next(); !errors.Is(err, fault.Protocol) {
		t.Errorf("length 0: %v", err)
	}
}

func TestReaderGoesOnAfterADeadline(t *testing.T) {
	whole := frame(7, 50)
	for cut := range len(whole) {
		src := io.MultiReader(
			bytes.NewReader(whole[:cut]),
			onceReader(os.ErrDeadlineExceeded),
			bytes.NewReader(whole[cut:]),
		)
		rd := NewReader(src, 100)
		if _, _, err := rd.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("cut at %d: %v, want the deadline", cut, err)
		}
		if kind, payload, err := rd.Next(); err != nil || kind != 7 || !bytes.Equal(payload, whole[5:]) {
			t.Fatalf("cut at %d: after the deadline: %d, %d bytes, %v", cut, kind, len(payload), err)
		}
	}
}

// onceReader fails once and is then at its end.
func onceReader(err error) io.Reader {
	failed := false
	return readerFunc(func([]byte) (int, error) {
		if failed {
			return 0, io.EOF
		}
		failed = true
		return 0, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReaderGivesUpOnASourceThatReturnsNothing(t *testing.T) {
	rd := NewReader(readerFunc(func([]byte) (int, error) { return 0, nil }), 100)
	if _, _, err := rd.Next(); err != io.ErrNoProgress {
		t.Errorf("%v, want io.ErrNoProgress", err)
	}
}

func TestReaderDoesNotAllocatePerFrame(t *testing.T) {
	b := frame(1, 64)
	i := 0
	rd := NewReader(readerFunc(func(p []byte) (int, error) {
		for j := range p {
			p[j] = b[i]
			i = (i + 1) % len(b)
		}
		return len(p), nil
	}), MaxFrame)
	for range 200 {
		rd.Next()
	}
	if n := testing.AllocsPerRun(1000, func() { rd.Next() }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}
