package node_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func TestEveryAcceptedConnectionIsAdmittedRefusedOrFailedOnce(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{Clients: clients.Config{Limit: 2}})
		p := s.Place("stranger")
		var trs []transport.Transport
		for i, role := range []wire.Role{wire.RoleClient, wire.RoleClient, wire.RoleClient, wire.RolePeer, 0} {
			tr := p.Transport(ident.Simulated(s.Seed(), fmt.Sprint("caller ", i)), transport.Config{})
			trs = append(trs, tr)
			p.Do("come", func() {
				if r := dialRaw(t, p, tr, n); r != nil && role != 0 {
					r.hello(role).Next()
				}
			})
		}
		s.Sleep(2 * time.Second)
		silent := n.node.Oldest().Handshake
		if table := tableOf(n.node, "handshakes"); table.Entries != 1 || silent < 1900*time.Millisecond || silent > 2500*time.Millisecond {
			t.Errorf("one says nothing: %+v, for %v", table, silent)
		}
		s.Sleep(10 * time.Second)
		st := n.node.Status()
		if got := st.Handshakes; got != (node.HandshakeCounts{Admitted: 2, Refused: 2, Failed: 1}) {
			t.Errorf("%+v", got)
		}
		if st.Clients.Refused != 1 || n.node.Oldest().Handshake != 0 {
			t.Errorf("%+v, %+v", st.Clients, n.node.Oldest())
		}
		p.Do("leave", func() {
			for _, tr := range trs {
				tr.Close()
			}
		})
		n.close()
	})
}

func TestWhoSaysHelloToADrainedNodeIsCounted(t *testing.T) {
	play(t, 3, func(t *testing.T, s *scenario.Stage) {
		n := start(t, s, "n", node.Config{OpenPeers: true})
		p := s.Place("stranger")
		tr := p.Transport(idOf(s, "stranger"), transport.Config{})
		var r *raw
		p.Do("come", func() { r = dialRaw(t, p, tr, n) })
		s.Sleep(time.Second)
		d := n.place.Go("drain", func() { n.node.Drain(context.Background()) })
		s.Sleep(100 * time.Millisecond)
		p.Do("hello", func() { r.hello(wire.RoleClient).Next() })
		d.Wait()
		s.Sleep(time.Second)
		h := n.node.Status().Handshakes
		if h.Admitted+h.Refused+h.Failed != 1 || h.ClientsDraining != 1 {
			t.Errorf("%+v", h)
		}
		p.Do("leave", func() { tr.Close() })
		n.close()
	})
}
