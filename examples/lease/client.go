package lease

import (
	"context"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Client wants the lease, and renews it when it has it. Run runs it.
type Client struct {
	cfg    Config
	deps   Deps
	server transport.PeerID
	addr   transport.Addr

	mu    rt.Mutex
	token uint64    // of the last lease
	until mono.Time // when it ends for this client; unset when there is none
}

// NewClient returns a client of the server with that id at that address.
func NewClient(cfg Config, deps Deps, server transport.PeerID, addr transport.Addr) *Client {
	return &Client{cfg: cfg.withDefaults(), deps: deps, server: server, addr: addr, mu: rt.NewMutex(deps.Runtime)}
}

// Held reports whether the client has the lease in this moment, and its
// fencing token. It never blocks.
func (c *Client) Held() (token uint64, held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token, !c.until.IsZero() && !c.until.Reached(c.deps.Runtime.Now())
}

func (c *Client) set(token uint64, until mono.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.until = token, until
}

// Run asks for the lease again and again until ctx ends, and returns its
// cause. The client does not have the lease any more then.
func (c *Client) Run(ctx context.Context) error {
	defer c.set(0, 0)
	for ctx.Err() == nil {
		err := c.session(ctx)
		if _, held := c.Held(); held && ctx.Err() == nil {
			c.deps.mark("a renewal was lost")
		}
		c.deps.Log.Info("no connection", "err", err)
		rt.Sleep(ctx, c.deps.Runtime, c.cfg.TTL/20)
	}
	return context.Cause(ctx)
}

// session asks on one connection for as long as the server answers.
func (c *Client) session(ctx context.Context) error {
	conn, err := c.deps.Transport.Dial(ctx, c.addr, c.server)
	if err != nil {
		return err
	}
	defer conn.CloseWithError(0, "")
	defer c.deps.Runtime.AfterDone(ctx, func() { conn.CloseWithError(0, "") })()
	stream, err := conn.OpenStream(ctx)
	for err == nil {
		var wait time.Duration
		if wait, err = c.ask(stream); err == nil {
			err = rt.Sleep(ctx, c.deps.Runtime, wait)
		}
	}
	return err
}

// ask asks once and returns how long to wait with the next question.
func (c *Client) ask(stream transport.Stream) (wait time.Duration, err error) {
	asked := c.deps.Runtime.Now()
	stream.SetReadDeadline(asked.Add(2 * c.cfg.TTL)) // then another connection is tried
	has, _ := c.Held()
	if err := write(stream, message{token: has}); err != nil {
		return 0, err
	}
	a, err := read(stream)
	if err != nil {
		return 0, err
	}
	if a.token == 0 {
		c.set(0, 0)
		return max(a.left, c.cfg.TTL/20), nil
	}
	from := asked
	if c.cfg.Bug == CountFromAnswer {
		from = c.deps.Runtime.Now()
	}
	c.set(a.token, from.Add(safe(a.left)))
	c.deps.Log.Info("has the lease", "token", a.token)
	return a.left / 4, nil
}
