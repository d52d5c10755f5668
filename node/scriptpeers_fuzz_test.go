package node_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

// What a script can hold at a time.
const (
	scriptSteps   = 120
	scriptConns   = 4  // further ones replace them without closing them
	scriptDials   = 16 // in all
	scriptStreams = 8  // of a connection
)

// scriptPeers plays the steps of a script. All of it is on one machine and,
// but for its own short waits, in one task.
type scriptPeers struct {
	x       *scriptWorld
	m       *sim.Machine
	ids     [3]transport.PeerID // one that may be a peer, one that may not, and the node's own
	trs     [3]transport.Transport
	lis     transport.Listener
	tape    []byte
	conns   [scriptConns]scriptConn
	dials   int
	next    uint64 // id of the next call
	call    uint64 // id of the last call that the node made
	query   uint32 // id of the last question that the node asked
	version uint64
	last    []byte // the last frame that was built
	log     []string
}

type scriptConn struct {
	conn    transport.Conn
	streams [scriptStreams]transport.Stream
}

func newScriptPeers(x *scriptWorld, tape []byte) *scriptPeers {
	p := &scriptPeers{x: x, m: x.w.Machine("peers"), tape: tape, next: 1}
	p.ids = [3]transport.PeerID{ident.Simulated(1, "peer"), ident.Simulated(1, "stranger"), x.id}
	host := x.net.Host("peers")
	for i, id := range p.ids {
		p.trs[i] = host.Transport(p.m, id, transport.Config{MaxStreams: 8})
	}
	p.lis, _ = p.trs[0].Listen(transport.ListenConfig{})
	return p
}

// byte takes the next byte of the tape, zero at its end.
func (p *scriptPeers) byte() byte {
	if len(p.tape) == 0 {
		return 0
	}
	b := p.tape[0]
	p.tape = p.tape[1:]
	return b
}

func (p *scriptPeers) pick(n int) int { return int(p.byte()) % n }

func (p *scriptPeers) note(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf("%v: ", p.x.w.Elapsed())+fmt.Sprintf(format, args...))
}

// within runs f with a context of a few milliseconds.
func (p *scriptPeers) within(f func(ctx context.Context)) {
	ctx, cancel := p.m.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	f(ctx)
}

// The steps.
const (
	stepDial byte = iota
	stepAdmitted
	stepOpen
	stepFrame
	stepMutated
	stepAgain
	stepRaw
	stepHalfClose
	stepReset
	stepStop
	stepCloseStream
	stepCloseConn
	stepRead
	stepAcceptStream
	stepAcceptConn
	stepDatagram
	stepSleep
	stepHonest
	stepAsk
	stepCut
	steps
)

func (p *scriptPeers) play() {
	for n := 0; n < scriptSteps && len(p.tape) > 0; n++ {
		step := p.byte() % steps
		c := &p.conns[p.pick(scriptConns)]
		switch step {
		case stepDial:
			p.dial(c)
		case stepAdmitted:
			p.admitted(c)
		case stepAcceptConn:
			p.within(func(ctx context.Context) {
				if conn, err := p.lis.Accept(ctx); err == nil {
					p.note("accepted a connection")
					*c = scriptConn{conn: conn}
				}
			})
		case stepSleep:
			d := []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 5100 * time.Millisecond, 11 * time.Second}[p.pick(7)]
			p.note("sleep %v", d)
			rt.Sleep(context.Background(), p.m, d)
		case stepHonest:
			p.honest()
		case stepAsk:
			p.ask()
		default:
			if c.conn != nil {
				p.onConn(step, c)
			}
		}
	}
}

func (p *scriptPeers) onConn(step byte, c *scriptConn) {
	switch step {
	case stepOpen:
		first := []byte{p.byte() % 6}
		p.open(c, first)
	case stepCloseConn:
		code, reason := transport.Code(p.byte()), strings.Repeat("x\n", p.pick(200))
		p.note("close with %d", code)
		c.conn.CloseWithError(code, reason)
	case stepAcceptStream:
		p.within(func(ctx context.Context) {
			if s, err := c.conn.AcceptStream(ctx); err == nil {
				p.note("accepted a stream")
				c.streams[p.pick(scriptStreams)] = s
			}
		})
	case stepDatagram:
		if d, ok := c.conn.(transport.DatagramConn); ok {
			p.note("datagram")
			d.SendDatagram(p.frame())
		}
	default:
		if s := c.streams[p.pick(scriptStreams)]; s != nil {
			p.onStream(step, s)
		}
	}
}

func (p *scriptPeers) onStream(step byte, s transport.Stream) {
	switch step {
	case stepFrame:
		p.last = p.frame()
		p.write(s, p.last)
	case stepMutated:
		p.last = p.mutate(p.frame())
		p.write(s, p.last)
	case stepAgain:
		p.write(s, p.last)
	case stepRaw:
		n := min(p.pick(64), len(p.tape))
		p.write(s, p.tape[:n])
		p.tape = p.tape[n:]
	case stepHalfClose:
		p.note("half close")
		s.CloseWrite()
	case stepReset:
		p.note("reset")
		s.CancelWrite(transport.Code(p.byte()))
	case stepStop:
		p.note("stop sending")
		s.CancelRead(transport.Code(p.byte()))
	case stepCloseStream:
		p.note("close a stream")
		s.Close()
	case stepRead:
		p.read(s)
	case stepCut:
		p.last = p.frame()
		p.last = p.last[:p.pick(len(p.last))]
		p.write(s, p.last)
	}
}

// dial connects and says nothing.
func (p *scriptPeers) dial(c *scriptConn) {
	who := p.pick(len(p.trs))
	if p.dials++; p.dials > scriptDials {
		return
	}
	ctx, cancel := p.m.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	conn, err := p.trs[who].Dial(ctx, p.x.host.Addr(), p.x.id)
	p.note("dial as %d: %v", who, err)
	if err == nil {
		*c = scriptConn{conn: conn}
	}
}

// admitted connects, says hello as one should, and waits a moment.
func (p *scriptPeers) admitted(c *scriptConn) {
	p.dial(c)
	if c.conn == nil {
		return
	}
	role := wire.Role(1 + p.pick(2))
	p.note("hello in role %d", role)
	p.open(c, wire.AppendHello([]byte{wire.StreamControl}, &wire.Hello{
		MinVersion: wire.Version, MaxVersion: wire.Version, Role: role, Realm: testRealm, Session: 1, MaxCalls: 4,
	}))
	rt.Sleep(context.Background(), p.m, 4*time.Millisecond)
}

// open opens a stream in a place of the connection and writes b.
func (p *scriptPeers) open(c *scriptConn, b []byte) {
	at := p.pick(scriptStreams)
	p.within(func(ctx context.Context) {
		s, err := c.conn.OpenStream(ctx)
		p.note("open stream %d: %v", at, err)
		if err == nil {
			c.streams[at] = s
			p.write(s, b)
		}
	})
}

func (p *scriptPeers) write(s transport.Stream, b []byte) {
	s.SetWriteDeadline(p.m.Now().Add(5 * time.Millisecond))
	n, err := s.Write(b)
	p.note("write %d of %d bytes, %.40x: %v", n, len(b), b, err)
}

// read takes what is there, and notes what the node wants to know.
func (p *scriptPeers) read(s transport.Stream) {
	buf := make([]byte, 8<<10)
	s.SetReadDeadline(p.m.Now().Add(3 * time.Millisecond))
	n, err := s.Read(buf)
	p.note("read %d bytes: %v", n, err)
	buf = buf[:n]
	if len(buf) > 0 && buf[0] != 0 {
		buf = buf[1:] // the type of a stream that the node opened
	}
	for r := wire.NewReader(bytes.NewReader(buf), wire.MaxFrame); ; {
		kind, payload, err := r.Next()
		if err != nil {
			return
		}
		p.note("it is frame %d", kind)
		if c, err := wire.ParseCall(payload); kind == wire.KindCall && err == nil {
			p.call = c.ID
		}
		if q, err := wire.ParseQuery(payload); kind == wire.KindQuery && err == nil {
			p.query = q.ID
		}
	}
}

// honest lets the honest client call, beside the script.
func (p *scriptPeers) honest() {
	p.note("an honest call")
	h := p.x.first
	h.m.Go("honest call", func() { p.x.call(h) })
	rt.Sleep(context.Background(), p.m, 3*time.Millisecond)
}

// ask lets the node call a service that a script may provide. The call ends by
// its deadline, whatever the provider does, with an error that one may log.
func (p *scriptPeers) ask() {
	x, name := p.x, []string{"raw.a", "raw.b", "raw.c"}[p.pick(3)]
	body := make([]byte, []int{0, 10, 20 << 10}[p.pick(3)])
	if x.asked >= 8 {
		return
	}
	x.asked++
	p.note("the node calls %s with %d bytes", name, len(body))
	x.m.Go("asks", func() {
		ctx, cancel := x.m.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		begun := x.m.Now()
		_, err := x.n.Call(ctx, name, body, node.CallOptions{Idempotent: true})
		x.asked--
		var f *fault.Error
		switch took := x.m.Now().Sub(begun); {
		case took > 501*time.Millisecond:
			x.w.Fail(fmt.Errorf("a call of %v took %v: %w", 500*time.Millisecond, took, err))
		case err != nil && !errors.As(err, &f):
			x.w.Fail(fmt.Errorf("an error without a kind: %w", err))
		case err != nil && (len(err.Error()) > 2000 || strings.ContainsFunc(err.Error(), unicode.IsControl)):
			x.w.Fail(fmt.Errorf("an error that is not one line of text: %q", err.Error()))
		}
	})
	rt.Sleep(context.Background(), p.m, 3*time.Millisecond)
}

// leave ends all that is left.
func (p *scriptPeers) leave() {
	p.note("all leave")
	for _, tr := range p.trs {
		tr.Close()
	}
}

// id is one that a script says: small, its own next, what the node said, or
// one at which numbers wrap.
func (p *scriptPeers) id() uint64 {
	k := p.byte()
	switch k % 8 {
	case 0, 1:
		p.next++
		return p.next - 1
	case 2:
		return uint64(k / 8)
	case 3:
		return p.call
	case 4:
		return uint64(p.query)
	case 5:
		return 1<<32 - 1 + uint64(k/8)
	case 6:
		return 1<<63 + uint64(k/8)
	}
	return 1<<64 - 1 - uint64(k/8)
}

func (p *scriptPeers) name() string {
	return []string{"raw.a", "raw.b", "raw.c", "echo", "slow", "fails", "big", honestName, "nobody", strings.Repeat("n", 255)}[p.pick(10)]
}

// service is a name that a script provides: not that of the honest one.
func (p *scriptPeers) service() string { return strings.Replace(p.name(), honestName, "raw.d", 1) }

func (p *scriptPeers) who() transport.PeerID {
	return append(p.ids[:], transport.PeerID{})[p.pick(4)]
}

func (p *scriptPeers) addr() transport.Addr {
	return []transport.Addr{{}, p.x.net.Host("peers").Addr(), p.x.host.Addr(), netip.MustParseAddrPort("0.0.0.0:4433"), netip.MustParseAddrPort("[::]:1")}[p.pick(5)]
}

// span is a duration: none, short, long, and the longest that there is.
func (p *scriptPeers) span() time.Duration {
	return []time.Duration{0, time.Millisecond, time.Second, 20 * time.Second, 100 * time.Hour, wire.MaxTTL}[p.pick(6)]
}

func (p *scriptPeers) versions() uint64 {
	if k := p.byte(); k%4 == 0 {
		return []uint64{0, 1, 1<<32 - 1, 1<<64 - 1}[k/4%4]
	}
	p.version++
	return p.version
}

// frame builds one of any kind.
func (p *scriptPeers) frame() []byte {
	kinds := []byte{
		wire.KindHello, wire.KindWelcome, wire.KindGoAway, wire.KindGoAwayAck, wire.KindPing, wire.KindPong, wire.KindAdvertise, wire.KindWithdraw,
		wire.KindAdvertiseAck, wire.KindQuery, wire.KindAnswer, wire.KindCall, wire.KindReply, wire.KindError, wire.KindCancel,
		99, 200, 0, 255,
	}
	switch kind := kinds[p.pick(len(kinds))]; kind {
	case wire.KindCall, wire.KindReply, wire.KindError, wire.KindCancel:
		return p.callFrame(kind)
	case 0: // a length and no kind
		return make([]byte, 4)
	case 255: // a length that never comes
		return []byte{0xff >> p.pick(32), 0xff, 0xff, 0xff, wire.KindCall}
	default:
		return p.controlFrame(kind)
	}
}

func (p *scriptPeers) controlFrame(kind byte) []byte {
	switch kind {
	case wire.KindHello:
		h := wire.Hello{MinVersion: 1, MaxVersion: 1, Role: wire.Role(p.pick(4)), Realm: testRealm, Session: uint64(p.pick(3)), MaxCalls: []uint32{0, 1, 4, 1<<32 - 1}[p.pick(4)]}
		if k := p.byte(); k%4 == 3 {
			h.Realm, h.MinVersion, h.MaxVersion = []string{"org.example.other", "", testRealm}[k/4%3], 1+uint16(k/4%2)*8, 9
		}
		return wire.AppendHello(nil, &h)
	case wire.KindWelcome:
		return wire.AppendWelcome(nil, &wire.Welcome{Version: uint16(p.pick(3)), Session: 1, MaxCalls: uint32(p.pick(9))})
	case wire.KindGoAway:
		return wire.AppendGoAway(nil, &wire.GoAway{LastCall: p.id(), Kind: fault.Kind(p.pick(20)), RetryAfter: p.span()})
	case wire.KindGoAwayAck:
		return wire.AppendGoAwayAck(nil)
	case wire.KindPing:
		return wire.AppendPing(nil, p.id())
	case wire.KindPong:
		return wire.AppendPong(nil, p.id())
	case wire.KindAdvertise:
		return wire.AppendAdvertise(nil, &wire.Advertise{Name: p.service(), Provider: p.who(), Version: p.versions(), TTL: p.span(), Hops: p.byte(), Addr: p.addr()})
	case wire.KindWithdraw:
		return wire.AppendWithdraw(nil, &wire.Withdraw{Name: p.service(), Provider: p.who(), Version: p.versions()})
	case wire.KindAdvertiseAck:
		return wire.AppendAdvertiseAck(nil, &wire.AdvertiseAck{Name: p.service(), Version: p.versions(), Kind: fault.Kind(p.pick(20)), RetryAfter: p.span()})
	case wire.KindQuery:
		return wire.AppendQuery(nil, &wire.Query{ID: uint32(p.id()), Name: p.name()})
	case wire.KindAnswer:
		a := wire.Answer{ID: uint32(p.id()), Name: p.service()}
		for range p.pick(4) {
			a.Found = append(a.Found, wire.Provider{ID: p.who(), Version: p.versions(), TTL: p.span(), Hops: p.byte(), Addr: p.addr()})
		}
		return wire.AppendAnswer(nil, &a)
	}
	body := make([]byte, p.pick(40))
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(body)))
	return append(append(b, kind), body...)
}

func (p *scriptPeers) callFrame(kind byte) []byte {
	size := []int{0, 1, 40, 2 << 10, 16 << 10, 16<<10 + 1, 40 << 10, 70 << 10}[p.pick(8)]
	switch kind {
	case wire.KindCall:
		c := wire.Call{ID: p.id(), Name: p.name(), Budget: []time.Duration{0, time.Millisecond, time.Second, 4 * time.Second, wire.MaxBudget}[p.pick(5)], Body: make([]byte, size)}
		if k := p.byte(); k%3 == 2 {
			c.Flags, c.Hops = wire.Flags(k/3), k/3
			c.Caller = p.who()
		}
		return wire.AppendCall(nil, &c)
	case wire.KindReply:
		return wire.AppendReply(nil, p.id(), make([]byte, size))
	case wire.KindCancel:
		return wire.AppendCancel(nil, p.id(), fault.Kind(p.pick(20)))
	}
	text := []string{"", "why", "two\nlines", "\x1b[2J", strings.Repeat("é", 127)}[p.pick(5)]
	return wire.AppendError(nil, &wire.Error{ID: p.id(), Kind: fault.Kind(p.pick(20)), RetryAfter: p.span(), Executed: p.byte()%2 == 0, Message: text})
}

// mutate changes a few bytes.
func (p *scriptPeers) mutate(b []byte) []byte {
	for range 1 + p.pick(4) {
		at := int(p.byte())<<8 | int(p.byte())
		b[at%len(b)] ^= p.byte() | 1
	}
	return b
}
