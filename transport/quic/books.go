package quic

import (
	"sync"

	"github.com/maculamesh/macula/transport"
)

// books counts what is open. quic-go does not tell, and admission decides by
// it, so every step from one state to the next is taken under one lock.
type books struct {
	mu  sync.Mutex
	now transport.Stats
}

// handshake is an entry for one that has begun.
type handshake struct{ counted, accepted bool }

func (b *books) stats() transport.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *books) beginHandshake(accepted bool) *handshake {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Handshaking++
	if accepted {
		b.now.Accepting++
	}
	return &handshake{counted: true, accepted: accepted}
}

// endHandshake counts h out, once.
func (b *books) endHandshake(h *handshake) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endLocked(h)
}

func (b *books) endLocked(h *handshake) {
	if h.counted {
		h.counted = false
		b.now.Handshaking--
		if h.accepted {
			b.now.Accepting--
		}
	}
}

// open turns a handshake into a connection.
func (b *books) open(h *handshake) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endLocked(h)
	b.now.Conns++
}

// dead counts a connection out with its streams, once.
func (b *books) dead(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.dead {
		c.dead = true
		b.now.Conns--
		b.now.Streams -= c.streams
	}
}

// openStream counts a stream in, unless its connection is dead.
func (b *books) openStream(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.dead {
		c.streams++
		b.now.Streams++
	}
}

// endStream counts a stream out. Its connection calls it once for each that
// was counted in.
func (b *books) endStream(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.dead {
		c.streams--
		b.now.Streams--
	}
}
