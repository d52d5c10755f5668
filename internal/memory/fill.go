package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/transport"
	"github.com/maculamesh/macula/transport/quic"
)

// filling is what a node is given to hold.
type filling struct {
	name     string
	count    int  // of what the row is about; 0 when it is about nothing alone
	mixture  bool // the constants of the formula were not taken from it
	peers    int
	clients  int
	services int  // of the node itself
	offers   int  // services of each client
	called   bool // each client has called once
	calls    int  // in flight, spread over the clients
	body     int  // bytes of each
}

// held is what the node holds then.
func (f filling) held() node.Held {
	talking := 0
	if f.called || f.offers > 0 || f.calls > 0 {
		talking = f.clients
	}
	if f.services > 0 {
		talking += f.peers // they are told
	}
	return node.Held{
		Talking: talking, Peers: f.peers, Clients: f.clients, Services: 2 + f.services + f.clients*f.offers,
		Handlers: 2 * f.calls, Bytes: int64(2 * f.calls * f.body), // the gateway's own, and the one that it passes on to
	}
}

// fillings are the rows, at a percentage of their numbers.
func fillings(scale int) []filling {
	n := func(k int) int { return max(1, k*scale/100) }
	return []filling{
		{name: "nothing"},
		{name: "peers that are idle", count: n(400), peers: n(400)},
		{name: "clients that are idle", count: n(2000), clients: n(2000)},
		{name: "clients that have called", count: n(1000), clients: n(1000), called: true},
		{name: "services of its own", count: n(1000) - 2, services: n(1000) - 2},
		{name: "services of 20 clients", count: 20 * n(400), clients: 20, offers: n(400)},
		{name: "calls of 64 B by 100 clients", count: 2 * n(4000), clients: 100, calls: n(4000), body: 64},
		{name: "calls of 64 KiB by 100 clients", count: 2 * n(400), clients: 100, calls: n(400), body: 64 << 10},
		{name: "a mixture", mixture: true, peers: n(100), clients: n(1000), services: n(900), offers: 8, calls: n(1000), body: 512},
	}
}

// measured is what a filling cost.
type measured struct {
	live, formula, rss int64
	empty              int64 // live before
}

// measure fills a node and asks it.
func measure(ctx context.Context, f filling) (measured, error) {
	n, err := start(ctx, nodeVerb)
	if err != nil {
		return measured{}, err
	}
	defer n.stop()
	before, err := n.ask("report")
	if err != nil {
		return measured{}, err
	}
	c := &crowd{to: n, ctx: ctx}
	defer c.leave()
	if err := c.come(f); err != nil {
		return measured{}, err
	}
	if f.services > 0 {
		if _, err := n.ask(fmt.Sprintf("provide %d", f.services)); err != nil {
			return measured{}, err
		}
	}
	want := f.held()
	for begun := time.Now(); ; {
		r, err := n.ask("report")
		if err != nil {
			return measured{}, err
		}
		if r.Peers == f.peers && r.Clients == f.clients && r.Services == want.Services && r.Handlers == want.Handlers {
			r, err = n.settled()
			return measured{live: r.Live, formula: node.Memory(want), rss: r.RSS, empty: before.Live}, err
		}
		if time.Since(begun) > patience {
			return measured{}, fmt.Errorf("after %v the node holds %+v", patience, r)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// process is the node.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	id   transport.PeerID
	addr netip.AddrPort
}

func start(ctx context.Context, verb string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, verb)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the node did not start: %w", err)
	}
	id, addr, _ := strings.Cut(strings.TrimSpace(line), " ")
	if p.id, err = ident.Parse(id); err != nil {
		return nil, err
	}
	p.addr, err = netip.ParseAddrPort(addr)
	return p, err
}

// ask sends a line and reads the report that follows.
func (p *process) ask(line string) (r report, err error) {
	if _, err = fmt.Fprintln(p.in, line); err == nil {
		err = json.NewDecoder(p.out).Decode(&r)
	}
	return r, err
}

// settled is the report with the least that is live, when there was none with
// less for some seconds: handshakes end, and peers are told of services.
func (p *process) settled() (least report, err error) {
	for since := 0; since < 3; since++ {
		r, err := p.ask("report")
		if err != nil {
			return r, err
		}
		if least.Live == 0 || r.Live < least.Live*99/100 {
			least, since = r, 0
		}
		time.Sleep(time.Second)
	}
	return least, nil
}

func (p *process) stop() {
	p.in.Close()
	p.cmd.Wait()
}

// crowd is who connects to the node.
type crowd struct {
	to      *process
	ctx     context.Context
	peers   []*node.Node
	clients []*client.Client
	trans   []*quic.Transport
	held    errgroup.Group // the calls
	stop    context.CancelFunc
}

// arriving is how many connect at a time: a node has 64 places for newcomers.
const arriving = 32

func (c *crowd) come(f filling) error {
	c.peers, c.clients = make([]*node.Node, f.peers), make([]*client.Client, f.clients)
	c.trans = make([]*quic.Transport, f.clients)
	var g errgroup.Group
	g.SetLimit(arriving)
	for i := range f.peers {
		g.Go(func() (err error) { c.peers[i], err = c.peer(); return err })
	}
	for i := range f.clients {
		g.Go(func() (err error) { c.clients[i], c.trans[i], err = c.client(i, f); return err })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(c.ctx, 2*patience)
	c.stop = stop
	for i := range f.calls {
		k := c.clients[i%len(c.clients)]
		c.held.Go(func() error { _, err := k.Call(ctx, hold, make([]byte, f.body), false); return err })
	}
	return nil
}

func open() (*realrt.Runtime, *quic.Transport, error) {
	key, err := ident.Generate(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	r := realrt.New(realrt.Config{})
	tr, err := quic.New(quic.Config{Key: key, Addr: netip.MustParseAddrPort("127.0.0.1:0"), Clock: r})
	return r, tr, err
}

func (c *crowd) peer() (*node.Node, error) {
	r, tr, err := open()
	if err != nil {
		return nil, err
	}
	n, err := node.New(node.Config{Realm: realm, OpenPeers: true, Bootstrap: []node.Peer{{ID: c.to.id, Addr: c.to.addr}}},
		node.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err == nil {
		go n.Serve(context.Background())
	}
	return n, err
}

func (c *crowd) client(i int, f filling) (*client.Client, *quic.Transport, error) {
	r, tr, err := open()
	if err != nil {
		return nil, nil, err
	}
	k, err := client.New(client.Config{Realm: realm, Gateways: []client.Gateway{{ID: c.to.id, Addr: c.to.addr}}},
		client.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := k.Attach(ctx); err != nil {
		return k, tr, err
	}
	for j := range f.offers {
		if _, err := k.Advertise(ctx, fmt.Sprintf("client.%05d.%04d", i, j), nothing, time.Hour, false); err != nil {
			return k, tr, err
		}
	}
	if f.called {
		_, err = k.Call(ctx, echo, []byte("x"), false)
	}
	return k, tr, err
}

// leave lets everybody go, and returns when nobody is left.
func (c *crowd) leave() {
	if c.stop != nil {
		c.stop()
	}
	c.held.Wait()
	var g errgroup.Group
	g.SetLimit(arriving)
	for i, tr := range c.trans {
		if tr != nil {
			g.Go(func() error {
				if k := c.clients[i]; k != nil {
					k.Close(c.ctx)
				}
				return tr.Close()
			})
		}
	}
	for _, n := range c.peers {
		if n != nil {
			g.Go(func() error { n.Close(); return nil })
		}
	}
	g.Wait()
}
