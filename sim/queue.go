package sim

// queue holds the tasks that can run. Strategy.Pick says how it is ordered.
type queue struct {
	buf  []*Task
	head int
}

func (q *queue) len() int       { return len(q.buf) - q.head }
func (q *queue) tasks() []*Task { return q.buf[q.head:] }

func (q *queue) push(t *Task) {
	if q.head > q.len() && len(q.buf) == cap(q.buf) {
		n := copy(q.buf, q.buf[q.head:])
		clear(q.buf[n:])
		q.buf, q.head = q.buf[:n], 0
	}
	q.buf = append(q.buf, t)
}

// take removes the task at index i and moves task 0 into its place.
func (q *queue) take(i int) *Task {
	tasks := q.tasks()
	t := tasks[i]
	tasks[i] = tasks[0]
	tasks[0] = nil
	q.head++
	if q.head == len(q.buf) {
		q.buf, q.head = q.buf[:0], 0
	}
	return t
}

// filter takes out every task that drop wants and keeps the order of the
// others.
func (q *queue) filter(drop func(*Task) bool) {
	kept := q.buf[:q.head]
	for _, t := range q.tasks() {
		if !drop(t) {
			kept = append(kept, t)
		}
	}
	clear(q.buf[len(kept):])
	q.buf = kept
}
