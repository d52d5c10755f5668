package churn

import (
	"fmt"

	"github.com/maculamesh/macula/node/fault"
)

// Counts are what the parties have done so far.
type Counts struct {
	Attached int // clients that were let in
	Refused  int // clients that were told to come again
	Failed   int // clients that did not get in for another reason
	Joined   int // peers that got a connection at least once
	Alone    int // peers that got none

	Left       int // clients and peers that said goodbye
	Vanished   int // that did not
	Dropped    int // clients that closed their connection under their calls
	Superseded int // clients whose place a newer session of the same id took

	Calls     int // that have ended, of clients and peers
	Large     int // of those, with a stream of their own
	Answered  int
	NotFound  int
	Cancelled int
	Deadline  int
	Overload  int
	Lost      int // their connection, or that of their provider, ended
	Else      int

	Advertised int // services
	Withdrawn  int
	Expired    int // services that were left to expire
	Full       int // services that were refused: a limit was reached

	Late   int    // calls that ended more than a second after their deadline
	Struck int    // seats that were struck in the middle of something
	Wrong  int    // things that may not happen whatever ends when
	Saw    string // the first of them
}

// Counts returns the counts at this moment.
func (l *Load) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// count changes the counts.
func (l *Load) count(f func(c *Counts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.counts)
}

// wrong notes what may not happen.
func (l *Load) wrong(format string, args ...any) {
	saw := fmt.Sprintf(format, args...)
	l.count(func(c *Counts) {
		c.Wrong++
		if c.Wrong == 1 {
			c.Saw = saw
		}
	})
}

// ended counts a call that has ended.
func (l *Load) ended(large bool, err error) {
	kind := fault.KindOf(err)
	l.count(func(c *Counts) {
		c.Calls++
		if large {
			c.Large++
		}
		switch {
		case err == nil:
			c.Answered++
		case kind == fault.NotFound:
			c.NotFound++
		case kind == fault.Cancelled:
			c.Cancelled++
		case kind == fault.Deadline:
			c.Deadline++
		case kind == fault.Overload:
			c.Overload++
		case kind == fault.Unreachable, kind == fault.CallerGone, kind == fault.Draining, kind == fault.Superseded:
			c.Lost++
		default:
			c.Else++
		}
	})
	switch kind {
	case fault.Protocol, fault.Invalid, fault.RealmMismatch, fault.Unauthorized, fault.Version, fault.HopLimit, fault.TooLarge:
		if err != nil {
			l.wrong("a call ended with %v", err)
		}
	}
}
