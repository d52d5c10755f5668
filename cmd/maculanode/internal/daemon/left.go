package daemon

import (
	"bytes"
	"context"
	"runtime"
	"time"

	"github.com/maculamesh/macula/node"
)

// Closed is what was left of a node after everything was closed.
type Closed struct {
	Leftovers  Leftovers      `json:"leftovers"`
	Goroutines int            `json:"goroutines_of_ours"`
	Tasks      map[string]int `json:"tasks"` // of the runtime, by name
	Timers     int            `json:"timers"`
	Hooks      int            `json:"hooks"`
	Clean      bool           `json:"clean"` // nothing is left, but handlers that ignore their context

	Stacks []string `json:"-"` // of Goroutines, when the process was searched
}

// Leftovers is node.Leftovers with names for JSON.
type Leftovers struct {
	Abandoned int `json:"abandoned"`
	Leases    int `json:"leases"`
	Conns     int `json:"conns"`
	Streams   int `json:"streams"`
	Tasks     int `json:"tasks"`
}

// grace is what goroutines get to run their last instructions after whoever
// waited for them was told.
const grace = time.Second

// count looks at what is left. Goroutines end a moment after they have said
// so, hence the grace; nothing else may change any more.
func (d *running) count() Closed {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	d.r.Wait(ctx)
	c := Closed{
		Leftovers: Leftovers(d.left()), Goroutines: d.r.Tasks(), Tasks: d.r.TaskNames(),
		Timers: d.r.Timers(), Hooks: d.r.Hooks(),
	}
	if d.opt.OwnsProcess {
		c.Stacks = strays(ctx)
		c.Goroutines = len(c.Stacks)
	}
	c.Clean = c.clean()
	return c
}

func (d *running) left() node.Leftovers {
	if d.node == nil {
		return node.Leftovers{}
	}
	return d.node.Leftovers()
}

// clean allows an abandoned handler what it cannot be parted from: its task,
// the lease of its call, its timer and its hook.
func (c *Closed) clean() bool {
	l := c.Leftovers
	return l.Conns == 0 && l.Streams == 0 && l.Tasks == 0 &&
		max(l.Leases, c.Goroutines, c.Timers, c.Hooks) <= l.Abandoned
}

// module and quicModule are in the function names of our goroutines: those
// that we start, and those that a library starts for us and we have to end.
var (
	module     = []byte("github.com/maculamesh/macula/")
	quicModule = []byte("github.com/quic-go/quic-go")
)

// strays returns the stacks of the goroutines of ours, but for the calling
// one. It looks again until there are none or ctx ends.
func strays(ctx context.Context) []string {
	for {
		found := search()
		if len(found) == 0 || ctx.Err() != nil {
			return found
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func search() []string {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 16<<20 {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var found []string
	for i, stack := range bytes.Split(buf, []byte("\n\n")) {
		// The first is the caller.
		if i > 0 && (bytes.Contains(stack, module) || bytes.Contains(stack, quicModule)) {
			found = append(found, string(bytes.TrimSpace(stack)))
		}
	}
	return found
}
