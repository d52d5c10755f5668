package rawquic

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/iotest"
)

// FuzzRead compares frames that are read at once, and byte by byte, with the
// plain meaning of the format.
func FuzzRead(f *testing.F) {
	frame := func(number uint32, body string) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		return append(binary.BigEndian.AppendUint32(b, number), body...)
	}
	f.Add(append(frame(1, "one"), frame(1<<32-1, "")...))
	f.Add(frame(7, "cut")[:9])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 2})
	f.Add([]byte{})
	f.Add(frame(1, string(make([]byte, MaxBody))))
	f.Add(frame(1, string(make([]byte, MaxBody+1))))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var want []byte
		rest := stream
		for len(rest) >= headerSize {
			n := uint64(binary.BigEndian.Uint32(rest))
			if n > MaxBody || uint64(len(rest)-headerSize) < n {
				break
			}
			want = append(want, frame(binary.BigEndian.Uint32(rest[4:]), string(rest[headerSize:headerSize+n]))...)
			rest = rest[headerSize+n:]
		}
		var all, slow []byte
		keep := func(to *[]byte) func(uint32, []byte) error {
			return func(number uint32, body []byte) error { *to = append(*to, frame(number, string(body))...); return nil }
		}
		if read(bytes.NewReader(stream), keep(&all)) == nil || read(iotest.OneByteReader(bytes.NewReader(stream)), keep(&slow)) == nil {
			t.Fatal("it ended without an error")
		}
		if !bytes.Equal(all, want) || !bytes.Equal(slow, want) {
			t.Fatalf("%x, and byte by byte %x, want %x", all, slow, want)
		}
	})
}
