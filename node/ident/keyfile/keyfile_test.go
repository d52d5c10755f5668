//go:build unix

package keyfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ident/keyfile"
)

func newKey(t *testing.T, seed byte) ed25519.PrivateKey {
	t.Helper()
	key, err := ident.Generate(bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// write puts text into a file that only its owner may read.
func write(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "node.key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func encoded(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestAKeyIsReadBackAndIsForItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.key")
	key := newKey(t, 1)
	old := syscall.Umask(0)
	err := keyfile.Create(path, key)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("mode %v, %v, want 0600 whatever the umask is", info.Mode(), err)
	}
	got, err := keyfile.Load(path)
	if err != nil || !got.Equal(key) {
		t.Fatalf("Load: %v", err)
	}
}

func TestAnExistingFileIsNeverOverwritten(t *testing.T) {
	key := newKey(t, 1)
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	for name, prepare := range map[string]func(path string) error{
		"a file":        func(p string) error { return os.WriteFile(p, []byte("mine"), 0o644) },
		"an empty file": func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"a directory":   func(p string) error { return os.Mkdir(p, 0o700) },
		"a link to a file": func(p string) error {
			return errors.Join(os.WriteFile(target, []byte("mine"), 0o600), os.Symlink(target, p))
		},
		"a link that leads nowhere":  func(p string) error { return os.Symlink(filepath.Join(dir, "nothing"), p) },
		"the key that it would hold": func(p string) error { return keyfile.Create(p, key) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "node.key")
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			err := keyfile.Create(path, newKey(t, 2))
			if !errors.Is(err, fs.ErrExist) || !errors.Is(err, fault.Invalid) {
				t.Fatalf("Create: %v, want fs.ErrExist", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Fatalf("the file has changed from %q to %q", before, after)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Fatalf("what was there is gone: %v", err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "nothing")); err == nil {
				t.Fatal("a key was written through a link")
			}
		})
	}
}

func TestOfManyWhoCreateAtOnceOneWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.key")
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []ed25519.PrivateKey
	for i := range 16 {
		key := newKey(t, byte(i))
		wg.Go(func() {
			err := keyfile.Create(path, key)
			if err == nil {
				mu.Lock()
				winners = append(winners, key)
				mu.Unlock()
			} else if !errors.Is(err, fs.ErrExist) {
				t.Errorf("a loser got %v", err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d winners", len(winners))
	}
	if got, err := keyfile.Load(path); err != nil || !got.Equal(winners[0]) {
		t.Fatalf("the file does not hold the winner's key: %v", err)
	}
}

func TestNoFileIsLeftBehindWhenItCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := keyfile.Create(filepath.Join(dir, "no", "node.key"), newKey(t, 1)); !errors.Is(err, fault.Internal) {
		t.Errorf("into a directory that is not there: %v, want Internal", err)
	}
	for name, key := range map[string]ed25519.PrivateKey{
		"no key": nil, "a short key": newKey(t, 1)[:63],
		"halves of two keys": append(append(ed25519.PrivateKey{}, newKey(t, 1)[:32]...), newKey(t, 2)[32:]...),
	} {
		if err := keyfile.Create(filepath.Join(dir, "node.key"), key); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAKeyThatOthersMayReadOrWriteIsRefused(t *testing.T) {
	text := encoded(t, newKey(t, 1))
	for _, mode := range []fs.FileMode{0o400, 0o600, 0o700, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o060, 0o006} {
		path := write(t, text)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := keyfile.Load(path)
		switch {
		case mode&0o077 == 0 && err != nil:
			t.Errorf("mode %04o: %v", mode, err)
		case mode&0o077 != 0 && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "chmod 600 "+path)):
			t.Errorf("mode %04o: %v, want Invalid and what to do", mode, err)
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	good := encoded(t, newKey(t, 1))
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(good)
	short := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes[:len(block.Bytes)-1]})
	for want, text := range map[string][]byte{
		"not in PEM format":           []byte("hello"),
		"holds no key":                nil,
		"it is not in PEM":            good[:len(good)-10],
		"damaged":                     short,
		"holds more than one key":     append(append([]byte{}, good...), good...),
		"holds a key of type *ecdsa":  encoded(t, other),
		`holds a block "CERTIFICATE"`: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
		`block "OPENSSH PRIVATE KEY"`: pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")}),
		"it has more than 4096 bytes": append(append([]byte{}, good...), bytes.Repeat([]byte("\n"), 4096)...),
	} {
		key, err := keyfile.Load(write(t, text))
		if key != nil || !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want Invalid with %q", err, want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q has more than one line", err)
		}
	}
}

func TestEveryCutOfAKeyFileIsRefused(t *testing.T) {
	good := encoded(t, newKey(t, 1))
	path := write(t, good)
	for n := range len(good) - 1 { // the last byte is the end of the line
		if err := os.WriteFile(path, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if key, err := keyfile.Load(path); key != nil || !errors.Is(err, fault.Invalid) {
			t.Fatalf("the first %d of %d bytes: %v, want Invalid", n, len(good), err)
		}
	}
}

func TestOnlyARegularFileIsRead(t *testing.T) {
	dir := t.TempDir()
	path := write(t, encoded(t, newKey(t, 1)))
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink(path, link), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{link: "symbolic link", pipe: "not a regular file", dir: "is a directory"} {
		if _, err := keyfile.Load(p); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(p), err, want)
		}
	}
	_, err := keyfile.Load(filepath.Join(dir, "nothing"))
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, fault.NotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
}
