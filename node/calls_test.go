package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
)

func TestCallsInFlightAreListedAtBothEndsTheOldestFirst(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		a := start(t, s, "a", node.Config{OpenPeers: true})
		b := start(t, s, "b", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "a")}})
		slow := func(ctx context.Context, _ *node.Request) ([]byte, error) {
			return nil, rt.Sleep(ctx, a.place.Runtime(), 3*time.Second)
		}
		a.provide("slow", slow, node.AdvertiseOptions{})
		s.Sleep(time.Second)
		far := s.Go("far", func() { b.call("slow", 10*time.Second) })
		s.Sleep(time.Second)
		here := s.Go("here", func() { a.call("slow", 10*time.Second) })
		s.Sleep(500 * time.Millisecond)

		calls := a.node.Calls()
		if len(calls) != 2 || calls[0].With != b.id || calls[0].Caller != b.id || calls[0].Out || calls[0].Local || !calls[1].Local || calls[1].With != a.id {
			t.Fatalf("at the provider: %+v", calls)
		}
		for i, age := range []time.Duration{1500 * time.Millisecond, 500 * time.Millisecond} {
			if c := calls[i]; c.Service != "slow" || c.Age < age-100*time.Millisecond || c.Age > age || (c.Age+c.Left).Round(time.Second) != 10*time.Second {
				t.Errorf("call %d: %+v", i, c)
			}
		}
		if calls := b.node.Calls(); len(calls) != 1 || !calls[0].Out || calls[0].With != a.id || calls[0].Caller != b.id {
			t.Errorf("at the caller: %+v", calls)
		}
		if o := a.node.Oldest(); o.Call != calls[0].Age || o.Handshake != 0 || o.HalfClosed != 0 {
			t.Errorf("oldest: %+v, %v", o, calls[0].Age)
		}
		here.Wait()
		far.Wait()
		if calls, o := a.node.Calls(), a.node.Oldest(); len(calls) != 0 || o.Call != 0 {
			t.Errorf("afterwards: %v, %v", calls, o)
		}
		if n := a.node.Status().HandlerTimes; n.Count() != 2 || n.Sum < 6*time.Second || n.Sum > 7*time.Second {
			t.Errorf("handlers: %d in %v", n.Count(), n.Sum)
		}
		if n := b.node.Status().CallTimes; n.Count() != 1 || n.Sum < 3*time.Second {
			t.Errorf("calls: %d in %v", n.Count(), n.Sum)
		}
		for range 3 {
			b.call("slow", 10*time.Second)
		}
		for name, m := range map[string]*member{"calls in": a, "calls out": b, "local calls": a} {
			if table := tableOf(m.node, name); table.Peak != 1 || table.Entries != 0 {
				t.Errorf("one call at a time: %+v", table)
			}
		}
		a.close()
		b.close()
	})
}

func tableOf(n *node.Node, name string) node.Table {
	for _, t := range n.Tables() {
		if t.Name == name {
			return t
		}
	}
	return node.Table{}
}

func TestAHandlerThatNobodyWaitsForIsCountedUntilItReturns(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		a := start(t, s, "a", node.Config{OpenPeers: true})
		b := start(t, s, "b", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "a")}})
		deaf := func(context.Context, *node.Request) ([]byte, error) {
			return nil, rt.Sleep(context.Background(), a.place.Runtime(), 5*time.Second)
		}
		a.provide("deaf", deaf, node.AdvertiseOptions{})
		s.Sleep(time.Second)
		for _, m := range []*member{a, b} {
			if err := m.call("deaf", time.Second); fault.KindOf(err) != fault.Deadline {
				t.Errorf("%v", err)
			}
		}
		s.Sleep(500 * time.Millisecond)
		if n := a.node.Sight().Abandoned; n != 2 {
			t.Errorf("%d handlers are abandoned, want 2", n)
		}
		s.Sleep(10 * time.Second)
		if n := a.node.Sight().Abandoned; n != 0 {
			t.Errorf("%d handlers are abandoned at the end", n)
		}
		if got := a.node.Status(); got.Caller.Kinds[fault.Deadline] != 1 || got.Links.Gone != 1 || got.Handshakes.Admitted != 1 {
			t.Errorf("%+v %+v %+v", got.Caller.Kinds, got.Links, got.Handshakes)
		}
		a.close()
		b.close()
	})
}

func TestALookupAsksTheMeshWhenNobodyIsKnown(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		a := start(t, s, "a", node.Config{OpenPeers: true})
		b := start(t, s, "b", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "a")}})
		s.Sleep(time.Second)
		look := func(name string) (list []node.ServiceInfo, err error) {
			b.place.Do("lookup", func() { list, err = b.node.Lookup(context.Background(), name) })
			return list, err
		}
		if list, err := look("nobody"); len(list) != 0 || err != nil {
			t.Errorf("of nobody: %v, %v", list, err)
		}
		if _, err := look("not a name"); fault.KindOf(err) != fault.Invalid {
			t.Errorf("of a malformed name: %v", err)
		}
		a.provide("demo", echo, node.AdvertiseOptions{})
		list, err := look("demo")
		if err != nil || len(list) != 1 || list[0].Provider != a.id || list[0].Local {
			t.Errorf("%v, %v", list, err)
		}
		a.close()
		b.close()
	})
}

func TestTheCleanupAuditsNowAndThen(t *testing.T) {
	play(t, 1, func(t *testing.T, s *scenario.Stage) {
		a := start(t, s, "a", node.Config{CleanupInterval: time.Second})
		s.Sleep(25 * time.Second)
		st := a.node.Status()
		if st.Audits.Checks != 2 || st.Audits.Violations != 0 || st.Audits.Drift != 0 {
			t.Errorf("%+v", st.Audits)
		}
		a.close()
	})
}
