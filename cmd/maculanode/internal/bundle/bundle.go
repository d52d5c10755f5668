// Package bundle collects what is needed to find out what is wrong with a
// node into one archive, without what may not leave the machine.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// Part is a file of the archive.
type Part struct {
	Name string
	What string // what it is, for the list in front
	Data []byte
	Err  error // why it is missing; nil when it is there
	Raw  bool  // not text: secrets are not looked for, since what makes it writes no data of the process
}

// Bundle is what an archive is made of.
type Bundle struct {
	Made    time.Time
	About   string // the first line of the list
	Parts   []Part
	Left    []string // what is left out on purpose
	secrets [][]byte
}

// minSecret is the shortest run of bytes that is taken for a secret: a shorter
// one would be found everywhere.
const minSecret = 8

// Hide keeps the contents of a secret out of every part, whole and line by
// line, should they have got into one.
func (b *Bundle) Hide(secret []byte) {
	for _, s := range append([][]byte{secret}, bytes.Split(secret, []byte("\n"))...) {
		s = bytes.TrimSpace(s)
		if len(s) >= minSecret && !bytes.HasPrefix(s, []byte("-----")) {
			b.secrets = append(b.secrets, bytes.Clone(s))
		}
	}
}

// Add puts a file into the archive, or the reason why it is missing.
func (b *Bundle) Add(name, what string, data []byte, err error) {
	b.Parts = append(b.Parts, Part{Name: name, What: what, Data: data, Err: err})
}

// AddRaw is Add for a file that is not text, a profile.
func (b *Bundle) AddRaw(name, what string, data []byte, err error) {
	b.Parts = append(b.Parts, Part{Name: name, What: what, Data: data, Err: err, Raw: true})
}

// removed stands where a secret stood.
var removed = []byte("[removed]")

// clean is the text of a part without secrets.
func (b *Bundle) clean(p *Part) []byte {
	if p.Raw {
		return p.Data
	}
	data := p.Data
	for _, s := range b.secrets {
		data = bytes.ReplaceAll(data, s, removed)
	}
	return data
}

// List says what is in the archive, what is missing, and what is left out.
func (b *Bundle) List() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s\nMade at %s.\n\nIn it:\n", b.About, b.Made.UTC().Format(time.RFC3339))
	for _, p := range b.Parts {
		if p.Err == nil {
			fmt.Fprintf(&s, "  %-18s %s (%d bytes)\n", p.Name, p.What, len(p.Data))
		}
	}
	if missing := b.missing(); len(missing) > 0 {
		s.WriteString("\nMissing:\n")
		for _, p := range missing {
			fmt.Fprintf(&s, "  %-18s %s: %s\n", p.Name, p.What, strings.Join(strings.Fields(control.Text(p.Err)), " "))
		}
	}
	s.WriteString("\nLeft out on purpose:\n")
	for _, l := range b.Left {
		fmt.Fprintf(&s, "  %s\n", l)
	}
	return string(b.clean(&Part{Data: []byte(s.String())}))
}

func (b *Bundle) missing() (out []Part) {
	for _, p := range b.Parts {
		if p.Err != nil {
			out = append(out, p)
		}
	}
	return out
}

// Write makes the archive at path, readable by its owner only. It never
// overwrites: an existing file is an error that matches fs.ErrExist. On an
// error no file is left behind that was not there before.
func (b *Bundle) Write(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is something at %s already: name another file with --output: %w", path, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("the archive cannot be made: %w", err)
	}
	err = b.write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("the archive cannot be written: %w", err)
	}
	return nil
}

// folder is what everything in the archive is in.
const folder = "maculanode-support/"

func (b *Bundle) write(w io.Writer) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	put := func(name string, data []byte) error {
		h := &tar.Header{Name: folder + name, Mode: 0o600, Size: int64(len(data)), ModTime: b.Made, Typeflag: tar.TypeReg}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := t.Write(data)
		return err
	}
	if err := put("CONTENTS.txt", []byte(b.List())); err != nil {
		return err
	}
	for i := range b.Parts {
		if p := &b.Parts[i]; p.Err == nil {
			if err := put(p.Name, b.clean(p)); err != nil {
				return err
			}
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// Tail reads the last bytes of a file, at most max, beginning with a whole
// line.
func Tail(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no ordinary file", path)
	}
	from := info.Size() - max
	if from <= 0 {
		return io.ReadAll(io.LimitReader(f, max))
	}
	data, err := io.ReadAll(io.NewSectionReader(f, from, max))
	if err != nil {
		return data, err
	}
	return whole(data), nil
}

// whole is what begins with the first line that is there from its beginning.
func whole(data []byte) []byte {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return data[i+1:]
	}
	return data
}

// TailOf is Tail of what r gives until it ends. It holds three times max.
func TailOf(r io.Reader, max int) ([]byte, error) {
	var data []byte
	chunk, cut := make([]byte, max), false
	for {
		n, err := r.Read(chunk)
		data = append(data, chunk[:n]...)
		if over := len(data) - max; over > 0 && (over >= max || err != nil) {
			data, cut = append(data[:0], data[over:]...), true
		}
		switch {
		case err == io.EOF && cut:
			return whole(data), nil
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}
