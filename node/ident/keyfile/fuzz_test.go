package keyfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/maculamesh/macula/node/ident/keyfile"
)

// FuzzLoad reads files of all sorts. What is taken is a whole Ed25519 key that
// is written and read back as it was; of what is not, the error is one short
// line that shows nothing of what the file holds.
func FuzzLoad(f *testing.F) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	other, err := x509.MarshalPKCS8PrivateKey(&ecdsa.PrivateKey{
		PublicKey: ecdsa.PublicKey{Curve: elliptic.P256(), X: elliptic.P256().Params().Gx, Y: elliptic.P256().Params().Gy}, D: big.NewInt(1),
	})
	if err != nil {
		f.Fatal(err)
	}
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	good := block("PRIVATE KEY", der)
	for _, text := range [][]byte{
		good, good[:len(good)/2], good[:len(good)-2], append(bytes.Clone(good), good...), append(bytes.Clone(good), "\n\n"...),
		append([]byte("a line before\n"), good...), append(bytes.Clone(good), "and one behind"...),
		block("PRIVATE KEY", other), block("EC PRIVATE KEY", der), block("CERTIFICATE", der), block("PRIVATE KEY", der[:20]), block("PRIVATE KEY", append(der, 0)),
		block("PRIVATE KEY", bytes.Repeat([]byte{0x30, 0x80}, 500)), // nested without an end
		block("PRIVATE KEY", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 0}),
		[]byte("-----BEGIN \x1b[2J\xff-----\nAAAA\n-----END \x1b[2J\xff-----\n"),
		[]byte("-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END PRIVATE KEY-----\n"),
		bytes.Repeat([]byte("-----BEGIN PRIVATE KEY-----\n"), 100), bytes.Repeat([]byte{'\n'}, 5000), {}, {0xff, 0},
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "node.key")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := keyfile.Load(path)
		if err != nil {
			msg := err.Error()
			if got != nil || len(msg) > len(path)+400 || strings.ContainsFunc(msg, unicode.IsControl) {
				t.Fatalf("%q", msg)
			}
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); len(line) > 40 && !strings.HasPrefix(line, "-----") && strings.Contains(msg, line) {
					t.Fatalf("the error shows what is in the file: %q", msg)
				}
			}
			return
		}
		if len(text) > 4096 || len(got) != ed25519.PrivateKeySize || !bytes.Equal(ed25519.NewKeyFromSeed(got.Seed()), got) {
			t.Fatalf("%d bytes are taken for a key of %d", len(text), len(got))
		}
		copied := filepath.Join(dir, "copy.key")
		defer os.Remove(copied)
		if err := keyfile.Create(copied, got); err != nil {
			t.Fatal(err)
		}
		if again, err := keyfile.Load(copied); err != nil || !again.Equal(got) {
			t.Fatalf("written and read again: %v", err)
		}
	})
}
