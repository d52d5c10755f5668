package sim

import (
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strconv"
	"strings"
)

// site is the innermost end of a call stack: enough of it to find the line
// outside of sim and rt that a call came from.
type site [4]uintptr

// site returns where the caller's caller was called from, unless the
// configuration saves it.
func (w *World) site() site {
	if w.cfg.NoSites {
		return site{}
	}
	var s site
	runtime.Callers(3, s[:])
	return s
}

// String returns the first line outside of sim and rt as file:line, or the
// outermost that is known. It is empty for the zero site.
func (s site) String() string {
	n := 0
	for n < len(s) && s[n] != 0 {
		n++
	}
	if n == 0 {
		return ""
	}
	frames := runtime.CallersFrames(s[:n])
	for {
		f, more := frames.Next()
		if !more || !inside(f.Function) {
			return place(f.File, f.Line)
		}
	}
}

// or returns the site, or where f begins when there is none.
func (s site) or(f func()) string {
	if str := s.String(); str != "" || f == nil {
		return str
	}
	pc := reflect.ValueOf(f).Pointer()
	if fn := runtime.FuncForPC(pc); fn != nil {
		return place(fn.FileLine(pc))
	}
	return ""
}

// The import paths of the packages that no site names.
const (
	simPath = "github.com/maculamesh/macula/sim"
	rtPath  = "github.com/maculamesh/macula/rt"
)

// inside reports whether a function belongs to sim or rt, their tests
// excepted.
func inside(function string) bool {
	return strings.HasPrefix(function, simPath+".") || strings.HasPrefix(function, rtPath+".")
}

// maxPlaces is how many calls outside of sim and rt places names.
const maxPlaces = 4

// places returns the innermost lines outside of sim and rt from the given
// caller on, innermost first.
func places(skip int) string {
	pcs := make([]uintptr, maxStack)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(skip, pcs)])
	var found []string
	for {
		f, more := frames.Next()
		if f.Function == taskCall || !more || len(found) == maxPlaces {
			return strings.Join(found, " < ")
		}
		if !inside(f.Function) {
			found = append(found, place(f.File, f.Line))
		}
	}
}

// place shortens a file name to its last two elements, which is enough to
// find it and does not depend on where the source is.
func place(file string, line int) string {
	dir, base := path.Split(file)
	return path.Base(dir) + "/" + base + ":" + strconv.Itoa(line)
}

// maxStack is how many frames of a stack are looked at.
const maxStack = 64

// taskCall is where the stack of a task begins.
const taskCall = simPath + ".(*Task).call"

// stack returns the call stack from the given caller on, without what the
// runtime and this package put around it.
func stack(skip int) string {
	pcs := make([]uintptr, maxStack)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(skip, pcs)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		if f.Function == taskCall {
			return b.String()
		}
		if f.Function != "" && !strings.HasPrefix(f.Function, "runtime.") {
			fmt.Fprintf(&b, "%s (%s)\n", f.Function, place(f.File, f.Line))
		}
		if !more {
			return b.String()
		}
	}
}
