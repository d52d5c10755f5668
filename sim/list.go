package sim

// list is a doubly linked list whose nodes are fields of what is linked, so
// that nothing is allocated and anything is taken out at once.
type list[T any] struct{ head, tail *node[T] }

// node is one place in one list.
type node[T any] struct {
	owner      *T
	in         *list[T]
	prev, next *node[T]
}

// push appends owner, whose node n is in no list.
func (l *list[T]) push(n *node[T], owner *T) {
	n.owner, n.in, n.prev = owner, l, l.tail
	if l.tail == nil {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
}

// pop takes the first out and returns it, or nil.
func (l *list[T]) pop() *T {
	n := l.head
	if n == nil {
		return nil
	}
	owner := n.owner
	n.remove()
	return owner
}

// remove takes n out of its list, if it is in one.
func (n *node[T]) remove() {
	l := n.in
	if l == nil {
		return
	}
	if n.prev == nil {
		l.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	*n = node[T]{}
}
