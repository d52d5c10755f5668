package scenarios

import (
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func gatewaySystem() *scenario.System {
	return &scenario.System{
		Name:  "gateway",
		Shows: "a gateway, and more clients than it takes",
		Params: []scenario.Param{
			{Name: "limit", Default: "100", Least: "2", Doc: "clients that may be attached"},
			{Name: "clients", Default: "150", Doc: "clients that come, more than the limit"},
			{Name: "full-limit", Default: "10000", Doc: "the limit of the second act; 0 leaves it out"},
			{Name: "full-clients", Default: "10500", Doc: "the clients of the second act"},
		},
		Requests: []plan.Verb{
			act("crowd", "clients= clients come to a gateway that takes limit=; strangers, and those who leave and come back"),
			act("full-crowd", "the same with full-clients= and full-limit="),
		},
		Valid: func(number func(string) int) error {
			for _, act := range []string{"", "full-"} {
				limit, clients := number(act+"limit"), number(act+"clients")
				if limit > 0 && (clients <= limit || limit < 2) {
					return fmt.Errorf("%sclients=%d does not overrun %slimit=%d, which is at least 2", act, clients, act, limit)
				}
			}
			return nil
		},
		Open: func(s *scenario.Stage) *scenario.Subject {
			stage(s)
			return acts(map[string]func(){
				"crowd": func() { crowd(s, "small", s.Int("limit"), s.Int("clients")) },
				"full-crowd": func() {
					if s.Int("full-limit") > 0 {
						crowd(s, "full", s.Int("full-limit"), s.Int("full-clients"))
					}
				},
			})
		},
	}
}

// attaching is how many clients attach at a time: fewer than the handshakes
// that a node allows, since those that it refuses are another story.
const attaching = 32

// crowd lets more clients come than a gateway takes.
func crowd(s *scenario.Stage, act string, limit, count int) {
	cfg := node.Config{}
	cfg.Clients.Limit = limit
	gw := startNode(s, act+"-gateway", cfg)
	clients := make([]*attached, count)
	for i := range clients {
		name := fmt.Sprintf("%s-client-%05d", act, i)
		s.SetLink(gw.place, s.Place(name), scenario.LAN())
		clients[i] = newClient(s, name, name, client.Config{NoReconnect: true}, gw)
	}
	in, refused := attachAll(s, clients)
	s.Check(len(in) == limit && len(refused) == count-limit, "as many clients are refused as are too many",
		"%d attached and %d were refused of %d at a limit of %d", len(in), len(refused), count, limit)
	st := gw.node.Status().Clients
	s.Check(st.Attached == limit && st.Peak == limit, "the limit is reached and not passed", "%d attached, at most %d, the limit is %d", st.Attached, st.Peak, limit)
	strangers(s, gw, act)
	whileFull(s, gw, act, in)
	comeBack(s, gw, in, refused)
	s.Factf("%s act: %d clients at a limit of %d: %d attached, %d refused with a retry-after", act, count, limit, len(in), len(refused))
}

// attachAll lets every client try once and returns who got in and who did not.
func attachAll(s *scenario.Stage, clients []*attached) (in, refused []*attached) {
	next := 0
	var jobs []*scenario.Job
	for range attaching {
		jobs = append(jobs, s.Go("attach", func() {
			for next < len(clients) {
				c := clients[next]
				next++
				err := c.attach()
				if err == nil {
					in = append(in, c)
					continue
				}
				var f *fault.Error
				ok := errors.As(err, &f) && f.Kind == fault.Overload && f.RetryAfter > 0
				s.Check(ok, "a refusal says overload and when to come back", "%v", err)
				refused = append(refused, c)
			}
		}))
	}
	for _, j := range jobs {
		j.Wait()
	}
	return in, refused
}

// strangers shows that those who may not come cost nothing: more clients of
// another realm than there are handshakes at a time, and a node that is not in
// the list of peers.
func strangers(s *scenario.Stage, gw *member, act string) {
	for i := range 2 * attaching {
		name := fmt.Sprintf("%s-stranger-%02d", act, i)
		s.SetLink(gw.place, s.Place(name), scenario.LAN())
		c := newClient(s, name, name, client.Config{NoReconnect: true, Realm: "org.example.elsewhere"}, gw)
		err := c.attach()
		s.Check(fault.KindOf(err) == fault.RealmMismatch, "a client of another realm is refused", "%v", err)
		c.close()
	}
	name := act + "-stranger-node"
	s.SetLink(gw.place, s.Place(name), scenario.LAN())
	n := startPeer(s, name, node.Config{Bootstrap: []node.Peer{peerOf(s, gw.place.Name())}})
	s.Sleep(100 * time.Millisecond)
	s.Check(gw.peers() == 0, "a node that is not in the list is no peer", "%d peers", gw.peers())
	n.stop()
}

// whileFull shows that a full gateway still serves those whom it has: one may
// advertise, and come back under the same id.
func whileFull(s *scenario.Stage, gw *member, act string, in []*attached) {
	err := in[0].provide(act+".service", echo, 0, false)
	s.Check(err == nil, "an attached client may update itself while the table is full", "%v", err)
	_, err = gw.call(act+".service", []byte("x"), 2*time.Second, false)
	s.Check(err == nil, "its service can be called", "%v", err)
	old := in[1]
	again := newClient(s, old.place.Name()+"-again", old.place.Name(), client.Config{NoReconnect: true}, gw)
	err = again.attach()
	s.Check(err == nil, "a client may come back while the table is full", "%v", err)
	s.Eventually(5*time.Second, "its older session ends", func() bool { return old.client.Over().Fired() })
	s.Check(fault.KindOf(old.client.Err()) == fault.Superseded, "the older session hears why", "%v", old.client.Err())
	in[1] = again
}

// comeBack lets some leave, and as many of the refused ones in.
func comeBack(s *scenario.Stage, gw *member, in, refused []*attached) {
	n := min(len(refused), len(in)/2, 10)
	for _, c := range in[len(in)-n:] {
		c.close()
	}
	s.Eventually(5*time.Second, "those who leave give their places back", func() bool {
		st := gw.node.Status().Clients
		return st.Attached == st.Limit-n
	})
	for _, c := range refused[:n] {
		err := c.attach()
		s.Check(err == nil, "a place that is free is given", "%v", err)
	}
}
