package clients

import (
	"fmt"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// SetLimit changes how many clients may be attached, at least 1. What is over
// the new limit leaves the table in this very step: those of first, in their
// order, and then the youngest. The caller asks the sessions that are returned
// to go away, ends what they own, and calls Remove when their connections are
// closed. It does not block.
func (t *Table[C]) SetLimit(limit int, first []*Session[C]) (shed []*Session[C]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID.SetCap(limit)
	t.admit = limit
	for _, s := range first {
		shed = t.take(s, shed)
	}
	var rest []*Session[C]
	if t.byID.Len() > limit {
		for _, s := range t.byID.All() {
			rest = append(rest, s)
		}
	}
	for i := len(rest) - 1; i >= 0; i-- {
		shed = t.take(rest[i], shed)
	}
	t.counts.Shed += uint64(len(shed))
	t.shedding += len(shed)
	return shed
}

// take moves a session from the table to shed, if the table is over its limit.
// Called with the lock held.
func (t *Table[C]) take(s *Session[C], shed []*Session[C]) []*Session[C] {
	if t.byID.Len() <= t.byID.Cap() {
		return shed
	}
	if _, ok := t.byID.Delete(s.ID, s.Ref); !ok {
		return shed
	}
	s.shed = true
	return append(shed, s)
}

// SetAdmission lets newcomers in only while fewer than n clients are attached,
// if that is less than the limit. Nobody who is attached is thrown out, and an
// id that has a session may come back. SetLimit undoes it.
func (t *Table[C]) SetAdmission(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.admit = min(n, t.byID.Cap())
}

// RetryAfter is what a client is told that has to come back later: the
// configured time and up to as much again, so that not all of them return at
// once.
func (t *Table[C]) RetryAfter() time.Duration {
	return t.cfg.RetryAfter + time.Duration(t.r.Rand("clients/retry").Int64N(int64(t.cfg.RetryAfter)))
}

// Pressed counts a newcomer that was refused before it could say who it is,
// because the node is short of memory.
func (t *Table[C]) Pressed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Refused++
	t.counts.RefusedPressure++
}

// refusal counts a newcomer that finds no place and says why; nil when there is
// one. Called with the lock held.
func (t *Table[C]) refusal() *fault.Error {
	n, limit := t.byID.Len(), t.byID.Cap()
	if n < t.admit && n < limit {
		return nil
	}
	t.counts.Refused++
	detail := fmt.Sprintf("all %d places are taken", limit)
	if n < limit {
		t.counts.RefusedPressure++
		detail = fmt.Sprintf("short of memory: no more than %d of %d places are given for now", t.admit, limit)
	}
	return &fault.Error{Op: "clients.Admit", Kind: fault.Overload, Detail: detail}
}
