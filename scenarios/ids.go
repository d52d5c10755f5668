package scenarios

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func idsSystem() *scenario.System {
	return &scenario.System{
		Name:  "ids",
		Shows: "a node, and a client that chooses the ids of its calls and the answers to those of the node",
		Params: []scenario.Param{
			{Name: "rounds", Default: "3", Least: "1", Doc: "rounds of calls that are answered late or never"},
			{Name: "calls", Default: "30", Least: "8", Doc: "calls of a round"},
		},
		Requests: []plan.Verb{
			act("ids-come-round", "calls whose ids differ in their upper bits only, and ids that are used again while their first calls live"),
			act("unanswered", "calls that run out of time or are cancelled, and whose answers come late or never"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"ids-come-round": func() { idsComeRound(s) },
				"unanswered":     func() { unanswered(s) },
			})
		},
	}
}

const (
	propLives   = "a call lives on when others come and go whose ids are like its own"
	propEnds    = "a cancellation ends the call with its id, and no other"
	propInUse   = "an id is refused for as long as it is in use, and no longer"
	propNewID   = "a new id is never that of a call that lives"
	propAnswers = "an answer carries the id of its call"
)

// lived are the calls that live at a node, by their bodies.
type lived struct {
	begun, ended map[byte]int // for lookup only
}

// provide lets a node answer "live", which waits for the end of its caller.
func (l *lived) provide(m *member) {
	l.begun, l.ended = map[byte]int{}, map[byte]int{}
	m.provideWith("live", node.AdvertiseOptions{}, func(ctx context.Context, req *node.Request) ([]byte, error) {
		l.begun[req.Body[0]]++
		err := m.place.Runtime().NewParker().Park(ctx)
		l.ended[req.Body[0]]++
		return nil, err
	})
}

// idsComeRound lets a client call with ids that are the same in their lower 8,
// 16, 32 and 48 bits.
func idsComeRound(s *scenario.Stage) {
	n := startNode(s, "node", node.Config{})
	n.provide("echo", node.AdvertiseOptions{})
	l := &lived{}
	l.provide(n)
	x := newSpeaker(s, "client", n, transport.Config{}, wire.RoleClient)
	x.do("calls", func(ctx context.Context) {
		base := uint64(1 + s.Rand("ids").IntN(200))
		ids := []uint64{base, base + 1<<8, base + 1<<16, base + 1<<32, base + 1<<48, base - 1 | (1<<64 - 1<<8)}
		var answers *wire.Reader
		for i, id := range ids { // all of them live at a time
			frame := wire.AppendCall(nil, &wire.Call{ID: id, Budget: time.Hour, Name: "live", Body: []byte{byte(i)}})
			x.small(ctx, frame)
		}
		answers = wire.NewReader(x.calls, largest)
		s.Sleep(10 * hop)
		for i := range ids {
			s.Check(l.begun[byte(i)] == 1 && l.ended[byte(i)] == 0, propLives, "call %d of %v began %d times and ended %d times", i, ids, l.begun[byte(i)], l.ended[byte(i)])
		}
		for _, i := range s.Rand("ids").Perm(len(ids)) {
			x.useAgain(ctx, answers, ids[i], fault.Protocol)
			// Others with nearly the same id come and go.
			near := ids[i] ^ 1<<(9+s.Rand("ids").IntN(50))
			for slices.Contains(ids, near) {
				near++
			}
			x.useAgain(ctx, answers, near, 0)
			x.small(ctx, wire.AppendCancel(nil, near, fault.Cancelled))
			s.Sleep(10 * hop)
			s.Check(l.ended[byte(i)] == 0, propLives, "call %d of %v has ended before its time", i, ids)
			before := len(l.ended)
			x.small(ctx, wire.AppendCancel(nil, ids[i], fault.Cancelled))
			s.Sleep(10 * hop)
			s.Check(l.ended[byte(i)] == 1 && len(l.ended) == before+1, propEnds, "call %d of %v was cancelled, and %v have ended", i, ids, l.ended)
			x.useAgain(ctx, answers, ids[i], 0)
		}
	})
	askedIDs(s, n, x)
}

// useAgain makes a call with an id of its own choice and demands that it is
// answered, or refused in that way.
func (x *speaker) useAgain(ctx context.Context, answers *wire.Reader, id uint64, want fault.Kind) {
	body := fmt.Appendf(nil, "call %d", id)
	x.small(ctx, wire.AppendCall(nil, &wire.Call{ID: id, Budget: time.Minute, Name: "echo", Body: body}))
	kind, payload, err := answers.Next()
	switch {
	case err != nil:
		x.s.Check(false, propAnswers, "%d: %v", id, err)
	case kind == wire.KindReply:
		r, err := wire.ParseReply(payload)
		x.s.Check(err == nil && r.ID == id && string(r.Body) == string(body), propAnswers, "%q was answered with id %d and %q", body, r.ID, r.Body)
		x.s.Check(want == 0, propInUse, "%d is in use, and a call with it was answered", id)
	case kind == wire.KindError:
		e, err := wire.ParseError(payload)
		x.s.Check(err == nil && e.ID == id, propAnswers, "%q was answered with an error for %d", body, e.ID)
		x.s.Check(e.Kind == want && !e.Executed, propInUse, "%d: refused with %v: %s", id, e.Kind, e.Message)
	}
}

// askedIDs looks at the ids that the node itself gives to its calls, small and
// large ones together, while none is answered.
func askedIDs(s *scenario.Stage, n *member, x *speaker) {
	const count = 40
	x.do("advertise", func(context.Context) {
		kind, err := x.advertise("asked", time.Hour)
		s.Check(err == nil && kind == 0, "a client may advertise", "%v, %v", kind, err)
	})
	live := map[uint64]bool{} // for lookup only
	note := func(c wire.Call) {
		s.Check(!live[c.ID], propNewID, "%d is given to two calls that live", c.ID)
		live[c.ID] = true
	}
	x.place.Go("accept", func() {
		for len(live) < count {
			st, rd, err := x.accept(context.Background())
			if err != nil {
				return
			}
			x.place.Go("stream", func() {
				defer st.Close()
				eachCall(rd, note)
			})
		}
	})
	var jobs []*scenario.Job
	for i := range count {
		jobs = append(jobs, n.place.Go("call", func() {
			r := n.place.Runtime()
			ctx, cancel := r.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			rt.Sleep(ctx, r, time.Duration(r.Rand("ids").Int64N(int64(time.Second))))
			n.node.Call(ctx, "asked", make([]byte, 8+i%4/3*(20<<10)), node.CallOptions{})
		}))
	}
	s.Eventually(5*time.Second, "every call arrives, each with an id of its own", func() bool { return len(live) == count })
	for _, j := range jobs {
		j.Wait()
	}
	x.leaves()
}

// eachCall reads the calls of a stream to its end, and nothing else that is
// said there.
func eachCall(rd *wire.Reader, take func(wire.Call)) {
	for {
		kind, payload, err := rd.Next()
		if err != nil {
			return
		}
		if kind != wire.KindCall {
			continue
		}
		if c, err := wire.ParseCall(payload); err == nil {
			take(c)
		}
	}
}

// leaves closes what a stranger has, and waits until that is known.
func (x *speaker) leaves() {
	x.place.Do("close", func() { x.trans.Close() })
	x.s.Sleep(10 * hop)
}

const (
	propHeld    = "nothing is held of a call that its caller has given up"
	propOnTime  = "a call ends by its deadline, answered or not"
	propOther   = "a late answer is nobody else's"
	propOneLink = "late answers do not cost the connection"
)

// unanswered calls somebody who answers as it likes.
func unanswered(s *scenario.Stage) {
	cfg := node.Config{}
	cfg.Link.QueueBytes = 16 << 10
	n := startNode(s, "node", cfg)
	x := newSpeaker(s, "client", n, transport.Config{}, wire.RoleClient)
	x.do("advertise", func(context.Context) {
		kind, err := x.advertise("asked", time.Hour)
		s.Check(err == nil && kind == 0, "a client may advertise", "%v, %v", kind, err)
	})
	u := &unkind{s: s, n: n, x: x}
	x.place.Go("accept", u.accept)
	held := 0
	for round := range s.Int("rounds") {
		u.round(round)
		s.Sleep(2 * time.Second) // the latest answer comes
		before := held
		held = len(n.place.Leaks())
		s.Check(round == 0 || held <= before, propHeld, "%d tasks, timers and contexts after round %d, %d before it", held, round, before)
	}
	s.Check(len(n.node.Clients()) == 1, propOneLink, "it is gone")
	x.leaves()
	s.Factf("%d answers came late, %d never, %d in time; %d calls gave up before there was room to write them", u.late, u.never, u.timely, u.unsent)
}

// unkind is a provider that answers in time, late or never, and does not read
// for a while.
type unkind struct {
	s                           *scenario.Stage
	n                           *member
	x                           *speaker
	late, never, timely, unsent int
	deaf                        bool
}

// accept serves every stream of the node.
func (u *unkind) accept() {
	for {
		st, err := u.x.conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		kind := make([]byte, 1)
		io.ReadFull(st, kind)
		u.x.place.Go("stream", func() {
			defer st.Close()
			eachCall(wire.NewReader(st, largest), func(c wire.Call) {
				c.Body = slices.Clone(c.Body)
				u.x.place.Go("answer", func() { u.answer(st, c.ID, c.Budget, c.Body) })
				for u.deaf && kind[0] == wire.StreamCalls {
					rt.Sleep(context.Background(), u.x.place.Runtime(), 10*time.Millisecond)
				}
			})
		})
	}
}

// answer answers a call of which so much time is left.
func (u *unkind) answer(st transport.Stream, id uint64, budget time.Duration, body []byte) {
	r := u.x.place.Runtime()
	wait := time.Duration(0)
	switch r.Rand("unkind").IntN(5) {
	case 0:
		u.never++
		return
	case 1, 2: // in the very moment in which the caller's time is over
		wait = budget - 2*hop
		u.late++
	case 3:
		wait = budget + time.Duration(r.Rand("unkind").Int64N(int64(time.Second)))
		u.late++
	default:
		u.timely++
	}
	rt.Sleep(context.Background(), r, wait)
	st.Write(wire.AppendReply(nil, id, body))
}

// round makes calls that end in all ways, and then looks for what is left of
// them.
func (u *unkind) round(round int) {
	s, n := u.s, u.n
	var jobs []*scenario.Job
	for i := range s.Int("calls") {
		jobs = append(jobs, n.place.Go("call", func() { u.call(round, i) }))
	}
	s.Sleep(time.Second / 2)
	// Nothing is read, so that calls have to wait for room, and give up.
	u.deaf = true
	for i := range s.Int("calls") {
		jobs = append(jobs, n.place.Go("call", func() { u.call(round, 1000+i) }))
	}
	s.Sleep(2 * time.Second)
	for _, j := range jobs {
		j.Wait()
	}
	st, held := n.node.Status().Caller, callsHeld(n.node)
	s.Check(st.InFlight == 0 && held == 0, propHeld, "round %d: %d calls are in flight, the link holds %d", round, st.InFlight, held)
	u.deaf = false
}

// call makes one call and looks at its end.
func (u *unkind) call(round, i int) {
	s, r := u.s, u.n.place.Runtime()
	timeout := time.Duration(50+r.Rand("calls").IntN(1000)) * time.Millisecond // in whole ones, as the node tells it in microseconds
	ctx, cancel := r.WithTimeout(context.Background(), timeout)
	defer cancel()
	if i%3 == 0 {
		timeout /= 2
		defer r.AfterFunc(timeout, cancel).Stop()
	}
	size := []int{16, 12 << 10, 40 << 10}[i/2%3]
	body := make([]byte, size)
	copy(body, fmt.Sprintf("%d of %d", i, round))
	begun := s.Runtime().Now()
	answer, err := u.n.node.Call(ctx, "asked", body, node.CallOptions{})
	took := s.Runtime().Now().Sub(begun)
	s.Check(took <= timeout+time.Millisecond+s.Slack(), propOnTime, "one of %v took %v", timeout, took)
	s.Check(err != nil || string(answer) == string(body), propOther, "%q was answered with %d bytes: %.20q", body[:16], len(answer), answer)
	if u.deaf && err != nil && !fault.Executed(err) {
		u.unsent++
		s.Mark("given up before it was written")
	}
}
