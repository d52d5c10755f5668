package node_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/rpc"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

// A client may claim what it likes of a call: the provider learns who it is,
// or hears nothing.
func TestAClientCannotPassForItsGateway(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		other := start(t, s, "other", node.Config{OpenPeers: true})
		n := start(t, s, "n", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "other")}})
		var callers []transport.PeerID
		note := func(_ context.Context, req *node.Request) ([]byte, error) {
			callers = append(callers, req.Caller)
			return nil, nil
		}
		other.provide("there", note, node.AdvertiseOptions{})
		n.provide("here", note, node.AdvertiseOptions{})
		s.Sleep(3 * time.Second)
		p := s.Place("client")
		tr := p.Transport(idOf(s, "client"), transport.Config{})
		claims := []wire.Call{{Hops: 255}, {Hops: 254}, {Hops: 1}, {Flags: wire.FlagForwarded, Caller: n.id}, {Flags: wire.FlagForwarded, Caller: n.id, Hops: 255}}
		p.Do("client", func() {
			r := dialRaw(t, p, tr, n)
			if kind, _, err := r.hello(wire.RoleClient).Next(); err != nil || kind != wire.KindWelcome {
				t.Errorf("the hello was answered with frame %d, %v", kind, err)
			}
			frames := []byte{wire.StreamCalls}
			for i, c := range claims {
				c.Budget, c.Body = 2*time.Second, []byte("x")
				c.ID, c.Name = uint64(2*i+1), "there"
				frames = wire.AppendCall(frames, &c)
				c.ID, c.Name = uint64(2*i+2), "here"
				frames = wire.AppendCall(frames, &c)
			}
			rd := r.open(wire.AppendCall(frames, &wire.Call{ID: 100, Budget: 2 * time.Second, Name: "there"}))
			for range 2*len(claims) + 1 {
				kind, payload, err := rd.Next()
				if err != nil {
					t.Error(err)
					break
				}
				if kind == wire.KindError {
					if e, _ := wire.ParseError(payload); e.Kind != fault.Unauthorized || e.Executed || e.ID == 100 {
						t.Errorf("%+v", e)
					}
				} else if rep, _ := wire.ParseReply(payload); rep.ID != 100 {
					t.Errorf("call %d was answered with frame %d", rep.ID, kind)
				}
			}
			r.conn.CloseWithError(0, "")
			tr.Close()
		})
		if !slices.Equal(callers, []transport.PeerID{idOf(s, "client")}) {
			t.Errorf("the providers were called by %x, the client is %x", callers, idOf(s, "client"))
		}
		n.close()
		other.close()
	})
}

// advertise provides a service through the client's gateway.
func (c *attached) advertise(name string, h rpc.Handler) {
	c.place.Do("advertise", func() {
		ctx, cancel := c.place.Runtime().WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := c.client.Advertise(ctx, name, h, 0, false); err != nil {
			c.t.Errorf("advertise: %v", err)
		}
	})
}

// A client provides a service, at the node that calls or at another one, and
// has no handler left. Its refusal comes through its gateway: the call was not
// executed, and may go to the node that provides the same.
func TestACallThatNobodyExecutedFailsOverBehindAGateway(t *testing.T) {
	for _, gateway := range []string{"n", "other"} {
		failovers := uint64(0)
		play(t, 10, func(t *testing.T, s *scenario.Stage) {
			at := map[string]*member{}
			var boot []node.Peer
			for _, name := range []string{"b", "other", "n"} {
				at[name] = start(t, s, name, node.Config{OpenPeers: true, Bootstrap: boot})
				boot = append(boot, peerAt(s, name))
			}
			n := at["n"]
			full, tr := newClientOf(t, s, "client", at[gateway], client.Config{Server: rpc.ServerConfig{MaxHandlers: 1}})
			full.attach().Wait()
			good, began := 0, 0
			slow := func(ctx context.Context, _ *node.Request) ([]byte, error) {
				began++
				return nil, rt.Sleep(ctx, full.place.Runtime(), 8*time.Second)
			}
			full.advertise("svc", slow)
			full.advertise("only", slow)
			at["b"].provide("svc", func(context.Context, *node.Request) ([]byte, error) { good++; return nil, nil }, node.AdvertiseOptions{})
			caller, ctr := newClient(t, s, "friend", n)
			caller.attach().Wait()
			s.Sleep(3 * time.Second)
			busy := s.Go("busy", func() { at[gateway].call("only", 20*time.Second) })
			s.Sleep(100 * time.Millisecond)
			for i := range 10 {
				if err := n.call("svc", time.Second); err != nil {
					t.Errorf("a call of the node: %v", err)
				}
				if err := caller.call("svc"); err != nil {
					t.Errorf("a call of its client: %v", err)
				}
				if good != 2*i+2 {
					t.Errorf("%d of %d calls reached who can answer", good, 2*i+2)
				}
			}
			for who, err := range map[string]error{"node": n.call("only", time.Second), "client": caller.call("only"), "client, of nobody": caller.call("nobody")} {
				if err == nil || fault.Executed(err) {
					t.Errorf("the %s, when there is nobody else: %v, executed %v", who, err, fault.Executed(err))
				}
			}
			if began != 1 {
				t.Errorf("%d handlers of the full client began", began)
			}
			failovers += n.node.Status().Caller.Failovers
			busy.Wait()
			caller.close(ctr)
			full.close(tr)
			for _, name := range []string{"n", "other", "b"} {
				at[name].close()
			}
		})
		if failovers == 0 {
			t.Errorf("gateway %s: the full client was never the first", gateway)
		}
	}
}

// Two services of one name, one after the other: the end of the older one does
// not end the younger one, here or for the peers, in whatever order their
// tasks run and whether they are renewed or not.
func TestTheEndOfAnOldServiceLeavesItsSuccessor(t *testing.T) {
	for _, c := range []struct {
		name      string
		old, next node.AdvertiseOptions
	}{
		{"both renewed", node.AdvertiseOptions{TTL: 30 * time.Second}, node.AdvertiseOptions{TTL: 30 * time.Second}},
		{"the older one once", node.AdvertiseOptions{Once: true}, node.AdvertiseOptions{TTL: 30 * time.Second}},
		{"the younger one once", node.AdvertiseOptions{TTL: time.Minute}, node.AdvertiseOptions{TTL: time.Minute, Once: true}},
		{"both once", node.AdvertiseOptions{Once: true}, node.AdvertiseOptions{Once: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, 40, func(t *testing.T, s *scenario.Stage) {
				n := start(t, s, "n", node.Config{OpenPeers: true})
				other := start(t, s, "other", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "n")}})
				ran := map[string]int{}
				h := func(which string) node.Handler {
					return func(context.Context, *node.Request) ([]byte, error) { ran[which]++; return nil, nil }
				}
				old := n.provide("svc", h("old"), c.old)
				s.Sleep(3 * time.Second)
				// Around the instant in which the older one is renewed.
				s.Sleep(7*time.Second - time.Duration(s.Rand("when").Int64N(2))*time.Millisecond)
				var next *node.Service
				jobs := []*scenario.Job{
					n.place.Go("advertise", func() { next = n.provide("svc", h("next"), c.next) }),
					n.place.Go("renew", func() { old.Renew() }),
				}
				if s.Seed()%2 == 0 { // else together with the others
					for _, j := range jobs {
						j.Wait()
					}
				}
				withdraw := n.place.Go("withdraw", old.Withdraw)
				for _, j := range append(jobs, withdraw) {
					j.Wait()
				}
				if err := n.call("svc", time.Second); err != nil || ran["next"] != 1 {
					t.Errorf("called here: %v, ran %v", err, ran)
				}
				s.Sleep(3 * time.Second)
				if err := other.call("svc", time.Second); err != nil || ran["next"] != 2 {
					t.Errorf("called by a peer: %v, ran %v", err, ran)
				}
				if next != nil {
					n.place.Do("withdraw", next.Withdraw)
				}
				s.Sleep(3 * time.Second)
				if got := append(n.node.Services(), other.node.Services()...); len(got) != 0 {
					t.Errorf("left: %v", got)
				}
				other.close()
				n.close()
			})
		})
	}
}

// The renewal of a service does not take its name back from the one that has
// it now.
func TestAnOldServiceIsNotRenewedOverItsSuccessor(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{})
		last := ""
		h := func(which string) node.Handler {
			return func(context.Context, *node.Request) ([]byte, error) { last = which; return nil, nil }
		}
		old := n.provide("svc", h("old"), node.AdvertiseOptions{TTL: 30 * time.Second})
		n.provide("svc", h("next"), node.AdvertiseOptions{TTL: time.Minute, Once: true})
		for range 5 {
			s.Sleep(11 * time.Second)
			if err := n.call("svc", time.Second); err != nil || last != "next" {
				t.Errorf("answered by %q, %v", last, err)
			}
		}
		if err := old.Renew(); fault.KindOf(err) != fault.Superseded {
			t.Errorf("the older one was renewed: %v", err)
		}
		if lines := n.log.find("service not renewed"); len(lines) > 0 || n.node.Status().Services != 0 {
			t.Errorf("the node goes on to renew: %v, %d services", lines, n.node.Status().Services)
		}
		n.close()
	})
}
