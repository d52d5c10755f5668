package lease

import (
	"bytes"
	"testing"
	"testing/iotest"
	"time"
)

// FuzzRead demands that a message is 16 bytes, no more and no fewer, and is
// written as it was read.
func FuzzRead(f *testing.F) {
	for _, m := range []message{{}, {1, time.Second}, {1 << 32, -1}, {1<<64 - 1, 1<<63 - 1}, {1 << 63, -1 << 63}} {
		var b bytes.Buffer
		if err := write(&b, m); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:15])
		f.Add(append(b.Bytes(), 0))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		src := bytes.NewReader(b)
		m, err := read(src)
		slow, serr := read(iotest.OneByteReader(bytes.NewReader(b)))
		if (err == nil) != (len(b) >= 16) || (err == nil) != (serr == nil) || err == nil && (m != slow || src.Len() != len(b)-16) {
			t.Fatalf("%+v, %v, and byte by byte %+v, %v; %d bytes are left of %d", m, err, slow, serr, src.Len(), len(b))
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := write(&out, m); err != nil || !bytes.Equal(out.Bytes(), b[:16]) {
			t.Fatalf("%x became %x, %v", b[:16], out.Bytes(), err)
		}
	})
}
