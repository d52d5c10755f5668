package main

import (
	"context"
	"fmt"
	"time"
)

const realm = "org.example.demo"

// mesh runs four nodes over QUIC on loopback and lets one of them die.
func (d *demo) mesh(ctx context.Context) error {
	d.title("Four nodes over QUIC on this machine, each a process of its own")
	var nodes []*proc
	defer func() {
		for _, p := range nodes {
			p.Kill()
		}
	}()
	for i := range 4 {
		p, err := d.newProc(ctx, fmt.Sprintf("node-%d", i))
		if err != nil {
			return err
		}
		nodes = append(nodes, p)
		args := []string{"--listen", "127.0.0.1:0", "--realm", realm, "--open-peers"}
		for _, other := range nodes[:i] {
			args = append(args, "--peer", other.ID+"@"+other.Addr)
		}
		if i == 1 || i == 2 {
			args = append(args, "--echo", "demo.shared", "--echo", fmt.Sprintf("demo.only-%d", i))
		}
		if err := p.Start(ctx, args...); err != nil {
			return err
		}
		d.say("%s listens at %s, id %s", p.Name, p.Addr, p.ID)
	}
	if err := d.joined(ctx, nodes, 3); err != nil {
		return err
	}
	d.say("every node has a connection to every other")
	if err := d.calls(ctx, nodes); err != nil {
		return err
	}
	if err := d.failover(ctx, nodes); err != nil {
		return err
	}
	alive := []*proc{nodes[0], nodes[2], nodes[3]}
	if err := d.books(ctx, alive); err != nil {
		return err
	}
	return d.stopAll(ctx, alive)
}

// joined waits until every node has that many connections.
func (d *demo) joined(ctx context.Context, nodes []*proc, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, p := range nodes {
		for {
			b, err := p.status(ctx)
			if err != nil {
				return err
			}
			if b.Pool.Now == want {
				break
			}
			if pause(ctx, 50*time.Millisecond) != nil {
				return fmt.Errorf("%s has %d connections and not %d; it logged:\n%s", p.Name, b.Pool.Now, want, p.Log())
			}
		}
	}
	return nil
}

// calls asks from two nodes for what the other two provide, by name.
func (d *demo) calls(ctx context.Context, nodes []*proc) error {
	d.title("Services are called by name: demo.shared is provided by node-1 and node-2, demo.only-N by one")
	for _, from := range []int{0, 3} {
		for _, service := range []string{"demo.shared", "demo.only-1", "demo.only-2"} {
			p := nodes[from]
			data := fmt.Sprintf("hello from %s", p.Name)
			answer, took, err := p.call(ctx, service, data, "--timeout", "10s")
			if err == nil && answer != data {
				err = fmt.Errorf("%s asked %s and got %q", p.Name, service, answer)
			}
			if err != nil {
				return err
			}
			d.say("%s calls %-12s -> %q (%v with the start of the command)", p.Name, service, answer, took.Round(time.Millisecond))
		}
	}
	return nil
}

// failover kills a provider and calls until a call has met the dead one and
// gone on to the other.
func (d *demo) failover(ctx context.Context, nodes []*proc) error {
	d.title("node-1 is killed: calls of demo.shared go on to node-2")
	nodes[1].Kill()
	p := nodes[0]
	before, err := p.status(ctx)
	if err != nil {
		return err
	}
	for i := 1; i <= 50; i++ {
		answer, took, err := p.call(ctx, "demo.shared", "still there?", "--timeout", "4s", "--idempotent")
		if err != nil || answer != "still there?" {
			return fmt.Errorf("call %d after the kill: %q %w", i, answer, err)
		}
		b, err := p.status(ctx)
		if err != nil {
			return err
		}
		if b.Caller.Failovers > before.Caller.Failovers {
			d.say("call %d met the dead node, failed over and was answered after %v", i, took.Round(time.Millisecond))
			return nil
		}
	}
	return fmt.Errorf("no call of 50 met the dead node")
}

// books prints what every node holds.
func (d *demo) books(ctx context.Context, nodes []*proc) error {
	d.title("What the nodes hold")
	d.say("%-8s %12s %14s %17s %8s %8s %8s %8s", "node", "peers", "clients", "services", "conns", "streams", "served", "leases")
	for _, p := range nodes {
		b, err := p.status(ctx)
		if err != nil {
			return err
		}
		d.say("%-8s %5d / %4d %6d / %5d %6d / %6d %10d %8d %8d %8d", p.Name, b.Pool.Now, b.Pool.Limit, b.Clients.Now, b.Clients.Limit,
			b.Registry.Now, b.Registry.Limit, b.Transport.Conns, b.Transport.Streams, b.Server.Served, b.Leases)
	}
	return nil
}

// stopAll stops the nodes and prints what each has left behind: nothing.
func (d *demo) stopAll(ctx context.Context, nodes []*proc) error {
	d.title("Stopping: each process counts what is left of it")
	for _, p := range nodes {
		c, err := p.stop(ctx)
		if err != nil {
			return err
		}
		d.say("%-8s %d goroutines, %d connections, %d streams, %d leases, %d timers left; exit code 0", p.Name, c.Ours, c.Leftovers.Conns, c.Leftovers.Streams, c.Leftovers.Leases, c.Timers)
	}
	return nil
}

// pause waits for d, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
