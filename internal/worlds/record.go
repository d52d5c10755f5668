package worlds

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net"
	"sync"
	"time"
)

// Record is a book of packets. Its zero value is empty.
type Record struct {
	mu    sync.Mutex
	hash  hash.Hash
	count int
	// Lines has a line for each packet, when Keep is set before the first.
	Keep  bool
	Lines []string
}

// sent writes down a packet: when, from where, to where, how long, and what is
// in it.
func (r *Record) sent(from, to net.Addr, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hash == nil {
		r.hash = sha256.New()
	}
	r.count++
	sum := sha256.Sum256(data)
	line := fmt.Sprintf("%d %v %v %d %x", time.Now().UnixNano(), from, to, len(data), sum[:8])
	fmt.Fprintln(r.hash, line)
	if r.Keep {
		r.Lines = append(r.Lines, line)
	}
}

// Count is how many packets there were.
func (r *Record) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Sum is a hash of the book.
func (r *Record) Sum() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hash == nil {
		return ""
	}
	return hex.EncodeToString(r.hash.Sum(nil)[:16])
}

// recorded is a net.PacketConn whose packets are recorded.
type recorded struct {
	net.PacketConn
	rec *Record
}

// WriteTo implements net.PacketConn.
func (c *recorded) WriteTo(b []byte, addr net.Addr) (int, error) {
	c.rec.sent(c.LocalAddr(), addr, b)
	return c.PacketConn.WriteTo(b, addr)
}

// SetReadBuffer and SetWriteBuffer do nothing: there is no kernel.
func (c *recorded) SetReadBuffer(int) error { return nil }

// SetWriteBuffer does nothing.
func (c *recorded) SetWriteBuffer(int) error { return nil }
