package load

import (
	"context"
	"fmt"

	"github.com/maculamesh/macula/client"
	"github.com/maculamesh/macula/transport"
)

// Victim is a client that attaches, makes calls, and is killed. It can be
// told to another process, as JSON.
type Victim struct {
	Gateway transport.PeerID
	Addr    transport.Addr
	Provide string // a service whose handler waits for its context; may be empty
	Calls   []VictimCalls
}

// VictimCalls are calls that a Victim leaves in flight.
type VictimCalls struct {
	Name  string
	Size  int // bytes of the body
	Count int
}

// Run is the life of the victim on h: it attaches, advertises, begins its
// calls, calls ready, and waits until its session or ctx ends. It returns why.
func (v Victim) Run(ctx context.Context, h Host, ready func()) error {
	r := h.Runtime()
	c, err := client.New(client.Config{
		Realm: Realm, NoReconnect: true, Gateways: []client.Gateway{{ID: v.Gateway, Addr: v.Addr}},
	}, client.Deps{Runtime: r, Transport: h.Transport(), ID: h.ID(), Log: h.Log()})
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := r.WithTimeout(context.Background(), patience)
		defer cancel()
		c.Close(end)
	}()
	early, cancel := r.WithTimeout(ctx, patience)
	defer cancel()
	if err := c.Attach(early); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if v.Provide != "" {
		if _, err := c.Advertise(early, v.Provide, waits(r), 0, false); err != nil {
			return fmt.Errorf("advertise: %w", err)
		}
	}
	for _, k := range v.Calls {
		for range k.Count {
			r.Go("call", func() {
				ctx, cancel := r.WithTimeout(ctx, callTime)
				defer cancel()
				c.Call(ctx, k.Name, make([]byte, k.Size), false)
			})
		}
	}
	ready()
	if err := c.Over().Wait(ctx); err != nil {
		return err
	}
	return c.Err()
}
