package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maculamesh/macula/client"
)

// The time that a rest takes at most, and what it consists of.
const (
	settleWithin = 4 * time.Minute // a silent client is noticed after 40 s, a name forgotten after 60 s more, a mesh connection dialled again after 30 s
	settleEvery  = time.Second
	knockRounds  = 8               // and in each at least one collection of every node
	knockWithin  = 3 * time.Minute // for all of them
	restSamples  = 5               // of each node
)

// rest waits until every node holds nothing of the load, lets each collect its
// garbage, and samples it.
func (s *soak) rest(ctx context.Context) error {
	s.enter(phaseSettle)
	s.say("coming to rest")
	// Calls between all nodes, so that every connection has the streams that
	// it has while it lives.
	if err := s.settled(ctx); err != nil {
		return err
	}
	if err := s.knock(ctx); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	s.enter(phaseRest)
	for range restSamples {
		for i := range s.nodes {
			if _, err := s.take(ctx, i, phaseRest); err != nil {
				return err
			}
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until the nodes have connections to each other and to nobody
// else, and know the services of each other and no others.
func (s *soak) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for i, p := range s.nodes {
		for {
			st, err := p.status(ctx)
			missing := unrest(&st)
			if err == nil && missing == "" {
				break
			}
			if perr := pause(ctx, settleEvery); perr != nil {
				return errors.Join(p.Dead(), err, fmt.Errorf("n%d does not come to rest: %s", i, missing))
			}
		}
	}
	return nil
}

// unrest says what keeps a node from being at rest.
func unrest(st *status) string {
	for _, c := range []struct {
		what      string
		now, want int
	}{
		{"clients", st.Clients.Now, 0}, {"peers", st.Pool.Now, nodeCount - 1},
		{"handshakes", st.Transport.Handshaking, 0}, {"connections", st.Transport.Conns, nodeCount - 1},
		{"services known", st.Registry.Now, nodeCount}, {"names told", st.Discovery.Names, 1}, {"handlers", st.Server.Now, 0},
	} {
		if c.now != c.want {
			return fmt.Sprintf("%d %s, %d at rest", c.now, c.what, c.want)
		}
	}
	return ""
}

// knock calls every node through every other, so that each collects its
// garbage again and again, and samples it in between: there is no other way to
// make it, and what one collection finds in use is what was allocated while it
// ran besides.
func (s *soak) knock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, knockWithin)
	defer cancel()
	s.enter(phaseKnock)
	last := make([]uint64, len(s.nodes))
	for rounds := 0; rounds < knockRounds; {
		all := true
		for i := range s.nodes {
			if err := s.knockAt(ctx, i); err != nil {
				return err
			}
		}
		for i := range s.nodes {
			st, err := s.take(ctx, i, phaseKnock)
			if err != nil {
				return err
			}
			all = all && st.Process.Cycles > last[i]
		}
		if !all {
			continue // what it holds is known already
		}
		rounds++
		for i := range s.nodes {
			s.mu.Lock()
			last[i] = s.last[i].Process.Cycles
			s.mu.Unlock()
		}
	}
	s.enter(phaseSettle)
	return nil
}

// One visit makes so many calls of every node, with bodies of so many bytes:
// small ones, since buffers that grow in a rest would be counted as growth.
const (
	knocks    = 60
	knockSize = 1 << 10
)

// knockAt is a client of one node that calls all of them.
func (s *soak) knockAt(ctx context.Context, at int) error {
	name := fmt.Sprintf("knock-%d", at)
	tr, _, err := s.w.socket(name)
	if err != nil {
		return err
	}
	defer tr.Close()
	c, err := client.New(client.Config{
		Realm: realm, Gateways: []client.Gateway{s.nodes[at].gateway}, NoReconnect: true,
	}, client.Deps{Runtime: s.w.r, Transport: tr, ID: tr.ID()})
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if err := c.Attach(ctx); err != nil {
		return err
	}
	body := make([]byte, knockSize)
	for range knocks {
		for i := range s.nodes {
			if _, err := c.Call(ctx, own(i), body, true); err != nil {
				return fmt.Errorf("at rest n%d does not answer through n%d: %w", i, at, err)
			}
		}
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
