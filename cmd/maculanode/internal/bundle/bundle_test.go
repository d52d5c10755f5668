package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// unpacked reads an archive.
func unpacked(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.FileInfo().Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", h.Name, h.FileInfo().Mode())
		}
		out[h.Name] = string(data)
	}
}

func TestSecretsAreRemovedFromEveryPartAndFromTheList(t *testing.T) {
	b := &Bundle{Made: time.Unix(1e9, 0), About: "About.", Left: []string{"the key"}}
	b.Hide([]byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIK\n-----END PRIVATE KEY-----\n"))
	b.Hide([]byte("a-token-of-somebody\n"))
	b.Hide([]byte("x\n")) // too short to be looked for
	b.Add("log.txt", "a log", []byte("x MC4CAQAwBQYDK2VwBCIEIK y\nBearer a-token-of-somebody\n"), nil)
	b.Add("metrics.txt", "metrics", nil, errors.New("Get http://u:a-token-of-somebody@h/:\nrefused"))
	path := filepath.Join(t.TempDir(), "b.tar.gz")
	if err := b.Write(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	got := unpacked(t, path)
	for name, text := range got {
		if strings.Contains(text, "MC4CAQAwBQYDK2VwBCIEIK") || strings.Contains(text, "a-token-of-somebody") {
			t.Errorf("%s: %q", name, text)
		}
	}
	if want := "x [removed] y\nBearer [removed]\n"; got[folder+"log.txt"] != want {
		t.Errorf("the log is %q", got[folder+"log.txt"])
	}
	list := got[folder+"CONTENTS.txt"]
	for _, want := range []string{"2001-09-09T01:46:40Z", "log.txt", "metrics: Get http://u:[removed]@h/: refused\n", "Left out on purpose:\n  the key\n"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in %q", want, list)
		}
	}
	if len(got) != 2 {
		t.Errorf("%d files", len(got))
	}

	before, _ := os.ReadFile(path)
	if err := b.Write(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over another: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the other archive has changed")
	}
}

func TestPasswordsAreTakenOutOfURLs(t *testing.T) {
	for value, want := range map[string]string{
		"300s": "300s",
		"":     "",
		"demo.a=http://user:pass@h:80/x?token=1#f, b=https://h/": "demo.a=http://removed@h:80/x?removed, b=https://h/",
		"demo.a=http://u%zz@h/":                                  "demo.a=[removed]",
		"http://u:p@h":                                           "http://removed@h",
	} {
		if got := Redact(value); got != want {
			t.Errorf("%q became %q, want %q", value, got, want)
		}
	}
}

func TestTheTailOfAFileBeginsWithAWholeLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("first\nsecond\nthird\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for max, want := range map[int64]string{100: "first\nsecond\nthird\n", 19: "first\nsecond\nthird\n", 18: "second\nthird\n", 8: "third\n", 6: ""} {
		if got, err := Tail(path, max); err != nil || string(got) != want {
			t.Errorf("the last %d bytes: %q, %v", max, got, err)
		}
		for _, r := range []io.Reader{strings.NewReader("first\nsecond\nthird\n"), iotest.OneByteReader(strings.NewReader("first\nsecond\nthird\n")), iotest.DataErrReader(strings.NewReader("first\nsecond\nthird\n"))} {
			if got, err := TailOf(r, int(max)); err != nil || string(got) != want {
				t.Errorf("the last %d bytes of a stream: %q, %v", max, got, err)
			}
		}
	}
	const most = 512
	if got, err := TailOf(io.LimitReader(endless{}, 1000*most), most); err != nil || len(got) != most || cap(got) > 4*most {
		t.Errorf("of a long stream %d bytes are left, in %d, %v", len(got), cap(got), err)
	}
	if _, err := Tail(filepath.Dir(path), 10); err == nil {
		t.Error("a directory has a tail")
	}
}

// endless is one line without an end.
type endless struct{}

// Read implements io.Reader.
func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
