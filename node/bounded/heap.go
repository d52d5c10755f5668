package bounded

// The entries that expire, as a binary heap. Of two that expire in the same
// instant the older one goes first, so that the order is always the same.

func (n *node[K, V]) before(other *node[K, V]) bool {
	if n.expires != other.expires {
		return n.expires < other.expires
	}
	return n.ref < other.ref
}

func (m *Map[K, V]) push(n *node[K, V]) {
	n.pos = len(m.heap)
	m.heap = append(m.heap, n)
	m.up(n.pos)
}

// cut takes n out, from wherever it is.
func (m *Map[K, V]) cut(n *node[K, V]) {
	i, end := n.pos, len(m.heap)-1
	m.swap(i, end)
	m.heap[end] = nil
	m.heap = m.heap[:end]
	if i < end {
		m.up(i)
		m.down(i)
	}
}

func (m *Map[K, V]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !m.heap[i].before(m.heap[parent]) {
			return
		}
		m.swap(i, parent)
		i = parent
	}
}

func (m *Map[K, V]) down(i int) {
	for {
		least := 2*i + 1
		if least >= len(m.heap) {
			return
		}
		if right := least + 1; right < len(m.heap) && m.heap[right].before(m.heap[least]) {
			least = right
		}
		if !m.heap[least].before(m.heap[i]) {
			return
		}
		m.swap(i, least)
		i = least
	}
}

func (m *Map[K, V]) swap(i, j int) {
	m.heap[i], m.heap[j] = m.heap[j], m.heap[i]
	m.heap[i].pos, m.heap[j].pos = i, j
}
