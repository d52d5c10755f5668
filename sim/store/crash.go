package store

import (
	"fmt"
	"maps"
	"slices"
)

// Sync implements store.Store.
func (d *Disk) Sync() error {
	d.stats.Syncs++
	last := d.seq
	if err := d.wait("sync", d.faults.SyncError); err != nil {
		for i := range d.writes {
			d.writes[i].doubtful = d.writes[i].doubtful || d.writes[i].seq <= last
		}
		return err
	}
	var left []write
	for i, w := range d.writes {
		switch {
		case w.seq > last:
			left = append(left, w)
		case !w.doubtful:
			apply(d.synced, w)
		case !slices.ContainsFunc(d.writes[i+1:], func(newer write) bool { return newer.key == w.key }):
			left = append(left, w)
		}
	}
	d.writes = left
	return nil
}

// crash decides what is left of the changes that were not durable.
func (d *Disk) crash() {
	f := &d.faults
	var late []write
	for _, w := range d.writes {
		if d.happens(f.Lost) {
			d.stats.Lost++
			d.note("lost at the crash: " + w.key)
			continue
		}
		if n := len(w.file.data); n > 0 && d.happens(f.Torn) {
			d.stats.Torn++
			w.file = file{w.file.data[:d.chance().IntN(n)], true}
			d.note(fmt.Sprintf("torn at the crash: %d of %d bytes of %s", len(w.file.data), n, w.key))
		}
		if d.happens(f.Reordered) {
			d.stats.Reordered++
			d.note("reordered at the crash: " + w.key)
			late = append(late, w)
			continue
		}
		apply(d.synced, w)
	}
	for _, w := range late {
		apply(d.synced, w)
	}
	d.files, d.writes, d.used = maps.Clone(d.synced), nil, 0
	for _, key := range slices.Sorted(maps.Keys(d.files)) {
		d.used += d.size(key)
	}
}
