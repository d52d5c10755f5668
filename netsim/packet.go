package netsim

import (
	"fmt"
	"time"

	"github.com/maculamesh/macula/mono"
)

// Kind is what a packet carries.
type Kind uint8

// The kinds. The numbers are part of a recorded run.
const (
	kData Kind = iota + 1 // stream data, FIN
	kReset
	kStop
	kAck           // of a FIN or a reset
	kMaxStreamData // credit
	kMaxData
	kMaxStreams
	kClose // the end of a connection, or a late refusal
	kInitial
	kRetry
	kHello
	kFinished
	kRefuse
	kDatagram
	kHandshakeTimeout // this and the others are no packets
	kIdle
	kKill
	kRead
)

// kindNames are the frames of RFC 9000 where there is one.
var kindNames = [...]string{
	"?", "data", "reset_stream", "stop_sending", "ack", "max_stream_data", "max_data", "max_streams",
	"close", "initial", "retry", "hello", "finished", "refuse", "datagram", "handshake timeout", "idle timeout", "kill", "read",
}

// String names the kind: "data", "ack", "close", "initial" and so on.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Packet is a packet as an observer on the wire would see it, were it not
// encrypted.
type Packet struct {
	From, To *Host
	Sent     mono.Time     // the first time, by the clock of the network
	Took     time.Duration // since then
	Conn     uint64        // the connections of a network are counted from one
	Stream   int64         // its number in QUIC (RFC 9000, 2.1); -1 when it is of the connection
	Kind     Kind
	Value    int64 // of data the offset of its end, of a datagram its number; else a limit, or a code
	FIN      bool  // of data: the stream ends with it
	Held     bool  // it has come to the end of a link that is held
}

// Words is what identifies the packet among those of its two hosts, as two
// numbers for a hash: first the connection (upper 32 bits) and the stream,
// then the kind (upper 8 bits) and its value.
func (p *Packet) Words() (a, b uint64) {
	a = p.Conn << 32
	if p.Stream >= 0 {
		a |= uint64(p.Stream)>>1&(1<<32-2) | uint64(p.Stream)&1
	}
	return a, uint64(p.Kind)<<56 | uint64(p.Value)&(1<<56-1)
}

// String says what the packet carries, such as "data to 1200, stream 4 of #1".
func (p *Packet) String() string {
	text := p.Kind.String()
	switch p.Kind {
	case kData:
		text += fmt.Sprintf(" to %d", p.Value)
		if p.FIN {
			text += " and FIN"
		}
	case kDatagram:
		text += fmt.Sprintf(" %d", p.Value)
	case kReset, kMaxStreamData, kMaxData, kMaxStreams:
		text += fmt.Sprintf(" at %d", p.Value)
	case kStop, kClose:
		text += fmt.Sprintf(" with code %d", p.Value)
	case kAck:
		text += [...]string{" of FIN", " of reset_stream"}[p.Value&1]
	}
	if p.Stream >= 0 {
		return fmt.Sprintf("%s, stream %d of #%d", text, p.Stream, p.Conn)
	}
	return fmt.Sprintf("%s, #%d", text, p.Conn)
}

// describe is a packet of e for the Recorder, in a place that is used again:
// to copy it would cost as much as to send it.
func (n *Net) describe(e *end, s *stream, k Kind, val int64, sent mono.Time) *Packet {
	p := &n.scratch
	p.From, p.To = e.out.from, e.out.to
	p.Sent, p.Took = sent, n.at.Sub(sent)
	p.Conn, p.Stream = e.c.id, -1
	if s != nil {
		p.Stream = s.id<<2 | int64(s.opener)
	}
	p.Kind, p.Value, p.FIN, p.Held = k, val, false, false
	return p
}

// packet describes what the flight carries.
func (f *flight) packet() *Packet {
	p := f.n.describe(&f.c.ends[f.side], f.s, f.kind, f.val, f.sent)
	p.Held = f.held
	return p
}

// packet describes a chunk of a stream that e sends.
func (c *chunk) packet(e *end, s *stream) *Packet {
	p := e.c.n.describe(e, s, kData, c.end, c.sent)
	p.FIN = c.fin
	return p
}
