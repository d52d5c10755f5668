// Package dir keeps values in a folder, one file for each.
//
// It touches the file system, so nothing that is simulated imports it.
package dir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/maculamesh/macula/store"
)

// Dir is a store.Store in a folder. A file has the name of its key and holds a
// checksum of four bytes and the value, for its owner's eyes only.
//
// Put writes another file, waits until that is on the disk, and renames it, so
// a value is never there by half; what Sync adds is the folder with its names.
// One Dir may use a folder at a time: two of them would not lose values, but
// could undo each other's.
type Dir struct {
	path string
	mu   sync.Mutex // one change at a time: they share temporary names
}

var _ store.Store = (*Dir)(nil)

const (
	folderMode = 0o700
	fileMode   = 0o600
	sumSize    = 4
	temporary  = ".new-" // before the key; no key begins with a point
)

// Open returns the store in the folder at path, which it makes if it is not
// there; the folder above must be. It removes what a crash in the middle of a
// Put has left behind. It blocks for the time of a few disk accesses.
func Open(path string) (*Dir, error) {
	if err := os.Mkdir(path, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("store: cannot make the folder: %w", err)
	}
	d := &Dir{path: path}
	names, err := d.names()
	if err != nil {
		return nil, fmt.Errorf("store: cannot read the folder: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, temporary) {
			if err := os.Remove(filepath.Join(path, name)); err != nil {
				return nil, fmt.Errorf("store: cannot tidy the folder: %w", err)
			}
		}
	}
	return d, nil
}

// Get implements store.Store.
func (d *Dir) Get(key string) ([]byte, error) {
	if err := store.Check(key, nil); err != nil {
		return nil, err
	}
	text, err := d.read(key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", store.ErrNotFound, key)
	case err != nil:
		return nil, failed("get", key, err)
	case len(text) < sumSize || len(text) > sumSize+store.MaxValue:
		return nil, fmt.Errorf("%w: %s has %d bytes", store.ErrCorrupt, key, len(text))
	}
	data := text[sumSize:]
	if binary.BigEndian.Uint32(text) != checksum(data) {
		return data, fmt.Errorf("%w: the checksum of %s is wrong", store.ErrCorrupt, key)
	}
	return data, nil
}

// read returns the bytes of a file, or one more than the most that it can have.
func (d *Dir) read(key string) ([]byte, error) {
	f, err := os.Open(filepath.Join(d.path, key))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, sumSize+store.MaxValue+1))
}

// Put implements store.Store.
func (d *Dir) Put(key string, data []byte) error {
	if err := store.Check(key, data); err != nil {
		return err
	}
	text := binary.BigEndian.AppendUint32(make([]byte, 0, sumSize+len(data)), checksum(data))
	text = append(text, data...)
	d.mu.Lock()
	defer d.mu.Unlock()
	next := filepath.Join(d.path, temporary+key)
	err := write(next, text)
	if err == nil {
		err = os.Rename(next, filepath.Join(d.path, key))
	}
	if err != nil {
		os.Remove(next)
		return failed("put", key, err)
	}
	return nil
}

// write makes a file and returns when it is on the disk.
func write(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Delete implements store.Store.
func (d *Dir) Delete(key string) error {
	if err := store.Check(key, nil); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := os.Remove(filepath.Join(d.path, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("delete", key, err)
	}
	return nil
}

// Keys implements store.Store. Files of other names are not its own.
func (d *Dir) Keys() ([]string, error) {
	names, err := d.names()
	if err != nil {
		return nil, failed("keys", d.path, err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return store.Check(name, nil) != nil }), nil
}

// names returns the names of the files in the folder, in ascending order.
func (d *Dir) names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Sync implements store.Store.
func (d *Dir) Sync() error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there, and a rename is in the journal
	}
	f, err := os.Open(d.path)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return failed("sync", d.path, err)
	}
	return nil
}

// failed says what the file system said in the words of package store.
func failed(op, what string, err error) error {
	kind := store.ErrIO
	if errors.Is(err, syscall.ENOSPC) {
		kind = store.ErrFull
	}
	return fmt.Errorf("%w: %s %s: %w", kind, op, what, err)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }
