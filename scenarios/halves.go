package scenarios

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// Properties of streams that a stranger leaves in the middle.
const (
	propWindow   = "the window of a connection is whole again when its streams are over"
	propStreams  = "every stream ends, on both sides"
	propHandlers = "no more handlers run than may, callers that left included"
	propHalf     = "a stream that is closed on one side ends within its limit"
)

// patience is how long a node waits for somebody who goes on slowly or not at
// all: the read and write deadline of a stream.
const patience = 10 * time.Second

// theGateway starts a node and a stranger that is its client.
func theGateway(s *scenario.Stage, cfg node.Config) (*member, *speaker) {
	g := startNode(s, "gateway", cfg)
	return g, newSpeaker(s, "stranger", g, transport.Config{}, wire.RoleClient)
}

// abandoned leaves streams in the middle, so that bytes stay that nobody reads,
// and measures before and after how much fits into the connection.
func abandoned(s *scenario.Stage) {
	g, x := theGateway(s, node.Config{})
	g.provideWith("take", node.AdvertiseOptions{}, func(context.Context, *node.Request) ([]byte, error) { return nil, nil })
	x.do("provide", func(context.Context) {
		kind, err := x.advertise("at.stranger", time.Hour)
		s.Check(err == nil && kind == 0, "a client advertises", "%v %v", kind, err)
	})
	ways := []func(context.Context){x.falls, x.overruns, x.babbles, x.answersWithMore(g, 64, true), x.answersWithMore(g, 20<<10, false)}
	for _, way := range ways {
		x.do("leave", way) // once each, for the streams that stay
	}
	s.Sleep(2*patience + s.Slack())
	streams, whole := g.place.Streams(), x.fills()
	for range s.Int("rounds") {
		x.do("leave", ways[s.Rand("ways").IntN(len(ways))])
	}
	s.Sleep(2*patience + s.Slack())
	s.Check(g.place.Streams() == streams, propStreams, "%d are open, %d were before", g.place.Streams(), streams)
	took := x.fills()
	s.Check(took <= whole+4*hop+s.Slack(), propWindow, "what fits in took %v, and %v before", took, whole)
}

// fills makes as many calls at once as the windows of a connection hold, and
// returns how long they take together.
func (x *speaker) fills() time.Duration {
	begun := x.s.Runtime().Now()
	var jobs []*scenario.Job
	for range 4 {
		jobs = append(jobs, x.place.Go("fill", func() {
			ctx, cancel := x.place.Runtime().WithTimeout(context.Background(), time.Minute)
			defer cancel()
			kind, err := x.large(ctx, "take", 60<<10, time.Minute)
			x.s.Check(err == nil && kind == wire.KindReply, propWindow, "a call as large as the window gets no answer: frame %d, %v", kind, err)
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	return x.s.Runtime().Now().Sub(begun)
}

// falls falls silent in the middle of a call, and goes on in the moment in
// which the node has lost its patience.
func (x *speaker) falls(ctx context.Context) {
	frame := append([]byte{wire.StreamCall}, x.call("take", 60<<10, time.Minute)...)
	s, err := x.open(ctx, frame[:30<<10])
	if err != nil {
		return
	}
	rt.Sleep(ctx, x.place.Runtime(), patience-hop+time.Duration(x.s.Rand("falls").IntN(2))*hop)
	s.Write(frame[30<<10 : 50<<10])
	rt.Sleep(ctx, x.place.Runtime(), 4*hop)
	s.Close()
}

// overruns announces more than it may send, and sends much of it.
func (x *speaker) overruns(ctx context.Context) {
	frame := append([]byte{wire.StreamCall}, binary.BigEndian.AppendUint32(nil, 1<<30)...)
	s, err := x.open(ctx, append(frame, make([]byte, 50<<10)...))
	if err == nil {
		rt.Sleep(ctx, x.place.Runtime(), 4*hop)
		s.Close()
	}
}

// babbles goes on behind its call.
func (x *speaker) babbles(ctx context.Context) {
	s, err := x.open(ctx, append([]byte{wire.StreamCall}, x.call("take", 64, time.Minute)...))
	if err == nil {
		s.Write(make([]byte, 50<<10))
		rt.Sleep(ctx, x.place.Runtime(), 4*hop)
		s.Close()
	}
}

// answersWithMore answers a call of the node, goes on behind the answer, and
// does not end. The answer comes on a stream of its own, or on that of a call.
func (x *speaker) answersWithMore(g *member, size int, own bool) func(context.Context) {
	return func(ctx context.Context) {
		r := x.place.Runtime()
		job := g.place.Go("call", func() { g.call("at.stranger", make([]byte, size), time.Second, false) })
		if own {
			x.answersApart(ctx)
		} else if s, c, err := x.incoming(ctx); err == nil {
			s.Write(append(wire.AppendReply(nil, c.ID, nil), make([]byte, 50<<10)...))
			rt.Sleep(ctx, r, 4*hop)
			s.Close()
		}
		job.Wait()
	}
}

// answersApart answers the next small call on a stream that it opens for that.
func (x *speaker) answersApart(ctx context.Context) {
	c, err := x.asks(ctx)
	if err != nil {
		return
	}
	s, err := x.open(ctx, append([]byte{wire.StreamReply}, wire.AppendReply(nil, c.ID, nil)...))
	if err == nil {
		s.Write(make([]byte, 50<<10))
		rt.Sleep(ctx, x.place.Runtime(), 4*hop)
		s.Close()
	}
}

// rapidReset opens streams for calls of handlers that do not look up, and
// resets them at once; and cancels calls on the shared stream as fast.
func rapidReset(s *scenario.Stage) {
	const most, each = 12, 5
	cfg := node.Config{}
	cfg.Server.MaxHandlers, cfg.Link.MaxCalls, cfg.OpenPeers = most, each, true
	g, x := theGateway(s, cfg)
	y := newSpeaker(s, "second", g, transport.Config{}, wire.RolePeer)
	z := newSpeaker(s, "third", g, transport.Config{}, wire.RolePeer)
	running, peak := map[transport.PeerID]int{}, 0
	total := 0
	g.provideWith("stubborn", node.AdvertiseOptions{}, func(_ context.Context, req *node.Request) ([]byte, error) {
		total++
		running[req.Caller]++
		peak = max(peak, total)
		s.Check(total <= most, propHandlers, "%d run, the limit is %d", total, most)
		s.Check(running[req.Caller] <= each, propHandlers, "%d run of one caller, the limit is %d", running[req.Caller], each)
		err := rt.Sleep(context.Background(), g.place.Runtime(), time.Second)
		total--
		running[req.Caller]--
		return nil, err
	})
	var jobs []*scenario.Job
	for _, who := range []*speaker{x, y, z} {
		jobs = append(jobs, who.place.Go("reset", func() {
			ctx, cancel := who.place.Runtime().WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for range 30 * s.Int("rounds") {
				who.reset(ctx)
			}
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	s.Peak("handlers of callers that left", most, peak)
	s.Sometimes("every handler was busy", g.node.Status().Server.Refused > 0)
	s.Sleep(2 * time.Second)
	s.Check(total == 0 && g.node.Status().Server.Running == 0, propPermits, "%d handlers run, %d are counted", total, g.node.Status().Server.Running)
	s.Check(callsHeld(g.node) == 0, propPermits, "%d places of calls are taken", callsHeld(g.node))
}

// reset makes a call and takes it back at once, in one of two ways.
func (x *speaker) reset(ctx context.Context) {
	rnd := x.s.Rand("reset")
	if rnd.IntN(3) == 0 {
		frames := x.call("stubborn", 64, time.Minute)
		x.small(ctx, wire.AppendCancel(frames, x.lastID, 0))
	} else if s, err := x.open(ctx, append([]byte{wire.StreamCall}, x.call("stubborn", 64, time.Minute)...)); err == nil {
		rt.Sleep(ctx, x.place.Runtime(), time.Duration(rnd.IntN(3))*hop)
		s.CancelWrite(0)
		s.CancelRead(0)
		s.Close()
	}
	rt.Sleep(ctx, x.place.Runtime(), time.Duration(rnd.Int64N(int64(20*hop))))
}

// halfClosed leaves halves of streams open that should end: of calls that were
// answered or refused, of answers, and of streams that only begin.
func halfClosed(s *scenario.Stage) {
	g, x := theGateway(s, node.Config{})
	g.provideWith("work", node.AdvertiseOptions{}, working(g.place, hop))
	g.provideWith("wait", node.AdvertiseOptions{}, waiting(g.place))
	x.do("provide", func(context.Context) {
		kind, err := x.advertise("at.stranger", time.Hour)
		s.Check(err == nil && kind == 0, "a client advertises", "%v %v", kind, err)
	})
	s.Sleep(4 * hop)
	streams := g.place.Streams()
	ways := []func(context.Context){
		x.stays("work", time.Minute), x.stays("nobody.knows", time.Minute), x.stays("wait", time.Second), // and do not end their half
		x.ends, x.begins, x.isCalled(g),
	}
	for i := range len(ways) + s.Int("rounds") {
		if i >= len(ways) { // once each, and then as it comes
			i = s.Rand("ways").IntN(len(ways))
		}
		x.do("leave", ways[i])
	}
	s.Check(g.place.Streams() > streams, "streams are half closed", "%d are open, %d were before", g.place.Streams(), streams)
	s.Sleep(patience + time.Second + 4*hop + s.Slack()) // and the time that the slowest call had
	s.Check(g.place.Streams() == streams, propHalf, "%d are open, %d were before", g.place.Streams(), streams)
	st := g.node.Status()
	s.Check(st.Server.Running == 0 && callsHeld(g.node) == 0, propHalf, "%d handlers run, %d places of calls are taken", st.Server.Running, callsHeld(g.node))
}

// stays makes a call, hears its end and leaves its own half as it is.
func (x *speaker) stays(name string, budget time.Duration) func(context.Context) {
	return func(ctx context.Context) {
		s, err := x.open(ctx, append([]byte{wire.StreamCall}, x.call(name, 64, budget)...))
		if err == nil {
			wire.NewReader(s, wire.MaxFrame).Next()
		}
	}
}

// ends closes its half at once, and does not read what comes.
func (x *speaker) ends(ctx context.Context) {
	if s, err := x.open(ctx, append([]byte{wire.StreamCall}, x.call("wait", 64, time.Minute)...)); err == nil {
		s.CloseWrite()
	}
}

// begins says what a stream will be, and no more.
func (x *speaker) begins(ctx context.Context) { x.open(ctx, []byte{wire.StreamCall}) }

// isCalled is called by the node, and closes its half without an answer.
func (x *speaker) isCalled(g *member) func(context.Context) {
	return func(ctx context.Context) {
		job := g.place.Go("call", func() {
			_, err := g.call("at.stranger", make([]byte, 20<<10), time.Second, false)
			x.s.Check(err != nil, "a call without an answer fails", "it did not")
		})
		if s, _, err := x.incoming(ctx); err == nil {
			s.CloseWrite()
		}
		job.Wait()
	}
}
