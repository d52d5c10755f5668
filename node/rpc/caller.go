package rpc

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/histogram"
	"github.com/maculamesh/macula/node/link"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Provider is one place that answers a name.
type Provider struct {
	ID    transport.PeerID
	Addr  transport.Addr
	Local Handler // set when it answers in this process or through a client of ours
}

// Conn is a connection to a provider, in use until Done.
type Conn interface {
	Call(ctx context.Context, req *link.Request) ([]byte, error)
	Done()
}

// CallerConfig holds the limits. Zero fields take the default beside them.
type CallerConfig struct {
	Timeout    time.Duration // of a call whose context has no deadline; 5 s
	MaxTimeout time.Duration // later deadlines are cut; 10 min
	Attempts   int           // providers tried in one call; 4
	MaxHops    uint8         // nodes that a call may pass; 4
	Discovery  time.Duration // for one question to the mesh; 1 s
	Negative   time.Duration // how long a name that nobody provides is not asked for again; 1 s
	Lookups    int           // names asked for at a time; 1,024

	RetryShare int           // further attempts that cost a provider work, in percent of the calls; 20: more would feed an overload. Negative is none
	RetryBurst int           // of those, how many may come at once; 50
	EjectAfter int           // calls in a row that a provider did not answer before others are preferred; 3
	EjectFor   time.Duration // for how long, the first time; twice as long the next; 10 s, twice the default timeout
	MaxEject   time.Duration // and at most; 5 min
	Remembered int           // providers whose silence is remembered; 1,024
}

// WithDefaults returns c with every zero field set.
func (c CallerConfig) WithDefaults() CallerConfig {
	c.Timeout = cmp.Or(c.Timeout, 5*time.Second)
	c.MaxTimeout = cmp.Or(c.MaxTimeout, 10*time.Minute)
	c.Discovery = cmp.Or(c.Discovery, time.Second)
	c.Negative = cmp.Or(c.Negative, time.Second)
	c.Attempts = cmp.Or(c.Attempts, 4)
	c.MaxHops = cmp.Or(c.MaxHops, 4)
	c.Lookups = cmp.Or(c.Lookups, 1024)
	c.RetryShare = cmp.Or(c.RetryShare, 20)
	c.RetryBurst = cmp.Or(c.RetryBurst, 50)
	c.EjectAfter = cmp.Or(c.EjectAfter, 3)
	c.EjectFor = cmp.Or(c.EjectFor, 10*time.Second)
	c.MaxEject = cmp.Or(c.MaxEject, 5*time.Minute)
	c.Remembered = cmp.Or(c.Remembered, 1024)
	return c
}

// CallerDeps is the world of a caller.
type CallerDeps struct {
	Runtime rt.Runtime
	Server  *Server // runs local handlers
	// Resolve appends the providers of name that are known at now to buf. It must
	// not block.
	Resolve func(name string, now mono.Time, buf []Provider) []Provider
	// Discover asks the mesh for name; afterwards Resolve may know more. An error
	// of the kind Unauthorized says that those who provide it may not be called.
	Discover func(ctx context.Context, name string) error
	// Connect returns a connection to the provider, in use.
	Connect func(ctx context.Context, p Provider) (Conn, error)
	Mark    func(string)
}

// Caller makes calls by name. All methods are safe for concurrent use.
type Caller struct {
	r       rt.Runtime
	cfg     CallerConfig
	deps    CallerDeps
	lookups *lookups

	mu     rt.Mutex
	budget budget
	health health
	counts CallerCounts
	times  histogram.Histogram
	line   uint64      // see Line
	spare  []*attempts // to be used again; bound: maxSpare
}

// attempts is what one call needs while it goes from provider to provider.
type attempts struct {
	tried []transport.PeerID
	provs []Provider
	req   Request
	line  uint64    // the last one before the call
	begun mono.Time // the call
}

// maxSpare is how many attempts are kept to be used again.
const maxSpare = 256

// CallerCounts are the totals of a caller.
type CallerCounts struct {
	InFlight  int
	Before    int // of those in flight, begun before the last Line
	Peak      int
	OK        uint64
	Failed    uint64
	Deadline  uint64 // of the failed ones
	Cancelled uint64 // of the failed ones
	NotFound  uint64 // of the failed ones
	Failovers uint64 // attempts after the first
	Lookups   uint64 // questions to the mesh
	Shared    uint64 // callers that waited for somebody else's question
	NoBudget  uint64 // calls that failed because there was no budget for another attempt
	Ejections uint64 // times that a provider was left out because it did not answer
	LetDown   int    // providers whose silence is remembered

	Kinds [fault.Kinds]uint64 // the failed ones by the kind of their error; an unknown kind is Internal
}

// NewCaller returns a caller.
func NewCaller(cfg CallerConfig, deps CallerDeps) *Caller {
	c := &Caller{r: deps.Runtime, cfg: cfg.WithDefaults(), deps: deps, mu: rt.NewMutex(deps.Runtime)}
	if c.cfg.RetryShare < 0 {
		c.cfg.RetryShare, c.cfg.RetryBurst = 0, 0
	}
	c.budget = newBudget(c.cfg.RetryShare, c.cfg.RetryBurst)
	c.health = newHealth(c.cfg)
	c.lookups = newLookups(c)
	return c
}

// Call asks a provider of req.Name and waits for the answer. All attempts,
// the questions to the mesh and the dials share the deadline of ctx, or the
// default one. Another provider is tried only when the call was not executed,
// or is idempotent. The error is a *fault.Error: that of the last attempt, or
// NotFound when there was nobody to ask.
func (c *Caller) Call(ctx context.Context, req Request) ([]byte, error) {
	if req.Hops > c.cfg.MaxHops {
		return nil, fault.New("rpc.Call", fault.HopLimit, "the call has passed %d nodes", req.Hops)
	}
	begun := c.r.Now()
	a, limit := c.begin()
	left, ok := rt.Remaining(c.r, ctx)
	if ok {
		limit = min(left, c.cfg.MaxTimeout)
	}
	if !ok || limit < left {
		lazy := rt.NewLazyTimeout(c.r, ctx, begun.Add(limit))
		defer lazy.End()
		ctx = lazy
	}
	a.begun, a.req = begun, req
	body, err := c.try(ctx, a)
	c.end(a, begun, err)
	return body, err
}

// try goes from provider to provider.
func (c *Caller) try(ctx context.Context, a *attempts) ([]byte, error) {
	var last error
	req := &a.req
	asked, costly, hint := false, false, ""
	now := a.begun
	for len(a.tried) < c.cfg.Attempts {
		a.provs = c.deps.Resolve(req.Name, now, a.provs[:0])
		provs := slices.DeleteFunc(a.provs, func(p Provider) bool { return slices.Contains(a.tried, p.ID) })
		if len(provs) == 0 {
			if asked || ctx.Err() != nil {
				break
			}
			asked = true
			err := c.lookups.ask(ctx, req.Name)
			now = c.r.Now()
			if err != nil && last == nil && ctx.Err() != nil {
				last = fault.Wrap("rpc.Call", err)
			}
			if f := (*fault.Error)(nil); errors.As(err, &f) && f.Kind == fault.Unauthorized {
				hint = " (" + f.Detail + ")"
			}
			continue
		}
		p := c.choose(provs)
		if len(a.tried) > 0 {
			if !c.failOver(costly) {
				c.mark("no budget for another attempt")
				return nil, last
			}
			c.mark("failed over")
		}
		a.tried = append(a.tried, p.ID)
		body, had, err := c.attempt(ctx, p, req, len(provs))
		if err == nil {
			return body, nil
		}
		last, now = err, c.r.Now()
		// A provider that goes away, or was never reached, has done nothing yet.
		costly = had && fault.KindOf(err) != fault.Draining
		if !mayRetry(ctx, err, req.Idempotent) {
			return nil, err
		}
	}
	if last == nil {
		last = fault.New("rpc.Call", fault.NotFound, "nobody provides the service %q%s", req.Name, hint)
	}
	return nil, last
}

// mayRetry decides whether the next provider is asked.
func mayRetry(ctx context.Context, err error, idempotent bool) bool {
	if ctx.Err() != nil {
		return false
	}
	kind := fault.KindOf(err)
	if fault.Executed(err) {
		// The handler itself has answered, or may have run.
		return idempotent && (kind == fault.Deadline || kind.Retryable())
	}
	return kind.Retryable() || kind == fault.Deadline
}

// attempt asks one provider. With others left to ask, finding out that this
// one is dead may cost no more than its share of what is left: the dial
// always, the answer too when the call is idempotent.
// had reports that it had the call.
func (c *Caller) attempt(ctx context.Context, p Provider, req *Request, candidates int) (body []byte, had bool, err error) {
	if p.Local != nil {
		body, err = c.deps.Server.Local(ctx, p.Local, req)
		return body, true, err
	}
	share := ctx
	if candidates > 1 {
		now := c.r.Now() // before what is left is taken: a share ends no later than the whole
		left, _ := rt.Remaining(c.r, ctx)
		lazy := rt.NewLazyTimeout(c.r, ctx, now.Add(min(left, left/time.Duration(candidates))))
		defer lazy.End()
		share = lazy
	}
	conn, err := c.deps.Connect(share, p)
	if err != nil {
		return nil, false, err
	}
	defer conn.Done()
	if !req.Idempotent {
		share = ctx
	}
	begun := c.r.Now()
	body, err = conn.Call(share, req)
	c.judge(p.ID, begun, err)
	return body, true, err
}

// begin counts a call in and lends it what it needs; timeout is that of a call
// without a deadline.
func (c *Caller) begin() (a *attempts, timeout time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget.earn()
	c.counts.InFlight++
	c.counts.Peak = max(c.counts.Peak, c.counts.InFlight)
	if n := len(c.spare); n > 0 {
		a = c.spare[n-1]
		c.spare = c.spare[:n-1]
	} else {
		a = &attempts{}
	}
	a.line = c.line
	return a, c.cfg.Timeout
}

// end counts a call out and takes back what it was lent.
func (c *Caller) end(a *attempts, begun mono.Time, err error) {
	a.tried, a.req = a.tried[:0], Request{}
	clear(a.provs[:cap(a.provs)])
	took := c.r.Now().Sub(begun)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times.Observe(took)
	if a.line != c.line {
		c.counts.Before--
	}
	if len(c.spare) < maxSpare {
		c.spare = append(c.spare, a)
	}
	c.counts.InFlight--
	if err == nil {
		c.counts.OK++
		return
	}
	c.counts.Failed++
	kind := fault.KindOf(err)
	if kind >= fault.Kinds {
		kind = fault.Internal
	}
	c.counts.Kinds[kind]++
	switch kind {
	case fault.Deadline:
		c.counts.Deadline++
	case fault.Cancelled, fault.CallerGone:
		c.counts.Cancelled++
	case fault.NotFound:
		c.counts.NotFound++
	}
}

// Line draws a line: the calls in flight now are counted as Before from here on,
// until they are over.
func (c *Caller) Line() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line++
	c.counts.Before = c.counts.InFlight
}

// SetTimeout changes how long a call may take whose context has no deadline.
// Calls in flight keep theirs.
func (c *Caller) SetTimeout(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Timeout, c.health.cfg.Timeout = d, d
}

// Counts returns the totals so far.
func (c *Caller) Counts() CallerCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	counts.LetDown = c.health.table.Len()
	return counts
}

// Times returns how long calls have taken so far, from the call to its result.
func (c *Caller) Times() histogram.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.times.Snapshot()
}

// Tables returns the books of the caller's tables.
func (c *Caller) Tables() []bounded.Stats {
	c.mu.Lock()
	list := []bounded.Stats{c.health.table.Stats()}
	c.mu.Unlock()
	c.lookups.mu.Lock()
	defer c.lookups.mu.Unlock()
	return append(list, c.lookups.open.Stats(), c.lookups.negative.Stats())
}

// Audit recounts the tables.
func (c *Caller) Audit() error {
	c.mu.Lock()
	err := c.health.table.Recount()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.lookups.audit()
}

// Sweep forgets up to max names that nobody provided, and as many providers
// that were silent long ago.
func (c *Caller) Sweep(max int) int {
	c.mu.Lock()
	silent := c.health.table.Expire(c.r.Now(), max, nil)
	c.mu.Unlock()
	return silent + c.lookups.sweep(max)
}

// NextExpiry is when the next of what Sweep forgets is over, or 0 when there is
// nothing.
func (c *Caller) NextExpiry() mono.Time {
	c.mu.Lock()
	silent := c.health.table.NextExpiry()
	c.mu.Unlock()
	c.lookups.mu.Lock()
	names := c.lookups.negative.NextExpiry()
	c.lookups.mu.Unlock()
	if silent.IsZero() || !names.IsZero() && names.Before(silent) {
		return names
	}
	return silent
}

// Close ends the questions to the mesh and waits for their tasks.
func (c *Caller) Close() { c.lookups.close() }

func (c *Caller) mark(name string) {
	if c.deps.Mark != nil {
		c.deps.Mark(name)
	}
}
