package dir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/maculamesh/macula/store"
	"github.com/maculamesh/macula/store/dir"
	"github.com/maculamesh/macula/store/storetest"
)

// folder is a storetest.World: each run opens the folder anew.
type folder struct {
	t    *testing.T
	path string
}

func (f folder) Run(use func(s store.Store)) {
	d, err := dir.Open(f.path)
	if err != nil {
		f.t.Error(err)
		return
	}
	use(d)
}

func TestAFolderConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.World { return folder{t, filepath.Join(t.TempDir(), "store")} })
}

func open(t *testing.T) (*dir.Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	d, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d, path
}

func TestADamagedFileIsFoundOut(t *testing.T) {
	d, path := open(t)
	for _, c := range []struct {
		name, text, left string
	}{
		{"cut", "", ""},
		{"no checksum", "abc", ""},
		{"another checksum", "\x00\x00\x00\x00value", "value"},
		{"too long", string(make([]byte, store.MaxValue+5)), ""},
	} {
		if err := os.WriteFile(filepath.Join(path, "key"), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if data, err := d.Get("key"); !errors.Is(err, store.ErrCorrupt) || string(data) != c.left {
			t.Errorf("%s: %q, %v", c.name, data, err)
		}
	}
	if err := d.Put("key", []byte("again")); err != nil {
		t.Fatal(err)
	}
	if data, err := d.Get("key"); err != nil || string(data) != "again" {
		t.Errorf("after another Put: %q, %v", data, err)
	}
}

func TestWhatACrashInAPutLeavesIsTidiedUp(t *testing.T) {
	d, path := open(t)
	d.Put("key", []byte("old"))
	half := filepath.Join(path, ".new-key")
	if err := os.WriteFile(half, []byte("ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := d.Keys(); err != nil || !slices.Equal(keys, []string{"key"}) {
		t.Errorf("Keys: %q, %v", keys, err)
	}
	again, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := again.Get("key"); err != nil || string(data) != "old" {
		t.Errorf("Get: %q, %v", data, err)
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half file is still there: %v", err)
	}
	os.WriteFile(half, []byte("longer than what comes"), 0o600)
	again.Put("key", []byte("new"))
	if data, err := again.Get("key"); err != nil || string(data) != "new" {
		t.Errorf("over a half file: %q, %v", data, err)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	d, path := open(t)
	d.Put("key", []byte("secret"))
	for name, want := range map[string]os.FileMode{path: 0o700, filepath.Join(path, "key"): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	d, path := open(t)
	os.WriteFile(filepath.Join(path, "README.TXT"), nil, 0o600)
	os.Mkdir(filepath.Join(path, "folder"), 0o700)
	if keys, err := d.Keys(); err != nil || len(keys) > 0 {
		t.Errorf("Keys: %q, %v", keys, err)
	}
	if _, err := d.Get("folder"); !errors.Is(err, store.ErrIO) {
		t.Errorf("Get of a folder: %v", err)
	}
	if err := d.Put("folder", nil); !errors.Is(err, store.ErrIO) {
		t.Errorf("Put over a folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(path, ".new-folder")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a Put that failed leaves its file: %v", err)
	}
}

func TestAFolderThatCannotBeMadeIsAnError(t *testing.T) {
	if _, err := dir.Open(filepath.Join(t.TempDir(), "not", "there")); err == nil {
		t.Error("no error without the folder above")
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := dir.Open(file); err == nil {
		t.Error("no error for a file")
	}
}

func TestADirServesManyTasks(t *testing.T) {
	d, _ := open(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			value := fmt.Sprint("value ", i)
			for range 20 {
				if err := d.Put("shared", []byte(value)); err != nil {
					t.Error(err)
				}
				if data, err := d.Get("shared"); err != nil || len(data) != len(value) {
					t.Errorf("%q, %v", data, err)
				}
			}
		})
	}
	wg.Wait()
	if err := d.Sync(); err != nil {
		t.Error(err)
	}
}
