package link

import (
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
)

// alarm is one timer for the deadlines of a table. It fires no later than the
// earliest, and mostly earlier than that, since a deadline that goes away does
// not move it: f looks into the table and sets it again. Its owner guards it
// with the lock of the table.
type alarm struct {
	r     rt.Runtime
	f     func()
	timer rt.Timer
	at    mono.Time // when it fires; zero when it does not
	off   bool
}

// atLatest makes it fire no later than at.
func (a *alarm) atLatest(at mono.Time) {
	if a.at.IsZero() || at.Before(a.at) {
		a.set(at)
	}
}

// set makes it fire at at, or not at all when that is zero.
func (a *alarm) set(at mono.Time) {
	a.at = at
	if at.IsZero() || a.off {
		return
	}
	left := at.Sub(a.r.Now())
	if a.timer == nil {
		a.timer = a.r.AfterFunc(left, a.f)
	} else {
		a.timer.Reset(left)
	}
}

// stop makes it never fire again.
func (a *alarm) stop() {
	a.off = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
