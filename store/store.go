// Package store is the contract between code that keeps a little on disk and
// the disk: a handful of small values by name, such as identities, grants and
// floors below which nothing may be accepted any more. Package store/dir keeps
// them in a folder, package sim/store simulates what a disk can do to them,
// and package store/storetest holds both to what is said here.
package store

import (
	"errors"
	"fmt"
)

// Limits of what is kept.
const (
	MaxKey   = 128     // bytes of a key
	MaxValue = 1 << 20 // bytes of a value
)

// Store keeps values by key. All methods may be called by several tasks at a
// time and block for as long as a disk may take; an rt.Mutex must not be held
// across them.
//
// What Put and Delete have done is seen by Get and Keys at once, but it is
// durable only when a Sync that was called afterwards has returned nil. A
// crash may undo everything since, and any part of it: a later change may
// survive an earlier one, also of the same key. So write what refers to
// something after the Sync of that.
//
// A value is replaced as a whole: never does Get return a part of one without
// saying so, after a crash included.
type Store interface {
	// Get returns a copy of the value. Errors: ErrNotFound; ErrCorrupt, with
	// what is left of the value, when a crash or the disk has damaged it;
	// ErrIO when it cannot be read now; ErrKey.
	Get(key string) ([]byte, error)
	// Put sets the value and keeps no reference to data. Errors: ErrFull when
	// there is no room, and nothing has changed; ErrIO, and then the key has
	// the old value or the new one; ErrTooLarge; ErrKey.
	Put(key string, data []byte) error
	// Delete removes the value; nil when there is none. Errors: ErrIO, and
	// then it is there or not; ErrKey.
	Delete(key string) error
	// Keys returns the keys of all values, damaged ones included, in ascending
	// order. Error: ErrIO.
	Keys() ([]string, error)
	// Sync makes durable what Put and Delete have done before it was called.
	// Error: ErrIO, and then nothing is known of the changes since the last
	// Sync that went well, nor will another Sync help: put the values again.
	Sync() error
}

// The errors of a Store, for errors.Is.
var (
	ErrNotFound = errors.New("store: no such key")
	ErrCorrupt  = errors.New("store: the value is damaged")
	ErrFull     = errors.New("store: the disk is full")
	ErrIO       = errors.New("store: the disk cannot do that now")
	ErrKey      = fmt.Errorf("store: not a key: it has one to %d of a-z, 0-9, '-', '_' and '.', and does not begin with '.'", MaxKey)
	ErrTooLarge = fmt.Errorf("store: a value has at most %d bytes", MaxValue)
)

// Check returns ErrKey or ErrTooLarge when a store must not take the value
// under that key.
func Check(key string, data []byte) error {
	if !validKey(key) {
		return fmt.Errorf("%w: %.40q", ErrKey, key)
	}
	if len(data) > MaxValue {
		return fmt.Errorf("%w, %s has %d", ErrTooLarge, key, len(data))
	}
	return nil
}

// validKey reports whether key is one, and so a name that every file system
// takes.
func validKey(key string) bool {
	if key == "" || len(key) > MaxKey || key[0] == '.' {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}
