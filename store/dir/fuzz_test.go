package dir

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/maculamesh/macula/store"
)

// FuzzGet puts any bytes where the file of a value is. They are a value exactly
// when the checksum in front is that of the rest; else the error says that the
// value is damaged.
func FuzzGet(f *testing.F) {
	value := func(data []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))), data...)
	}
	good := value([]byte("a floor, a grant, an identity"))
	for _, b := range [][]byte{good, good[:3], good[:4], good[:len(good)-1], append(bytes.Clone(good), 0), value(nil), {}, {0, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 64), value(bytes.Repeat([]byte{1}, 5000))} {
		f.Add(b)
	}
	path := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "key"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := d.Get("key")
		sound := len(text) >= 4 && len(text) <= 4+store.MaxValue && bytes.Equal(value(text[4:]), text)
		switch {
		case sound && (err != nil || !bytes.Equal(got, text[4:])):
			t.Fatalf("%x, %v", got, err)
		case !sound && !errors.Is(err, store.ErrCorrupt):
			t.Fatalf("%x is taken for a value: %v", text, err)
		case !sound && len(got) > len(text):
			t.Fatalf("%d bytes of %d", len(got), len(text))
		}
	})
}
