// Package bench measures calls on one machine: between two nodes in this
// process, or against a service of a node that runs, and beside them the limit
// of QUIC itself on this machine at this moment.
package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/internal/rawquic"
)

// The limits of a Config.
const (
	MaxCallers = 512 // a node takes 1,024 calls of one peer
	MaxBody    = rawquic.MaxBody
	MinTime    = 50 * time.Millisecond
	MaxTime    = 10 * time.Minute
)

// Config is what is measured.
type Config struct {
	Bodies  []int         // bytes of a request
	Callers []int         // at a time
	For     time.Duration // each combination: half of it calls, half of it QUIC
}

// Check says what makes no sense, in one line.
func (c Config) Check() error {
	for _, n := range c.Bodies {
		if n < 0 || n > MaxBody {
			return fmt.Errorf("body: %d is out of range: 0 to %d bytes", n, MaxBody)
		}
	}
	for _, n := range c.Callers {
		if n < 1 || n > MaxCallers {
			return fmt.Errorf("callers: %d is out of range: 1 to %d", n, MaxCallers)
		}
	}
	if c.For < MinTime || c.For > MaxTime {
		return fmt.Errorf("duration: %v is out of range: %v to 10m", c.For, MinTime)
	}
	return nil
}

// Row is what was measured with one combination.
type Row struct {
	Body    int     `json:"body_bytes"`
	Callers int     `json:"callers"`
	Calls   uint64  `json:"calls"`
	Failed  uint64  `json:"failed"`
	Rate    float64 `json:"calls_per_second"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	Raw     float64 `json:"raw_per_second"`
	Share   float64 `json:"share"` // of Raw
	Error   string  `json:"error,omitempty"`
}

// Call makes one call and waits for its answer.
type Call func(ctx context.Context, body []byte) error

// Target is what is called.
type Target struct {
	Name  string
	Call  Call
	Close func()
}

// Run measures every combination and tells of each as soon as it is over. It
// returns early when ctx ends, with its cause.
func Run(ctx context.Context, cfg Config, t *Target, tell func(Row)) error {
	raw, err := rawquic.New()
	if err != nil {
		return fmt.Errorf("QUIC on loopback: %w", err)
	}
	defer raw.Close()
	for _, size := range cfg.Bodies {
		for _, callers := range cfg.Callers {
			row := measure(ctx, cfg.For, size, callers, t.Call, raw)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			tell(row)
		}
	}
	return nil
}

// slice is how long the two take turns: what else the machine does hits both.
const slice = 100 * time.Millisecond

// measure measures one combination.
func measure(ctx context.Context, total time.Duration, size, callers int, call Call, raw *rawquic.Loop) Row {
	body := make([]byte, size)
	quic := func(context.Context, []byte) error {
		_, err := raw.Call(make([]byte, 0, size), body)
		return err
	}
	// The connection is up then, and buffers have grown.
	warm := min(slice, total/8)
	drive(ctx, callers, warm, body, call)
	drive(ctx, callers, warm, body, quic)

	ours, theirs := tally{}, tally{}
	for end := time.Now().Add(total); ctx.Err() == nil && time.Now().Before(end); {
		turn := max(min(slice, total/4), MinTime/4)
		ours.add(drive(ctx, callers, turn, body, call))
		theirs.add(drive(ctx, callers, turn, body, quic))
		if ours.failed > 0 && ours.done == 0 {
			break // it will not become better
		}
	}
	r := Row{Body: size, Callers: callers, Calls: ours.done, Failed: ours.failed, Rate: ours.rate(), Raw: theirs.rate()}
	r.P50, r.P99 = ours.times.quantile(0.50), ours.times.quantile(0.99)
	if r.Raw > 0 {
		r.Share = r.Rate / r.Raw
	}
	if ours.err != nil {
		r.Error = control.Text(ours.err)
	}
	return r
}

// tally is what some callers have done.
type tally struct {
	done, failed uint64
	took         time.Duration
	times        times
	err          error // the first
}

func (t *tally) add(o *tally) {
	t.done, t.failed, t.took = t.done+o.done, t.failed+o.failed, t.took+o.took
	t.times.add(&o.times)
	if t.err == nil {
		t.err = o.err
	}
}

func (t *tally) rate() float64 {
	if t.took <= 0 {
		return 0
	}
	return float64(t.done) / t.took.Seconds()
}

// drive calls from so many callers for a while. A caller whose call fails stops.
func drive(ctx context.Context, callers int, lasts time.Duration, body []byte, call Call) *tally {
	var wg sync.WaitGroup
	all := make([]tally, callers)
	begun := time.Now()
	for i := range all {
		wg.Go(func() {
			own := &all[i]
			for now := begun; now.Sub(begun) < lasts && ctx.Err() == nil; {
				err := call(ctx, body)
				then := time.Now()
				if err != nil {
					own.failed, own.err = own.failed+1, err
					return
				}
				own.done++
				own.times.observe(then.Sub(now))
				now = then
			}
		})
	}
	wg.Wait()
	sum := &tally{}
	for i := range all {
		sum.add(&all[i])
	}
	sum.took = time.Since(begun)
	return sum
}
