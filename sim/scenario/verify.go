package scenario

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/maculamesh/macula/sim"
)

// Difference is where two runs that should have been one parted.
type Difference struct {
	Same          uint64       // decisions before that, the same in both
	Before        []sim.Record // the last of them, at most three
	First, Second *sim.Record  // where they part; nil when that run was over
}

// Known reports whether it is known where they parted: it is not when the
// hashes differ and every decision looks the same.
func (d *Difference) Known() bool { return d.First != nil || d.Second != nil }

// String shows on several lines what both did last, and then each.
func (d *Difference) String() string {
	if !d.Known() {
		return fmt.Sprintf("in no decision that can be seen: their %d decisions look the same, and their hashes differ", d.Same)
	}
	first := d.First
	if first == nil || d.Second != nil && d.Second.Event < first.Event {
		first = d.Second
	}
	var b strings.Builder
	fmt.Fprintf(&b, "at event %d, after %v and %d decisions that are the same; each line is event, virtual time, what it is, machine and [task]:", first.Event, first.At, d.Same)
	for i := range d.Before {
		fmt.Fprintf(&b, "\n  both:       %s", told(&d.Before[i]))
	}
	fmt.Fprintf(&b, "\n  first run:  %s\n  second run: %s", told(d.First), told(d.Second))
	return b.String()
}

// told is a record in words.
func told(r *sim.Record) string {
	if r == nil {
		return "is over"
	}
	x := *r
	switch {
	case x.Text != "":
	case x.Kind == sim.KindPick:
		x.Text = fmt.Sprintf("runs, made ready by %v", sim.Cause(x.B))
	case x.Kind == sim.KindTimer:
		x.Text = fmt.Sprintf("timer %d fires", x.A)
	case x.Kind == sim.KindRand:
		x.Text = fmt.Sprintf("draws %x from stream %x", x.B, x.A)
	}
	return x.String()
}

// Compare plays a scenario twice with the same options and returns the first
// decision in which the runs differ, or nil. The two take turns, so it needs
// little memory however long they are. The error says too that Options.Stop has
// ended them before.
func Compare(sc *Scenario, opt Options) (*Difference, error) {
	stop, stopped := opt.Stop, false
	opt.Stop = func() bool {
		stopped = stopped || stop != nil && stop()
		return stopped
	}
	one, two := follow(sc, opt), follow(sc, opt)
	defer one.stop()
	defer two.stop()
	d := &Difference{}
	for {
		a, more := one.next()
		b, too := two.next()
		switch {
		case more && too && a == b:
			d.Same++
			if len(d.Before) == 3 {
				d.Before = d.Before[:copy(d.Before, d.Before[1:])]
			}
			d.Before = append(d.Before, a)
			continue
		case stopped:
			return nil, errors.New("stopped before the two runs parted")
		case more || too:
			d.First, d.Second = side(a, more), side(b, too)
		case one.err != nil:
			return nil, one.err
		case two.err != nil:
			return nil, two.err
		case one.res.Hash == two.res.Hash:
			return nil, nil
		}
		return d, nil
	}
}

func side(r sim.Record, is bool) *sim.Record {
	if !is {
		return nil
	}
	return &r
}

// followed is a run that goes on for as long as somebody asks for its
// decisions.
type followed struct {
	next func() (sim.Record, bool)
	stop func()
	res  *Result // when it is over
	err  error
}

// follow begins a run. It gives what it has decided whenever it asks whether
// it is to stop, which is between two events: a task of its world cannot.
func follow(sc *Scenario, opt Options) *followed {
	f := &followed{}
	f.next, f.stop = iter.Pull(func(yield func(sim.Record) bool) { //simvet:allow go two worlds take turns, and neither knows of the other
		var decided []sim.Record
		left := false
		give := func() {
			for i := 0; i < len(decided) && !left; i++ {
				left = !yield(decided[i])
			}
			decided = decided[:0]
		}
		mine, stop := opt, opt.Stop
		mine.Trace = func(r sim.Record) { decided = append(decided, r) }
		mine.Stop = func() bool {
			give()
			return left || stop()
		}
		f.res, f.err = Play(sc, mine)
		give()
	})
	return f
}
