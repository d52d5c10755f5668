// Package store simulates the disk of a machine as a store.Store: it can be
// slow and full, fail, and lose, tear and reorder at a crash what was not
// synced. All chance comes from a random stream of the machine, and every
// fault is in the trace and the hash.
package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/store"
)

// Faults says what the disk does. Ratios are in parts per million. The zero
// value is a perfect disk: it takes no time, never fails, has room for
// everything, and nothing that was written is lost at a crash, synced or not.
type Faults struct {
	Latency time.Duration // of every operation
	Jitter  time.Duration // drawn up to this on top
	Slow    int           // share of operations that take SlowBy more
	SlowBy  time.Duration

	Capacity int64 // bytes of keys and values that there is room for; 0 is no limit

	ReadError  int // share of Get and Keys that fail
	WriteError int // share of Put and Delete that fail; every second one has happened all the same
	SyncError  int // share of Sync that fail; what they had to make durable no later one does

	// At a crash, of the changes that are not durable:
	Lost      int // share that has not happened
	Torn      int // share of the puts of which only a first part is there; Get answers ErrCorrupt
	Reordered int // share that comes after all others
}

// Disk is what one machine keeps its values on. It stays when the machine
// crashes and restarts.
type Disk struct {
	m      *sim.Machine
	faults Faults
	rng    *rand.Rand // nil until something is drawn
	files  map[string]file
	writes []write // since what is durable, oldest first; bound: maxWrites
	synced map[string]file
	seq    uint64 // of the last change
	used   int64
	stats  Stats
}

var _ store.Store = (*Disk)(nil)

// file is a value on the disk. Its bytes are never changed.
type file struct {
	data []byte
	torn bool // data is a first part
}

// write is a Put or a Delete that is not durable.
type write struct {
	seq      uint64
	key      string
	file     file
	gone     bool // it is a Delete
	doubtful bool // a Sync that was to make it durable has failed
}

// maxWrites is how many changes wait for a Sync; of more the oldest become
// durable by themselves, as those of a real disk do after a while.
const maxWrites = 256

// Stats counts what a disk has done.
type Stats struct {
	Reads, Writes, Syncs  uint64 // operations that were begun
	Failed                uint64 // of these, by a fault
	Full                  uint64 // puts that found no room
	Lost, Torn, Reordered uint64 // changes, at crashes
	Used                  int64  // bytes of keys and values
}

// New returns an empty disk of m. A machine has as many as it likes; all draw
// from one stream.
func New(m *sim.Machine, f Faults) *Disk {
	d := &Disk{m: m, faults: f, files: map[string]file{}, synced: map[string]file{}}
	m.OnCrash(d.crash)
	return d
}

// SetFaults changes what the disk does from now on. Files stay, also when the
// new capacity is less than they take.
func (d *Disk) SetFaults(f Faults) { d.faults = f }

// Wipe empties the disk: the machine got a new one. It does not block.
func (d *Disk) Wipe() {
	d.m.World().Note(sim.KindFault, d.m, "store: wiped")
	clear(d.files)
	clear(d.synced)
	d.writes, d.used = nil, 0
}

// Stats returns the totals so far. It does not block.
func (d *Disk) Stats() Stats {
	s := d.stats
	s.Used = d.used
	return s
}

// Peek returns what is on the disk, as a check may ask that must not block: a
// copy of the value, or of what is left of it, and whether there is one.
func (d *Disk) Peek(key string) ([]byte, bool) {
	f, ok := d.files[key]
	return bytes.Clone(f.data), ok
}

// Get implements store.Store.
func (d *Disk) Get(key string) ([]byte, error) {
	d.stats.Reads++
	if err := store.Check(key, nil); err != nil {
		return nil, err
	}
	if err := d.wait("get "+key, d.faults.ReadError); err != nil {
		return nil, err
	}
	f, ok := d.files[key]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %s", store.ErrNotFound, key)
	case f.torn:
		return bytes.Clone(f.data), fmt.Errorf("%w: %s was being written at a crash", store.ErrCorrupt, key)
	}
	return append([]byte{}, f.data...), nil
}

// Put implements store.Store.
func (d *Disk) Put(key string, data []byte) error {
	d.stats.Writes++
	if err := store.Check(key, data); err != nil {
		return err
	}
	w := write{key: key, file: file{data: bytes.Clone(data)}}
	err := d.wait("put "+key, d.faults.WriteError)
	if err != nil && !d.half() {
		return err
	}
	if room := d.faults.Capacity; room > 0 && d.used-d.size(key)+int64(len(key)+len(data)) > room {
		d.stats.Full++
		return fmt.Errorf("%w: %s has %d bytes, and %d of %d are used", store.ErrFull, key, len(data), d.used, room)
	}
	d.change(w)
	return err
}

// Delete implements store.Store.
func (d *Disk) Delete(key string) error {
	d.stats.Writes++
	if err := store.Check(key, nil); err != nil {
		return err
	}
	err := d.wait("delete "+key, d.faults.WriteError)
	if err != nil && !d.half() {
		return err
	}
	if _, ok := d.files[key]; ok {
		d.change(write{key: key, gone: true})
	}
	return err
}

// Keys implements store.Store.
func (d *Disk) Keys() ([]string, error) {
	d.stats.Reads++
	if err := d.wait("keys", d.faults.ReadError); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(d.files)), nil
}

// size is what a key takes.
func (d *Disk) size(key string) int64 {
	f, ok := d.files[key]
	if !ok {
		return 0
	}
	return int64(len(key) + len(f.data))
}

// change lets a Put or a Delete happen.
func (d *Disk) change(w write) {
	d.used -= d.size(w.key)
	apply(d.files, w)
	d.used += d.size(w.key)
	d.seq++
	w.seq = d.seq
	d.writes = append(d.writes, w)
	if len(d.writes) > maxWrites {
		apply(d.synced, d.writes[0])
		d.writes = d.writes[1:]
	}
}

func apply(files map[string]file, w write) {
	if w.gone {
		delete(files, w.key)
	} else {
		files[w.key] = w.file
	}
}

// wait takes the time of an operation and returns ErrIO for one that fails.
// It always gives up the processor, so that what is not prepared for that
// shows on a perfect disk too. A machine that is down gets ErrIO at once: one
// of its dying tasks asks.
func (d *Disk) wait(op string, failing int) error {
	if !d.m.Up() {
		return fmt.Errorf("%w: the machine is down", store.ErrIO)
	}
	f := &d.faults
	took := f.Latency
	if f.Jitter > 0 {
		took += time.Duration(d.chance().Int64N(int64(f.Jitter) + 1))
	}
	if d.happens(f.Slow) {
		d.note("slow: " + op)
		took += f.SlowBy
	}
	fails := d.happens(failing)
	if took > 0 {
		rt.Sleep(context.Background(), d.m, took) // nothing ends it early but a crash
	} else {
		d.m.Yield()
	}
	if fails {
		d.stats.Failed++
		d.note("fails: " + op)
		return fmt.Errorf("%w: %s", store.ErrIO, op)
	}
	return nil
}

// half reports whether an operation that fails has happened.
func (d *Disk) half() bool { return d.happens(million / 2) }

const million = 1_000_000

// happens draws with a ratio in parts per million. What never happens draws
// nothing.
func (d *Disk) happens(ratio int) bool {
	return ratio > 0 && d.chance().IntN(million) < ratio
}

func (d *Disk) chance() *rand.Rand {
	if d.rng == nil {
		d.rng = d.m.Rand("sim: disk")
	}
	return d.rng
}

func (d *Disk) note(what string) { d.m.World().Note(sim.KindFault, d.m, "store: "+what) }
