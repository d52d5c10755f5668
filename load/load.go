// Package load holds the five load tests: a pool that more peers want into
// than it has room for, a limit on clients, services that expire, clients
// that leave, and callers that die.
//
// They are ordinary blocking code over a World that they are given, so the
// same lines play over QUIC on loopback, where maculanode loadtest runs them,
// and in simulation, where the scenario load does. They start nodes and
// clients as a program would, count what is open at both ends of every
// connection, and report; they print nothing.
package load

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// Realm is the realm of every node and client of a test.
const Realm = "org.example.load"

// World is where a test takes place. Its methods are called by tasks of the
// test, several at a time.
type World interface {
	// Runtime is that of the test itself.
	Runtime() rt.Runtime
	// Host makes a machine on the network, with an identity and an open
	// transport. Whoever asked closes the transport.
	Host(HostConfig) (Host, error)
	// Start runs v on a machine that can be killed, and returns when v is
	// ready, or with what kept it from that.
	Start(ctx context.Context, name string, v Victim, near ...Host) (Process, error)
	// AtOnce is how long "at once" may take over so many hops: a round trip for
	// each, and what the world itself adds.
	AtOnce(hops int) time.Duration
	// Watch tells the world of a node whose limits it may check more often than
	// the test does, until the node is closed.
	Watch(h Host, n *node.Node) (stop func())
	// Held is told every check: nil when the property held, or why not.
	Held(property string, err error)
	// Progress is told now and then how far a test is: done of total.
	Progress(p Progress)
}

// Progress is how far a test is.
type Progress struct {
	Test        string
	Doing       string
	Done, Total int
}

// HostConfig says which machine is wanted.
type HostConfig struct {
	Name      string // for logs
	As        string // whose identity it has; two machines may have the same one; empty is Name
	Transport transport.Config
	Near      []Host // the machines that it will talk to
}

// Host is a machine of a World.
type Host interface {
	ID() transport.PeerID
	Addr() transport.Addr // where it is dialled
	Runtime() rt.Runtime
	Transport() transport.Transport
	Log() *slog.Logger // nil discards
}

// Process is a Victim that runs.
type Process interface {
	// Kill ends it in the middle of what it does, as kill -9 does, and returns
	// when it is dead. The error says that it was dead before. A second call
	// does nothing.
	Kill() error
}

// Config holds the numbers of the tests. Zero fields take the default that is
// named beside them.
type Config struct {
	Peers   int // peers that connect to a node; 1,500
	Cap     int // connections that its pool may hold; 1,000
	Clients int // clients that come to a gateway, each once; 150
	Limit   int // clients that it takes; 100

	Services int           // services that are not renewed; 10
	TTL      time.Duration // time to live of the first of them, the last one has twice that; 2 s

	Leaving int // clients with calls in flight both ways that leave; 10
	Callers int // calls in flight for every way in which a caller dies; 10

	Idle  time.Duration // idle timeout of nodes whose clients are killed: nothing else tells of that; 3 s, since a machine that is busy may stand still for a while
	Lanes int           // how many connect or close at a time; 16
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	for _, x := range []struct {
		n *int
		d int
	}{
		{&c.Peers, 1500}, {&c.Cap, 1000}, {&c.Clients, 150}, {&c.Limit, 100},
		{&c.Services, 10}, {&c.Leaving, 10}, {&c.Callers, 10}, {&c.Lanes, 16},
	} {
		if *x.n == 0 {
			*x.n = x.d
		}
	}
	if c.TTL == 0 {
		c.TTL = 2 * time.Second
	}
	if c.Idle == 0 {
		c.Idle = 3 * time.Second
	}
	return c
}

// Limits of a Config.
const (
	MaxCrowd = 100_000 // peers and clients
	maxFew   = 1000    // services, and clients that leave; a client provides no more
	maxCalls = 400     // calls in flight for each way: a peer takes 1,024
)

// counts are the counts of a configuration with their ranges.
func (c *Config) counts() []count {
	return []count{
		{"cap", c.Cap, 2, MaxCrowd}, {"peers", c.Peers, 3, MaxCrowd},
		{"limit", c.Limit, 2, MaxCrowd}, {"clients", c.Clients, 3, MaxCrowd},
		{"services", c.Services, 1, maxFew}, {"leaving", c.Leaving, 1, maxFew},
		{"callers", c.Callers, 1, maxCalls}, {"lanes", c.Lanes, 1, 32},
	}
}

type count struct {
	name         string
	n, low, high int
}

// The ranges of the times.
const (
	minTTL, maxTTL   = time.Second, 10 * time.Minute
	minIdle, maxIdle = 500 * time.Millisecond, time.Minute
)

// Range is what the field with that name, in lower case, may be besides zero:
// "2 to 100000". It is empty when there is no such field.
func Range(name string) string {
	switch name {
	case "ttl":
		return span(minTTL, maxTTL)
	case "idle":
		return span(minIdle, maxIdle)
	}
	for _, x := range (&Config{}).counts() {
		if x.name == name {
			return fmt.Sprintf("%d to %d", x.low, x.high)
		}
	}
	return ""
}

// span writes whole minutes and seconds without what is zero behind them.
func span(low, high time.Duration) string {
	short := func(d time.Duration) string {
		if d >= time.Minute {
			return fmt.Sprintf("%dm", int(d.Minutes()))
		}
		return d.String()
	}
	return short(low) + " to " + short(high)
}

// Validate reports what of a configuration makes no sense, in one line.
func (c Config) Validate() error {
	c = c.WithDefaults()
	for _, x := range c.counts() {
		if x.n < x.low || x.n > x.high {
			return fmt.Errorf("%s: %d is out of range: %s", x.name, x.n, Range(x.name))
		}
	}
	switch {
	case c.Peers <= c.Cap:
		return fmt.Errorf("peers: %d peers do not overrun a pool of %d: more than cap are needed", c.Peers, c.Cap)
	case c.Clients <= c.Limit:
		return fmt.Errorf("clients: %d clients do not overrun a limit of %d: more than limit are needed", c.Clients, c.Limit)
	case c.TTL < minTTL || c.TTL > maxTTL:
		return fmt.Errorf("ttl: %v is out of range: %s", c.TTL, Range("ttl"))
	case c.Idle < minIdle || c.Idle > maxIdle:
		return fmt.Errorf("idle: %v is out of range: %s", c.Idle, Range("idle"))
	}
	return nil
}

// Hosts is the most machines that a test has at a time, so at least as many
// sockets; killed processes have their own.
func (c Config) Hosts(test string) int {
	c = c.WithDefaults()
	switch test {
	case "pool":
		return c.Peers + 1
	case "clients":
		return c.Clients + 2
	case "streams":
		return 2*c.Leaving + 2
	}
	return 4
}

// Test is one of the five.
type Test struct {
	Name  string
	Shows string // in one line
	play  func(*run) error
}

// Tests are the tests in the order in which they are played.
func Tests() []Test {
	return []Test{
		{"pool", "more peers than the pool holds: the least recently used idle one is closed at both ends, one in use never", playPool},
		{"clients", "more clients than a gateway takes: as many are refused as are too many, each with a time to come back", playClients},
		{"services", "services that are not renewed: not found from the end of their time to live on, and then swept", playServices},
		{"streams", "clients that leave with calls in flight both ways: their streams, services and calls leave with them", playStreams},
		{"callers", "callers that give up, reset their stream or are killed: their calls go, and the handlers are told", playCallers},
	}
}

// Names are the names of the tests.
func Names() []string {
	var out []string
	for _, t := range Tests() {
		out = append(out, t.Name)
	}
	return out
}

// Find returns the test of that name.
func Find(name string) (Test, bool) {
	tests := Tests()
	i := slices.IndexFunc(tests, func(t Test) bool { return t.Name == name })
	if i < 0 {
		return Test{}, false
	}
	return tests[i], true
}

// Figure is a number that a test came to.
type Figure struct {
	Name  string // words with underscores; of a duration it ends in _ms
	Value float64
}

// Failure is a property that did not hold.
type Failure struct {
	Property string
	Detail   string
}

// Result is what a test showed.
type Result struct {
	Test     string
	Summary  string // its figures in one line; may be empty when it could not be played to its end
	Figures  []Figure
	Checks   int       // how often something was checked
	Failed   int       // how often it did not hold
	Failures []Failure // the first of those, at most 20
	Took     time.Duration
	Stopped  bool // the context ended before the test did
}

// OK reports whether the test was played to its end and everything held.
func (r *Result) OK() bool { return r.Failed == 0 && !r.Stopped }

// Run plays a test and returns when nothing that it started is left, which
// may take some seconds when ctx ends before. ctx must not be one of a
// machine of w.
func Run(ctx context.Context, w World, cfg Config, t Test) Result {
	r := newRun(ctx, w, cfg, t.Name)
	begun := r.rt.Now()
	if err := cfg.Validate(); err != nil {
		r.held("the numbers make sense", err)
	} else if err := t.play(r); err != nil && (err != errStopped || r.res.Failed == 0) {
		r.held("the test can be played", err)
	}
	r.cleanUp()
	r.res.Took = r.rt.Now().Sub(begun)
	r.res.Stopped = ctx.Err() != nil
	return r.res
}
