package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/scenario"
)

// turns is a story of a few tasks that take turns, with parameters.
func turns() *scenario.Scenario {
	return &scenario.Scenario{
		Name: "turns", Shows: "turns", Limit: time.Minute,
		Params: []scenario.Param{{Name: "n", Default: "3", Least: "1", Doc: "tasks"}, {Name: "rest", Default: "5ms", Least: "1ms", Doc: "between two turns"}},
		Play: func(s *scenario.Stage) {
			p := s.Place("a b")
			jobs := []*scenario.Job{}
			for i := range min(s.Int("n"), 5) {
				jobs = append(jobs, p.Go(fmt.Sprint("task ", i%2), func() {
					for range 4 {
						rt.Sleep(context.Background(), p.Runtime(), min(s.Duration("rest"), time.Second))
						p.Runtime().Yield()
					}
				}))
			}
			for _, j := range jobs {
				j.Wait()
			}
		},
	}
}

// FuzzSchedule plays recorded schedules of any sort: of another story, edited,
// or nonsense. The run must end as always, twice the same.
func FuzzSchedule(f *testing.F) {
	r, err := scenario.Play(turns(), scenario.Options{Seed: 3, Record: 1000})
	if err != nil {
		f.Fatal(err)
	}
	var lines []string
	for _, d := range r.Schedule.Decisions {
		lines = append(lines, d.String())
	}
	all := strings.Join(lines, "\n")
	f.Add(all, r.Schedule.TieSeed)
	f.Add(all[:len(all)/2], uint64(0))
	f.Add(strings.Join([]string{all, all, all}, "\n"), uint64(1<<64-1))
	f.Add("", uint64(1))
	f.Add("nobody/never#1:1<nobody/never#1:2", uint64(1))
	f.Add("a/b#18446744073709551615:18446744073709551615<a/b#0:0+18446744073709551615", uint64(2))
	f.Fuzz(func(t *testing.T, text string, ties uint64) {
		s := &scenario.Schedule{TieSeed: ties}
		for i, line := range strings.Split(text, "\n") {
			if d, err := sim.ParseDecision(line); err == nil && i < 1000 {
				s.Decisions = append(s.Decisions, d)
			}
		}
		var hashes [2]uint64
		for i := range hashes {
			r, err := scenario.Play(turns(), scenario.Options{Seed: 3, Schedule: s})
			if err != nil || !r.Held() {
				t.Fatalf("%v, %v", err, r.Failure)
			}
			if r.Matched < 0 || r.Matched > len(s.Decisions) {
				t.Fatalf("%d of %d decisions were met", r.Matched, len(s.Decisions))
			}
			hashes[i] = r.Hash
		}
		if hashes[0] != hashes[1] {
			t.Fatalf("%x, and then %x", hashes[0], hashes[1])
		}
	})
}

// FuzzOptions plays with any name of a strategy and any value of a parameter:
// it is an error in one line, or a run with that value that tells the strategy
// by a name that is taken again.
func FuzzOptions(f *testing.F) {
	for _, name := range []string{
		"", "random", "fifo", "urw", "urw:5:01234567", "urw:99999999999999999999:01234567", "pct", "pct:3", "pct:3:100", "pct:0", "pct:-1", "pct:1:2:3", "pct:NaN", "pct:1000000000000", "pct:9223372036854775807:9223372036854775807", "pct:18446744073709551616",
		"exhaustive", "exhaustive:1", "exhaustive:1:1", "exhaustive:2:5", "exhaustive:-1:1", "exhaustive:1:0", "exhaustive:1:99", "\xff", "a\nb", strings.Repeat("x", 3000),
	} {
		f.Add(name, "n", "2")
	}
	for _, v := range []string{"", "0", "1", "-1", "NaN", "1e3", "9223372036854775808", "1s", "99999h", "1..2", "\xff", "a\nb", strings.Repeat("9", 3000)} {
		f.Add("fifo", "n", v)
		f.Add("fifo", "rest", v)
		f.Add("fifo", v, "1")
	}
	f.Fuzz(func(t *testing.T, strategy, param, value string) {
		if parts := strings.Split(strategy, ":"); len(parts) > 2 && parts[0] == "exhaustive" && len(parts[2]) > 2 {
			return // each schedule derives from the one before it: the number is what it costs
		}
		r, err := scenario.Play(turns(), scenario.Options{Seed: 1, Strategy: strategy, Set: map[string]string{param: value}})
		if err != nil {
			if msg := err.Error(); strings.ContainsAny(msg, "\n\r") || len(msg) > 1500 {
				t.Fatalf("an error of %d bytes: %.2000q", len(msg), msg)
			}
			return
		}
		if !r.Held() {
			t.Fatalf("%v", r.Failure)
		}
		for _, p := range r.Params {
			if p.Name == param && p.Value != value {
				t.Fatalf("%s=%q was played as %q", param, value, p.Value)
			}
		}
		again, err := scenario.Play(turns(), scenario.Options{Seed: 1, Strategy: r.Strategy, Set: map[string]string{param: value}})
		if err != nil || again.Hash != r.Hash {
			t.Fatalf("%q was played as %q, and that is another run: %v", strategy, r.Strategy, err)
		}
	})
}
