// Package host is what needs real time and real goroutines around a simulated
// world. The world itself has neither.
package host

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim"
)

// WatchdogConfig configures a watchdog. The zero value is a good one.
type WatchdogConfig struct {
	// Limit is how long one step of a world may take in real time; zero is
	// 10 s: a step takes microseconds, and a machine that swaps is forgiven.
	Limit time.Duration
	// OnStuck is called once for each step that takes longer, by a goroutine
	// of the watchdog; nil writes the report to standard error. The step
	// cannot be ended from outside, so a program will print the report and
	// exit.
	OnStuck func(Stuck)
}

// Stuck is a step that does not come to its end: a task that neither parks nor
// ends, or a function on the scheduler that does not return.
type Stuck struct {
	sim.Running
	For   time.Duration // how long it has taken, at least
	Stack string        // where it is, or all goroutines if that is not known
}

// WriteTo writes the report as text.
func (s Stuck) WriteTo(out io.Writer) (int64, error) {
	who := "a function on the scheduler"
	if s.TaskID != 0 {
		who = fmt.Sprintf("task %s#%d of machine %s", s.Task, s.TaskID, s.Machine)
	}
	n, err := fmt.Fprintf(out, "stuck: %s has not yielded for %v in step %d; it was resumed by %v\n\n%s\n", who, s.For, s.Step, s.Cause, s.Stack)
	return int64(n), err
}

// Watch starts a watchdog for w. It must be called before w is driven; stop
// ends it and waits for it.
func Watch(w *sim.World, cfg WatchdogConfig) (stop func()) {
	if cfg.Limit <= 0 {
		cfg.Limit = 10 * time.Second
	}
	if cfg.OnStuck == nil {
		cfg.OnStuck = func(s Stuck) { s.WriteTo(os.Stderr) }
	}
	w.Watch()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		watch(w, cfg, quit)
	}()
	return func() {
		select {
		case <-quit:
		default:
			close(quit)
		}
		<-done
	}
}

// looks is how often a watchdog looks within its limit.
const looks = 4

func watch(w *sim.World, cfg WatchdogConfig, quit chan struct{}) {
	tick := time.NewTicker(max(cfg.Limit/looks, time.Millisecond))
	defer tick.Stop()
	last, seen := w.Running(), 0
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		now := w.Running()
		if !now.Driving || now.Step != last.Step {
			last, seen = now, 0
			continue
		}
		// Looks, not the clock, count: when the whole process stands still,
		// the step gets the time to go on afterwards.
		if seen++; seen == looks {
			cfg.OnStuck(Stuck{Running: now, For: cfg.Limit, Stack: stackOf(now.Goroutine)})
		}
	}
}

// maxDump bounds the stacks of all goroutines.
const maxDump = 64 << 20

// stackOf returns the stack of one goroutine, or of all when it is not there.
func stackOf(goroutine uint64) string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= maxDump {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	head := fmt.Sprintf("goroutine %d ", goroutine)
	for s := range bytes.SplitSeq(buf, []byte("\n\n")) {
		if strings.HasPrefix(string(s), head) {
			return string(s)
		}
	}
	return string(buf)
}
