package backoff_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/backoff"
)

// backoffMachine does the same to several backoffs, copies of each other among
// them, and to a model of each: the number of attempts that have failed.
type backoffMachine struct {
	cfg    backoff.Config
	all    []backoff.Backoff
	failed []int
	seed   uint64
}

func (x *backoffMachine) pick(t *rapid.T) int {
	return rapid.IntRange(0, len(x.all)-1).Draw(t, "which")
}

// limits are the least and the most that an attempt may wait after n failures.
// They are reckoned in floating point, which has no overflow.
func (x *backoffMachine) limits(n int) (least, most float64) {
	base := math.Min(float64(x.cfg.Base), float64(x.cfg.Max))
	most = math.Min(base*math.Pow(float64(x.cfg.Factor), float64(n)), float64(x.cfg.Max))
	if x.cfg.Jitter == backoff.Equal {
		return math.Max(1, math.Floor(most/2)), most
	}
	return 1, most
}

func (x *backoffMachine) Next(t *rapid.T) {
	i := x.pick(t)
	x.seed++
	d := x.all[i].Next(source(x.seed))
	least, most := x.limits(x.failed[i])
	if slack := most * 1e-9; float64(d) < least-slack || float64(d) > most+slack {
		t.Fatalf("after %d failures it waits %v, want %v to %v", x.failed[i], d, time.Duration(least), time.Duration(most))
	}
	x.failed[i]++
}

func (x *backoffMachine) Reset(t *rapid.T) {
	i := x.pick(t)
	x.all[i].Reset()
	x.failed[i] = 0
}

func (x *backoffMachine) Copy(t *rapid.T) {
	if len(x.all) > 3 {
		t.Skip("there are enough")
	}
	i := x.pick(t)
	x.all, x.failed = append(x.all, x.all[i]), append(x.failed, x.failed[i])
}

func (x *backoffMachine) Check(t *rapid.T) {
	for i := range x.all {
		if got := x.all[i].Attempts(); got != x.failed[i] {
			t.Fatalf("%d attempts, want %d", got, x.failed[i])
		}
	}
}

func TestABackoffIsTheNumberOfItsFailures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		x := &backoffMachine{cfg: cfg, all: []backoff.Backoff{backoff.New(cfg)}, failed: []int{0}}
		t.Repeat(rapid.StateMachineActions(x))
	})
}
