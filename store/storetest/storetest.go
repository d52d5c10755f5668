// Package storetest is the conformance suite of store.Store: every sentence of
// its contract as a case that runs on any store, faults aside.
package storetest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/store"
)

// World is an empty store together with the power to use and restart it.
type World interface {
	// Run calls f with the store, as a task where that is needed, and returns
	// when f has. Between two calls what uses the store is restarted as by a
	// crash, and the store stays.
	Run(f func(s store.Store))
}

// Run runs the suite, each case in a world of its own. Its checks fail the
// test by Errorf, since a task must not be ended from within in simulation.
func Run(t *testing.T, newWorld func(t *testing.T) World) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, f := range c.runs {
				w.Run(func(s store.Store) { f(&probe{s, t}) })
			}
		})
	}
}

// probe is a store with checks.
type probe struct {
	store.Store
	t *testing.T
}

// put sets a value.
func (p *probe) put(key, value string) {
	if err := p.Put(key, []byte(value)); err != nil {
		p.t.Errorf("Put(%q): %v", key, err)
	}
}

// is demands that the key has that value.
func (p *probe) is(key, value string) {
	if got, err := p.Get(key); err != nil || string(got) != value {
		p.t.Errorf("Get(%q): %.40q, %v, want %.40q", key, got, err, value)
	}
}

// gone demands that there is no such key.
func (p *probe) gone(key string) {
	if got, err := p.Get(key); !errors.Is(err, store.ErrNotFound) || got != nil {
		p.t.Errorf("Get(%q): %q, %v, want ErrNotFound", key, got, err)
	}
}

func (p *probe) delete(key string) {
	if err := p.Delete(key); err != nil {
		p.t.Errorf("Delete(%q): %v", key, err)
	}
}

func (p *probe) sync() {
	if err := p.Sync(); err != nil {
		p.t.Errorf("Sync: %v", err)
	}
}

// keys demands that these are all keys.
func (p *probe) keys(want ...string) {
	if got, err := p.Keys(); err != nil || !slices.Equal(got, want) {
		p.t.Errorf("Keys: %q, %v, want %q", got, err, want)
	}
}

// invalid are texts that are no keys.
var invalid = []string{"", ".", "..", ".hidden", "a/b", "../a", `a\b`, "A", "a b", "a\x00", "ä", strings.Repeat("a", store.MaxKey+1)}

var cases = []struct {
	name string
	runs []func(p *probe)
}{
	{"a new store is empty", []func(p *probe){func(p *probe) {
		p.keys()
		p.gone("key")
	}}},
	{"what is put is there at once", []func(p *probe){func(p *probe) {
		p.put("key", "value")
		p.put("empty", "")
		p.is("key", "value")
		p.is("empty", "")
		p.keys("empty", "key")
	}}},
	{"a value is replaced as a whole", []func(p *probe){func(p *probe) {
		p.put("key", "a long value")
		p.put("key", "short")
		p.is("key", "short")
		p.put("key", "a longer value than before")
		p.is("key", "a longer value than before")
	}}},
	{"what is deleted is gone at once", []func(p *probe){func(p *probe) {
		p.put("a", "1")
		p.put("b", "2")
		p.delete("a")
		p.gone("a")
		p.is("b", "2")
		p.keys("b")
		p.delete("a")
		p.delete("never-there")
	}}},
	{"keys are in ascending order", []func(p *probe){func(p *probe) {
		for _, key := range []string{"b", "a.1", "a", "0", "a-1", "a_1"} {
			p.put(key, "")
		}
		p.keys("0", "a", "a-1", "a.1", "a_1", "b")
	}}},
	{"what is synced survives a restart", []func(p *probe){
		func(p *probe) {
			p.put("stays", "old")
			p.put("stays", "new")
			p.put("goes", "1")
			p.sync()
			p.delete("goes")
			p.sync()
		},
		func(p *probe) {
			p.is("stays", "new")
			p.gone("goes")
			p.keys("stays")
			p.put("stays", "newer")
			p.sync()
		},
		func(p *probe) { p.is("stays", "newer") },
	}},
	{"values do not share memory with callers", []func(p *probe){func(p *probe) {
		data := []byte("value")
		if err := p.Put("key", data); err != nil {
			p.t.Error(err)
		}
		data[0] = 'V'
		got, _ := p.Get("key")
		p.is("key", "value")
		if len(got) > 0 {
			got[0] = 'W'
		}
		p.is("key", "value")
	}}},
	{"any bytes up to the limit are a value, and no more", []func(p *probe){func(p *probe) {
		most := bytes.Repeat([]byte{0, 255, '\n', 7}, store.MaxValue/4)
		p.put("key", string(most))
		p.is("key", string(most))
		if err := p.Put("key", append(most, 1)); !errors.Is(err, store.ErrTooLarge) {
			p.t.Errorf("Put of a byte too many: %v", err)
		}
		p.is("key", string(most))
	}}},
	{"keys are what the contract says", []func(p *probe){func(p *probe) {
		for _, key := range []string{"a", "0", "-", "_", "a.b-c_d.9", "a..b", strings.Repeat("a", store.MaxKey)} {
			p.put(key, key)
			p.is(key, key)
			p.delete(key)
		}
		for _, key := range invalid {
			_, got := p.Get(key)
			put, deleted := p.Put(key, nil), p.Delete(key)
			if !errors.Is(got, store.ErrKey) || !errors.Is(put, store.ErrKey) || !errors.Is(deleted, store.ErrKey) {
				p.t.Errorf("%q: Get %v, Put %v, Delete %v, want ErrKey", key, got, put, deleted)
			}
		}
		p.keys()
	}}},
}
