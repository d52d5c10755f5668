package sim

import (
	"fmt"
	"io"
	"time"
)

// Kind says what a decision was about.
type Kind uint8

// The kinds. Those up to KindFault are folded into the hash; KindEnd and
// KindIgnored are only traced, because they follow from the others.
const (
	KindMachine Kind = iota + 1 // a machine was made: A is the hash of its name
	KindSpawn                   // a task was started: A is its number, B the hash of its name
	KindPick                    // a task runs: A is its number, B what made it ready (Cause)
	KindTimer                   // a timer fires: A is its number, B the virtual time
	KindWorld                   // a function of World.At runs: Text is its name
	KindRand                    // a random draw: A is the stream, B the value
	KindLog                     // a log line: Text is the line
	KindUnwind                  // a task is killed: A is its number
	KindCrash                   // a machine crashes: A is the generation that ends
	KindRestart                 // a machine comes back: A is the new generation
	KindPause                   // a machine stands still
	KindResume                  // and goes on
	KindClock                   // a machine's clock is changed: A is the kind of change, B by how much
	KindSlow                    // a machine's speed is changed: A is the longest delay
	KindDeliver                 // a message or packet arrives; A and B are the network's, and so is Text
	KindDrop                    // one is lost; as KindDeliver
	KindFault                   // any other fault
	KindNote                    // anything that a scenario wants in the trace
	KindEnd                     // a task has ended: A is its number
	KindIgnored                 // a dying task tried to wake task A
)

var kindNames = [...]string{
	"?", "machine", "spawn", "pick", "timer", "world", "rand", "log", "unwind", "crash", "restart",
	"pause", "resume", "clock", "slow", "deliver", "drop", "fault", "note", "end", "ignored",
}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// KindNames are the names of all kinds, in their order.
func KindNames() []string { return append([]string(nil), kindNames[1:]...) }

// KindByName returns the kind of that name.
func KindByName(name string) (Kind, bool) {
	for i, n := range kindNames {
		if n == name && i > 0 {
			return Kind(i), true
		}
	}
	return 0, false
}

// Record is one decision in the trace.
type Record struct {
	Decision uint64        // its number; decisions that are not folded share that of the last one
	Event    uint64        // the number of the event in which it fell
	At       time.Duration // virtual time since the start
	Kind     Kind
	Machine  string // the machine that it is about, or empty
	Task     string // the task that ran, or the one that KindPick chose; empty on the scheduler
	TaskID   uint64 // its number, zero on the scheduler
	A, B     uint64 // depend on the kind
	Text     string // for KindLog, KindWorld, KindSpawn and the like

	// Of what arrives or is lost:
	Peer string        // the machine that sent it, if Machine is to get it
	Took time.Duration // how long it was under way
}

// String renders the record as one line.
func (r Record) String() string {
	s := fmt.Sprintf("%8d %14v %-7s %s", r.Event, r.At, r.Kind, r.Machine)
	if r.TaskID != 0 {
		s += fmt.Sprintf(" [%s#%d]", r.Task, r.TaskID)
	}
	if r.Peer != "" {
		s += fmt.Sprintf(" from %s after %v", r.Peer, r.Took)
	}
	if r.Text != "" {
		return s + " " + r.Text
	}
	return s + fmt.Sprintf(" %d %d", r.A, r.B)
}

// TraceTo returns a value for Config.Trace that writes each record of the
// given kinds, or of all when there are none, to out as a line of text.
func TraceTo(out io.Writer, kinds ...Kind) func(Record) {
	return func(r Record) {
		wanted := len(kinds) == 0
		for _, k := range kinds {
			wanted = wanted || k == r.Kind
		}
		if wanted {
			fmt.Fprintln(out, r)
		}
	}
}

// Cause says what made a task ready, in a form that fits into a Record: the
// kind of the waker and its number.
type Cause uint64

// Kind is KindSpawn for a new task, KindPick when a task woke it, KindTimer or
// KindWorld when a timer did, and KindNote when it had only yielded. It is
// zero for a call from outside of the world.
func (c Cause) Kind() Kind { return Kind(c >> 56) }

// ID is the number of the task or timer, zero if there is none.
func (c Cause) ID() uint64 { return uint64(c) & (1<<56 - 1) }

// String describes the cause.
func (c Cause) String() string {
	switch c.Kind() {
	case KindSpawn:
		return "its start"
	case KindPick:
		return fmt.Sprintf("task %d", c.ID())
	case KindTimer, KindWorld:
		return fmt.Sprintf("timer %d", c.ID())
	case KindNote:
		return "its own yield"
	case KindUnwind:
		return "its death"
	}
	return "a call from outside"
}

func causeOf(k Kind, id uint64) Cause { return Cause(uint64(k)<<56 | id&(1<<56-1)) }

// actor is the cause of what happens now.
func (w *World) actor() Cause {
	switch {
	case w.running != nil:
		return causeOf(KindPick, w.running.id)
	case w.firing != nil && w.firing.kind == timerWorld:
		return causeOf(KindWorld, w.firing.seq)
	case w.firing != nil:
		return causeOf(KindTimer, w.firing.seq)
	}
	return 0
}

// emit sends a record to the trace without folding it.
func (w *World) emit(k Kind, m *Machine, a, b uint64, text string) {
	if w.cfg.Trace != nil {
		w.cfg.Trace(w.record(k, m, a, b, text))
	}
}

// emitDetail is emit for a record to which detail adds.
func (w *World) emitDetail(k Kind, m *Machine, a, b uint64, detail func(*Record)) {
	r := w.record(k, m, a, b, "")
	detail(&r)
	w.cfg.Trace(r)
}

func (w *World) record(k Kind, m *Machine, a, b uint64, text string) Record {
	r := Record{Decision: w.decisions, Event: w.events, At: w.Elapsed(), Kind: k, A: a, B: b, Text: text}
	if m != nil {
		r.Machine = m.name
	}
	if t := w.running; t != nil {
		r.Task, r.TaskID = t.name, t.id
	}
	return r
}
