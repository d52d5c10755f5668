package netsim

// Corruptions break the books of a network in one place each. Each returns
// whether there was something to break.
var Corruptions = map[string]func(n *Net) bool{
	"a byte is read that never arrived":       onEnd(func(e *end) { e.consumed = e.arrived + 1 }),
	"a byte arrives that was never sent":      onEnd(func(e *end) { e.arrived = e.other().sent + 1 }),
	"more is sent than the limit":             onEnd(func(e *end) { e.sent = e.sendLimit + 1 }),
	"credit comes from nowhere":               onEnd(func(e *end) { e.sendLimit = e.other().granted + 1 }),
	"credit is granted beyond the window":     onEnd(func(e *end) { e.granted = e.consumed + int64(e.ep.cfg.ConnWindow) + 1 }),
	"a stream is opened over the limit":       onEnd(func(e *end) { e.opened = e.openLimit + 1 }),
	"a stream limit comes from nowhere":       onEnd(func(e *end) { e.openLimit += 100 }),
	"a stream comes that nobody opened":       onEnd(func(e *end) { e.seen = e.other().opened + 1 }),
	"a stream is accepted that never came":    onEnd(func(e *end) { e.accepted = e.seen + 1 }),
	"a dead end keeps its streams":            onEnd(func(e *end) { e.state = ended }),
	"a stream is not counted":                 onEnd(func(e *end) { e.nstreams-- }),
	"a finished stream stays listed":          onStream(func(s *streamEnd) { s.open = false }),
	"a stream reads beyond what has arrived":  onStream(func(s *streamEnd) { s.in().read = s.in().arrived + 1 }),
	"a stream sends beyond its limit":         onStream(func(s *streamEnd) { s.out().limit = s.out().sent - 1 }),
	"a stream is given credit from nowhere":   onStream(func(s *streamEnd) { s.out().limit = s.out().granted + 1 }),
	"a byte is counted in no stream":          onEnd(func(e *end) { e.arrived--; e.consumed -= 2 }),
	"a finished stream gives no credit":       onEnd(func(e *end) { e.finished-- }),
	"a transport counts a stream too many":    onEnd(func(e *end) { e.ep.stats.Streams++ }),
	"a transport counts a connection twice":   onEnd(func(e *end) { e.ep.stats.Conns++ }),
	"the network counts a connection twice":   func(n *Net) bool { n.conns++; return true },
	"a transport loses a connection":          onEnd(func(e *end) { e.ep.remove(e) }),
	"a stream that waits for Accept is lost":  onEnd(func(e *end) { e.accepted-- }),
	"a stream's window grows behind our back": onStream(func(s *streamEnd) { s.in().granted += int64(s.conn().ep.cfg.StreamWindow) }),
}

func onEnd(f func(e *end)) func(*Net) bool {
	return func(n *Net) bool {
		for _, p := range n.order {
			if c := p.conns; c != nil {
				f(&c.ends[1])
				n.touch(c)
				return true
			}
		}
		return false
	}
}

func onStream(f func(s *streamEnd)) func(*Net) bool {
	found := false
	g := onEnd(func(e *end) {
		if e.streams != nil {
			f(e.streams)
			found = true
		}
	})
	return func(n *Net) bool { return g(n) && found }
}
