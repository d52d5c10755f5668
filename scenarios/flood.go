package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func floodSystem() *scenario.System {
	return &scenario.System{
		Name:  "flood",
		Shows: "a node, and strangers who ask without reading what they are answered",
		Params: []scenario.Param{
			{Name: "queue", Default: "4096", Least: "1024", Doc: "bytes that may wait on one stream of the node"},
		},
		Requests: []plan.Verb{
			act("answers-pile-up", "strangers flood the node with frames that it has to answer, and let no answer through"),
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){"answers-pile-up": func() { answersPileUp(s) }})
		},
	}
}

const (
	propPile   = "who asks and does not read is cut off before the answers pile up"
	propServed = "others are answered at once meanwhile"
)

// window is what the node may have in flight to a stranger who does not read.
const window = 1 << 10

// asking is what a stranger may have in flight to the node.
const asking = 8 << 10

// flood is a way to ask for answers.
type flood struct {
	name  string
	role  wire.Role
	calls bool                           // on the stream of calls
	frame func(x *speaker, i int) []byte // the next question
}

func floods() []flood {
	name := func(i int) string { return fmt.Sprintf("name.%d", i) }
	return []flood{
		{"pings", wire.RoleClient, false, func(_ *speaker, i int) []byte { return wire.AppendPing(nil, uint64(i)) }},
		{"queries", wire.RolePeer, false, func(_ *speaker, i int) []byte {
			return wire.AppendQuery(nil, &wire.Query{ID: uint32(i), Name: name(i)})
		}},
		{"advertisements", wire.RoleClient, false, func(x *speaker, i int) []byte {
			return wire.AppendAdvertise(nil, &wire.Advertise{Name: name(i), Provider: x.id, Version: uint64(i), TTL: time.Hour})
		}},
		{"calls", wire.RoleClient, true, func(x *speaker, i int) []byte { return x.call(name(i), 8, time.Minute) }},
	}
}

func answersPileUp(s *scenario.Stage) {
	queue := s.Int("queue")
	cfg := node.Config{OpenPeers: true}
	cfg.Link.QueueBytes = queue
	n := startTuned(s, "node", cfg, transport.Config{StreamWindow: asking})
	n.provide("echo", node.AdvertiseOptions{})
	other := newClient(s, "other", "other", client.Config{NoReconnect: true}, n)
	s.SetLink(n.place, other.place, scenario.Link{Latency: hop})
	err := other.attach()
	s.Check(err == nil, "a client attaches", "%v", err)
	over := false
	watch := other.place.Go("calls", func() {
		for !over {
			begun := s.Runtime().Now()
			ctx, cancel := other.place.Runtime().WithTimeout(context.Background(), time.Second)
			_, err := other.client.Call(ctx, "echo", []byte("x"), false)
			cancel()
			took := s.Runtime().Now().Sub(begun)
			s.Check(err == nil && took <= 2*hop+time.Millisecond+s.Slack(), propServed, "after %v: %v", took, err)
			rt.Sleep(context.Background(), other.place.Runtime(), hop)
		}
	})
	var jobs []*scenario.Job
	for _, f := range floods() {
		x := newSpeaker(s, f.name, n, transport.Config{StreamWindow: window, ConnWindow: 4 * window}, f.role)
		s.SetLink(n.place, x.place, scenario.Link{Latency: hop, Bandwidth: 1 << 20})
		jobs = append(jobs, x.place.Go("flood", func() { x.flood(f, queue) }))
	}
	for _, j := range jobs {
		j.Wait()
	}
	over = true
	watch.Wait()
	s.Sleep(10 * hop)
	st := n.node.Status()
	s.Check(st.Clients.Attached == 1 && st.Pool.Open == 0, propPile, "%d clients and %d peers are left", st.Clients.Attached, st.Pool.Open)
}

// flood asks until the node closes the connection.
func (x *speaker) flood(f flood, queue int) {
	s := x.s
	ctx, cancel := x.place.Runtime().WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// Of the queue twice as much may wait as its limit, and as much again be on
	// its way into the window. A question is at most three times as long as its
	// answer. What the node has not read yet is in its own window.
	most := 3*(4*queue+window) + 2*asking
	asked, questions := 0, 0
	for {
		var frames []byte
		for len(frames) < asking/2 {
			questions++
			frames = append(frames, f.frame(x, questions)...)
		}
		var err error
		if f.calls {
			err = x.small(ctx, frames)
		} else {
			_, err = x.control.Write(frames)
		}
		if err != nil {
			break
		}
		asked += len(frames)
		if !s.Check(asked <= most, propPile, "%s: %d bytes of questions were read, and none of the answers", f.name, asked) {
			return
		}
	}
	s.Check(context.Cause(x.conn.Context()) != nil, propPile, "%s: the node goes on", f.name)
	s.Factf("%s: cut off after %d questions, %d bytes", f.name, questions, asked)
}
