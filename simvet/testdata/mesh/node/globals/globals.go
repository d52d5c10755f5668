package globals

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync/atomic"
)

var count int // want `package-level variable count is written: keep it in a struct .*\[global\]`

var table = map[string]int{"a": 1} // want `package-level variable table is written`

var list = [...]int{1, 2} // want `package-level variable list is written`

var escaped struct{ n int } // want `package-level variable escaped is written`

var calls atomic.Int64 // want `package-level variable calls is written`

var idle atomic.Int64 // want `package-level variable idle can hold state in its sync/atomic.Int64`

var state = &struct{ n int }{} // want `package-level variable state can hold state in its \*struct`

var out io.Writer = io.Discard // want `package-level variable out can hold state in its io.Writer`

var nested = []struct{ next *int }{} // want `package-level variable nested can hold state in its \*int`

func init() { // want `init runs before anybody can inject a world: .*\[global\]`
}

func write() {
	count++
	table["b"] = 2
	clear(list[:])
	p := &escaped
	p.n = 1
	calls.Add(1)
	os.Args = nil // want `os.Args is input or output` `os.Args belongs to another package .*\[global\]`
}

// The following are constants that Go cannot spell as such.

var ErrClosed = errors.New("closed")

var errWrapped = fmt.Errorf("open: %w", ErrClosed)

type kind uint8

func (k kind) Error() string { return "kind" }

type detailed struct{ cause error }

func (d *detailed) Error() string { return "detailed" }

var errDetailed = &detailed{}

var names = [...]string{"a", "b"}

var rules = []struct {
	name string
	try  func(int) bool
}{{"a", func(n int) bool { return n > 0 }}}

var pattern = regexp.MustCompile("a+")

var zero [32]byte

type nop struct{}

func (nop) Write(p []byte) (int, error) { return len(p), nil }

var discard io.Writer = nop{}

var _ io.Writer = nop{}

func fine() (string, []int) {
	count := 0
	count++
	local := list
	local[0] = 1
	return names[0], []int{count, len(table)}
}
