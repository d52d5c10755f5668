package load

import (
	"context"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Names of the properties that more than one test demands.
const (
	propLimits = "every limit holds, and as many connections are open as the node may have"
	propAudit  = "every table and the ledger equal their recount"
	propLeft   = "a closed node leaves nothing behind"
	propRest   = "nothing is in use when no call is in flight"
	propStart  = "a node starts"
	propAttach = "a client attaches"
	propAlive  = "a process lives until it is killed"
	propClosed = "a client that is closed leaves nothing behind"
)

// member is a node on a machine.
type member struct {
	r      *run
	host   Host
	node   *node.Node
	err    error // of Serve; read after served
	served job
	stop   func() // of the world's watch
	gone   bool   // closed; guarded by the run's lock
}

// startNode builds a node and waits until it listens. It is closed at the end
// of the test, if not before.
func (r *run) startNode(name string, cfg node.Config, tcfg transport.Config, near ...Host) (*member, error) {
	h, err := r.w.Host(HostConfig{Name: name, Transport: tcfg, Near: near})
	if err != nil {
		return nil, err
	}
	cfg.Realm = Realm
	cfg.DrainTimeout = 5 * time.Second
	m := &member{r: r, host: h}
	m.node, err = node.New(cfg, node.Deps{Runtime: h.Runtime(), Transport: h.Transport(), ID: h.ID(), Log: h.Log()})
	if err != nil {
		r.on(h, "close", func() { h.Transport().Close() })
		return nil, err
	}
	m.stop = r.w.Watch(h, m.node)
	m.served = r.start(h, "node", func() { m.err = m.node.Serve(context.Background()) })
	r.later(m.close)
	why := r.wait(patience, func() string {
		if m.node.Ready() {
			return ""
		}
		return "it does not listen"
	})
	if !r.check(why == "", propStart, "%s: %s", name, why) {
		m.close()
		return nil, errStopped
	}
	return m, nil
}

// close ends the node and demands that nothing is left of it.
func (m *member) close() {
	m.r.mu.Lock()
	gone := m.gone
	m.gone = true
	m.r.mu.Unlock()
	if gone {
		return
	}
	m.stop()
	m.r.on(m.host, "close", m.node.Close)
	m.served.wait()
	m.r.check(m.err == nil, propStart, "%v", m.err)
	left := m.node.Leftovers()
	m.r.check(left == node.Leftovers{}, propLeft, "%+v", left)
}

// rest demands that the node comes to rest and its books balance, and then
// closes it.
func (m *member) rest() {
	r := m.r
	r.eventually(patience, propRest, func() string {
		st := m.node.Status()
		return join(want("calls", st.Caller.InFlight, 0), want("handlers", st.Server.Running, 0),
			want("connections in use", st.Pool.InUse, 0), want("calls of links", held(m.node), 0))
	})
	err := m.node.Audit()
	r.held(propAudit, err)
	m.close()
}

// held is how many calls the links of a node hold, in both directions.
func held(n *node.Node) int {
	calls := 0
	for _, p := range n.Peers() {
		calls += p.CallsOut + p.CallsIn
	}
	for _, c := range n.Clients() {
		calls += c.CallsOut + c.CallsIn
	}
	return calls
}

// peer is how other nodes name m.
func (m *member) peer() node.Peer { return node.Peer{ID: m.host.ID(), Addr: m.host.Addr()} }

// conns is how many connections are open at m.
func (m *member) conns() int { return m.host.Transport().Stats().Conns }

// streams is how many streams are open at m.
func (m *member) streams() int { return m.host.Transport().Stats().Streams }

// call makes a call from the node and waits for its end.
func (m *member) call(name string, body []byte, timeout time.Duration) (answer []byte, err error) {
	m.r.on(m.host, "call", func() {
		ctx, cancel := m.host.Runtime().WithTimeout(m.r.ctx, timeout)
		defer cancel()
		answer, err = m.node.Call(ctx, name, body, node.CallOptions{})
	})
	return answer, err
}

// provide advertises a service at the node.
func (m *member) provide(name string, opt node.AdvertiseOptions, h node.Handler) error {
	var err error
	m.r.on(m.host, "advertise", func() { _, err = m.node.Advertise(name, h, opt) })
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// attached is a client on a machine.
type attached struct {
	r      *run
	host   Host
	client *client.Client
	gone   bool // closed; guarded by the run's lock
}

// newClient builds a client of a gateway, under the identity of as.
func (r *run) newClient(name, as string, gw *member) (*attached, error) {
	h, err := r.w.Host(HostConfig{Name: name, As: as, Near: []Host{gw.host}})
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Realm: Realm, NoReconnect: true, Gateways: gateway(gw.host)},
		client.Deps{Runtime: h.Runtime(), Transport: h.Transport(), ID: h.ID(), Log: h.Log()})
	if err != nil {
		r.on(h, "close", func() { h.Transport().Close() })
		return nil, err
	}
	a := &attached{r: r, host: h, client: c}
	r.later(a.close)
	return a, nil
}

func gateway(h Host) []client.Gateway { return []client.Gateway{{ID: h.ID(), Addr: h.Addr()}} }

// attach attaches and waits for the answer.
func (a *attached) attach() (err error) {
	a.r.on(a.host, "attach", func() {
		ctx, cancel := a.host.Runtime().WithTimeout(a.r.ctx, patience)
		defer cancel()
		err = a.client.Attach(ctx)
	})
	return err
}

// provide advertises a service through the gateway.
func (a *attached) provide(name string, h node.Handler) (err error) {
	a.r.on(a.host, "advertise", func() {
		ctx, cancel := a.host.Runtime().WithTimeout(a.r.ctx, patience)
		defer cancel()
		_, err = a.client.Advertise(ctx, name, h, 0, false)
	})
	return err
}

// close leaves, and demands that nothing is open at this end before it closes
// the transport.
func (a *attached) close() {
	a.r.mu.Lock()
	gone := a.gone
	a.gone = true
	a.r.mu.Unlock()
	if gone {
		return
	}
	abandoned := 0
	a.r.on(a.host, "close", func() {
		ctx, cancel := a.host.Runtime().WithTimeout(context.Background(), patience)
		defer cancel()
		abandoned = a.client.Close(ctx)
	})
	st := a.host.Transport().Stats()
	a.r.check(abandoned == 0 && st.Conns == 0 && st.Streams == 0, propClosed, "%d handlers, %d connections, %d streams", abandoned, st.Conns, st.Streams)
	a.r.on(a.host, "close", func() { a.host.Transport().Close() })
}

// echo answers with what it is asked.
func echo(_ context.Context, req *node.Request) ([]byte, error) { return req.Body, nil }

// waits returns a handler that waits until its context ends.
func waits(r rt.Runtime) node.Handler {
	return func(ctx context.Context, _ *node.Request) ([]byte, error) {
		return nil, r.NewParker().Park(ctx)
	}
}

// notFound reports whether a call failed because nobody provides the name.
func notFound(err error) bool { return fault.KindOf(err) == fault.NotFound }
