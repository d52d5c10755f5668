package live

import "time"

// Without sockets, whatever happens has an instant of its own, a few
// microseconds after the one that it is due at: a packet, a timer, and a task
// that has become ready. What happens at one instant in a bubble of
// testing/synctest happens in an order that the runtime of Go draws, and its
// scheduler may interrupt a goroutine at any time; of instants only the seed
// and the names of things decide. What a connection does on goroutines of its
// own it does before anybody else is there.
const (
	slots = 1024 // of each kind, in turns or by an id
	cell  = time.Duration(kinds * slots)
)

// The kinds.
const (
	ofPackets = iota
	ofTasks
	ofTimers
	kinds = 4 // one is left to instants of other origin, most of which are multiples of it
)

// instant is the next one of a slot and kind after at.
func instant(at time.Time, slot uint64, kind time.Duration) time.Time {
	begun := time.Duration(at.UnixNano()) / cell * cell
	own := begun + cell + time.Duration(slot%slots)*kinds + kind
	return at.Add(own - time.Duration(at.UnixNano()))
}

// wait is d, or without sockets the time to an instant of its own.
func (w *World) wait(d time.Duration, slot uint64, kind time.Duration) time.Duration {
	if !w.cfg.InProcess {
		return d
	}
	now := time.Now()
	return instant(now.Add(max(d, 0)), slot, kind).Sub(now)
}

// settle waits for the turn of a task that has become ready.
func (w *World) settle(id uint64) {
	if w.cfg.InProcess {
		time.Sleep(w.wait(0, id, ofTasks))
	}
}

// apart is at, or without sockets an instant of its own for a packet.
func (n *wire) apart(at time.Time) time.Time {
	if !n.inside {
		return at
	}
	n.slot++
	return instant(at, n.slot, ofPackets)
}
