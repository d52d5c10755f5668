package pool

import (
	"errors"
	"slices"
)

// queue is the newcomers that wait for room, in the order in which they came.
// Those that peers have dialled stand in a line of their own: while their quota
// is full they hold up nobody else.
type queue[C Conn] struct {
	dialled, accepted []*newcomer[C]
	last              uint64 // place that was given out
}

func (q *queue[C]) len() int { return len(q.dialled) + len(q.accepted) }

func (q *queue[C]) line(n *newcomer[C]) *[]*newcomer[C] {
	if n.conn.Dialled() {
		return &q.dialled
	}
	return &q.accepted
}

func (q *queue[C]) push(n *newcomer[C]) {
	q.last++
	n.place = q.last
	line := q.line(n)
	*line = append(*line, n)
}

// first is who came first, or nil.
func (q *queue[C]) first() *newcomer[C] {
	if len(q.accepted) > 0 && (len(q.dialled) == 0 || q.accepted[0].place < q.dialled[0].place) {
		return q.accepted[0]
	}
	return q.firstDialled()
}

// firstDialled is who came first of those that we have dialled, or nil.
func (q *queue[C]) firstDialled() *newcomer[C] {
	if len(q.dialled) == 0 {
		return nil
	}
	return q.dialled[0]
}

// lastAccepted is who came last of those that peers have dialled, or nil.
func (q *queue[C]) lastAccepted() *newcomer[C] {
	if len(q.accepted) == 0 {
		return nil
	}
	return q.accepted[len(q.accepted)-1]
}

// remove takes n out. It takes constant time for the first and the last of a
// line.
func (q *queue[C]) remove(n *newcomer[C]) {
	line := q.line(n)
	switch l := *line; {
	case len(l) == 1 && l[0] == n:
		*line = nil // its array would keep growing at one end
	case l[0] == n:
		*line = l[1:]
	case l[len(l)-1] == n:
		l[len(l)-1] = nil
		*line = l[:len(l)-1]
	default:
		if i := slices.Index(l, n); i >= 0 {
			*line = slices.Delete(l, i, i+1)
		}
	}
}

// removeIf takes out for whom gone reports true.
func (q *queue[C]) removeIf(gone func(*newcomer[C]) bool) {
	for _, line := range []*[]*newcomer[C]{&q.dialled, &q.accepted} {
		*line = slices.DeleteFunc(*line, gone)
		if len(*line) == 0 {
			*line = nil
		}
	}
}

// recount says whether everybody stands in the right line and in order.
func (q *queue[C]) recount() error {
	for _, line := range [][]*newcomer[C]{q.dialled, q.accepted} {
		before := uint64(0)
		for _, n := range line {
			if n.done || n.place <= before || n.place > q.last || (*q.line(n))[0] != line[0] {
				return errors.New("pool: the newcomers that wait are out of order")
			}
			before = n.place
		}
	}
	return nil
}
