//go:build unix

package keyfile_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident/keyfile"
)

// entry is what the model knows of a name in the directory.
type entry struct {
	mode fs.FileMode // with the type
	text []byte
}

// folder is a directory in which keys are created and read while others change
// what is there.
type folder struct {
	dir   string
	keys  []ed25519.PrivateKey
	texts [][]byte // of the keys, as Create writes them
	model map[string]entry
}

var fileNames = []string{"a.key", "b.key", "c.key"}

// holds returns the key that a text is, or nil: there may be white space behind
// it, up to the size that is read.
func (x *folder) holds(text []byte) ed25519.PrivateKey {
	for i, good := range x.texts {
		if len(text) <= 4096 && bytes.Equal(bytes.TrimRight(text, " \t\r\n"), bytes.TrimSpace(good)) {
			return x.keys[i]
		}
	}
	return nil
}

func (x *folder) name(t *rapid.T) string { return rapid.SampledFrom(fileNames).Draw(t, "name") }

// put does to the file and to the model what others do: a file with that text.
func (x *folder) put(t *rapid.T, name string, e entry) {
	path := filepath.Join(x.dir, name)
	err := errors.Join(os.RemoveAll(path), os.WriteFile(path, e.text, 0o600), os.Chmod(path, e.mode))
	if err != nil {
		t.Fatal(err)
	}
	x.model[name] = e
}

// Create makes a key file; the last of the keys is none.
func (x *folder) Create(t *rapid.T) {
	name, i := x.name(t), rapid.IntRange(0, len(x.keys)).Draw(t, "key")
	var key ed25519.PrivateKey
	if i < len(x.keys) {
		key = x.keys[i]
	}
	err := keyfile.Create(filepath.Join(x.dir, name), key)
	_, there := x.model[name]
	switch {
	case key == nil:
		if !errors.Is(err, fault.Invalid) || errors.Is(err, fs.ErrExist) {
			t.Fatalf("Create without a key: %v", err)
		}
	case there:
		if !errors.Is(err, fs.ErrExist) || !errors.Is(err, fault.Invalid) {
			t.Fatalf("Create over what is there: %v", err)
		}
	case err != nil:
		t.Fatalf("Create: %v", err)
	default:
		x.model[name] = entry{0o600, x.texts[i]}
	}
}

func (x *folder) Chmod(t *rapid.T) {
	name := x.name(t)
	e, ok := x.model[name]
	if !ok || !e.mode.IsRegular() {
		t.Skip("no file")
	}
	e.mode = rapid.SampledFrom([]fs.FileMode{0o600, 0o400, 0o700, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777}).Draw(t, "mode")
	if err := os.Chmod(filepath.Join(x.dir, name), e.mode); err != nil {
		t.Fatal(err)
	}
	x.model[name] = e
}

func (x *folder) Truncate(t *rapid.T) {
	name := x.name(t)
	e, ok := x.model[name]
	if !ok || !e.mode.IsRegular() || len(e.text) == 0 {
		t.Skip("nothing to cut")
	}
	e.text = e.text[:rapid.IntRange(0, len(e.text)-1).Draw(t, "bytes")]
	x.put(t, name, e)
}

// Append puts something behind a key.
func (x *folder) Append(t *rapid.T) {
	name := x.name(t)
	e, ok := x.model[name]
	if !ok || x.holds(e.text) == nil {
		t.Skip("no key")
	}
	more := [][]byte{[]byte("\n"), []byte(" \t\r\n"), bytes.Repeat([]byte("\n"), 4096), []byte("x"), x.texts[0]}
	e.text = append(slices.Clone(e.text), more[rapid.IntRange(0, len(more)-1).Draw(t, "more")]...)
	x.put(t, name, e)
}

// Write puts something of others in the place of a file.
func (x *folder) Write(t *rapid.T) {
	i := rapid.IntRange(0, len(x.keys)).Draw(t, "key")
	e := entry{mode: 0o600, text: rapid.SliceOfN(rapid.ByteRange(' ', '~'), 0, 200).Draw(t, "text")}
	if i < len(x.keys) {
		e.text = x.texts[i]
	}
	x.put(t, x.name(t), e)
}

// Other puts something in the place of a file that is none: a directory, or a
// link to a good key.
func (x *folder) Other(t *rapid.T) {
	name := x.name(t)
	path := filepath.Join(x.dir, name)
	err, mode := os.RemoveAll(path), fs.ModeDir
	if rapid.Bool().Draw(t, "link") {
		mode = fs.ModeSymlink
		err = errors.Join(err, os.Symlink(filepath.Join(filepath.Dir(x.dir), "good.key"), path))
	} else {
		err = errors.Join(err, os.Mkdir(path, 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	x.model[name] = entry{mode: mode}
}

func (x *folder) Remove(t *rapid.T) {
	name := x.name(t)
	if err := os.RemoveAll(filepath.Join(x.dir, name)); err != nil {
		t.Fatal(err)
	}
	delete(x.model, name)
}

// Check loads every file, and demands that nothing else is there and that
// nothing has changed by it.
func (x *folder) Check(t *rapid.T) {
	for _, name := range fileNames {
		path := filepath.Join(x.dir, name)
		e, there := x.model[name]
		key := x.holds(e.text)
		got, err := keyfile.Load(path)
		switch good := key != nil && e.mode.IsRegular() && e.mode&0o077 == 0; {
		case good && (err != nil || !got.Equal(key)):
			t.Fatalf("Load of a good key: %v", err)
		case !there && (got != nil || !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, fault.NotFound)):
			t.Fatalf("Load of nothing: %v", err)
		case there && !good && (got != nil || !errors.Is(err, fault.Invalid)):
			t.Fatalf("Load of a file with mode %v and %q: %v", e.mode, e.text, err)
		}
		if !there || !e.mode.IsRegular() {
			continue
		}
		info, err := os.Lstat(path)
		text, rerr := os.ReadFile(path)
		if err != nil || rerr != nil || info.Mode() != e.mode || !bytes.Equal(text, e.text) {
			t.Fatalf("%s has mode %v and %d bytes, want %v and %d", name, info.Mode(), len(text), e.mode, len(e.text))
		}
	}
	left, err := os.ReadDir(x.dir)
	if err != nil || len(left) != len(x.model) {
		t.Fatalf("there is %v, want %v", left, slices.Sorted(maps.Keys(x.model)))
	}
}

// Whatever others do to the files: Create writes what was not there, for its
// owner only, and nothing else; Load takes whole keys that nobody else may
// read or write, and changes nothing.
func TestKeyFilesFollowTheirModel(t *testing.T) {
	keys := []ed25519.PrivateKey{newKey(t, 1), newKey(t, 2)}
	texts := [][]byte{encoded(t, keys[0]), encoded(t, keys[1])}
	parent := t.TempDir()
	if err := keyfile.Create(filepath.Join(parent, "good.key"), keys[0]); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(parent, "folder")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		t.Repeat(rapid.StateMachineActions(&folder{dir, keys, texts, map[string]entry{}}))
	})
}
