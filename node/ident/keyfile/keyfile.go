// Package keyfile keeps the private key of a node in a file: PKCS#8 in PEM,
// for its owner's eyes only.
//
// It touches the file system, so no simulated node imports it.
package keyfile

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/maculamesh/macula/node/fault"
)

const (
	blockType = "PRIVATE KEY" // of PKCS#8 that is not encrypted
	maxSize   = 4 << 10       // an Ed25519 key takes 119 bytes
	mode      = 0o600
)

// Create writes key to a new file at path, readable by its owner only, and
// returns when it is on the disk. It never overwrites: an existing file is an
// error that matches fs.ErrExist. On an error no file is left behind that was
// not there before.
func Create(path string, key ed25519.PrivateKey) error {
	if !whole(key) {
		return fault.New("keyfile", fault.Invalid, "not an Ed25519 private key: its two halves do not belong together")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return &fault.Error{Op: "keyfile", Kind: fault.Internal, Err: err}
	}
	defer clear(der)
	text := pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})
	defer clear(text)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return &fault.Error{Op: "keyfile", Kind: fault.Invalid, Detail: "there is something at " + path + " already, and a key is never overwritten", Err: fs.ErrExist}
	}
	if err != nil {
		return &fault.Error{Op: "keyfile", Kind: fault.Internal, Detail: "cannot create the key file", Err: err}
	}
	if err := write(f, text); err != nil {
		os.Remove(path)
		return &fault.Error{Op: "keyfile", Kind: fault.Internal, Detail: "cannot write the key file", Err: err}
	}
	syncDir(filepath.Dir(path))
	return nil
}

// Load reads the key from the file at path. The error says in one line what
// is wrong: there is no file (it matches fs.ErrNotExist), path is a symbolic
// link, a directory or something else that is no file, others than the owner
// may read or write it, it holds no key, or a key of another type.
func Load(path string) (ed25519.PrivateKey, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, invalid("%s holds no key: it is not in PEM format", path)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, invalid("%s holds more than one key", path)
	case block.Type != blockType:
		return nil, invalid("%s holds a block %q; a node key is an Ed25519 key in a block %q", path, block.Type, blockType)
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, &fault.Error{Op: "keyfile", Kind: fault.Invalid, Detail: "the key in " + path + " is damaged", Err: err}
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, invalid("%s holds a key of type %T; a node key is an Ed25519 key", path, parsed)
	}
	return key, nil
}

func invalid(format string, args ...any) error {
	return fault.New("keyfile", fault.Invalid, format, args...)
}

// whole reports whether key has the right length and its public half belongs
// to the private one.
func whole(key ed25519.PrivateKey) bool {
	return len(key) == ed25519.PrivateKeySize && bytes.Equal(ed25519.NewKeyFromSeed(key.Seed()), key)
}

// read returns the content of a file that is nobody else's business.
func read(path string) ([]byte, error) {
	before, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fault.Error{Op: "keyfile", Kind: fault.NotFound, Detail: "there is no key file at " + path, Err: fs.ErrNotExist}
	case err != nil:
		return nil, &fault.Error{Op: "keyfile", Kind: fault.Internal, Detail: "cannot look at the key file", Err: err}
	}
	// Before it is opened: opening a pipe would block.
	if err := check(path, before); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &fault.Error{Op: "keyfile", Kind: fault.Internal, Detail: "cannot open the key file", Err: err}
	}
	defer f.Close()
	after, err := f.Stat()
	if err != nil || !os.SameFile(before, after) {
		return nil, invalid("%s was replaced while it was read", path)
	}
	if err := check(path, after); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, &fault.Error{Op: "keyfile", Kind: fault.Internal, Detail: "cannot read the key file", Err: err}
	}
	if len(text) > maxSize {
		return nil, invalid("%s holds no key: it has more than %d bytes", path, maxSize)
	}
	return text, nil
}

func check(path string, info fs.FileInfo) error {
	switch m := info.Mode(); {
	case m&fs.ModeSymlink != 0:
		return invalid("%s is a symbolic link; name the key file itself", path)
	case m.IsDir():
		return invalid("%s is a directory, not a key file", path)
	case !m.IsRegular():
		return invalid("%s is not a regular file", path)
	case m.Perm()&0o077 != 0 && runtime.GOOS != "windows": // there the bits say nothing
		return invalid("%s can be read or written by others than its owner (mode %04o); run: chmod 600 %s", path, m.Perm(), path)
	}
	return nil
}

// write fills a new file, flushes it to the disk and closes it.
func write(f *os.File, text []byte) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// syncDir makes the name of a new file survive a power cut. Some file systems
// cannot; that costs the name, not the key's secrecy.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
