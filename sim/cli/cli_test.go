package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/scenario"
)

// app has a scenario for each way in which a run can end.
func app(out, errs *bytes.Buffer) *cli.App {
	runs := 0
	files := map[string][]byte{}
	return &cli.App{
		MakeDir: func(name string) error {
			if name == "nowhere" {
				return errors.New("read-only")
			}
			return nil
		},
		WriteFile: func(name string, data []byte) error { files[name] = data; return nil },
		ReadFile: func(name string) ([]byte, error) {
			if data, ok := files[name]; ok {
				return data, nil
			}
			return nil, fmt.Errorf("open %s: no such file", name)
		},
		Name: "simtest", About: "A test.", Version: "v0", Stdout: out, Stderr: errs, Now: func() time.Time { return time.Unix(0, 0) },
		Scenarios: []*scenario.Scenario{
			{
				Name: "good", Shows: "nothing", Params: []scenario.Param{{Name: "n", Default: "1", Least: "1", Doc: "a number"}},
				Play: func(s *scenario.Stage) { s.Peak("n", 10, s.Int("n")); s.Mark("rare"); s.Factf("a fact") },
			},
			{Name: "bad", Shows: "a violation", Play: func(s *scenario.Stage) {
				s.Always("it holds", func() error { return errors.New("it does not") })
				s.Sleep(time.Second)
			}},
			{Name: "sometimes", Shows: "a violation in every third seed", Sometimes: []string{"third"}, Play: func(s *scenario.Stage) {
				if s.Seed()%3 == 0 {
					s.Mark("third")
					s.Check(false, "seeds are not divisible", "seed %d is", s.Seed())
				}
			}},
			{Name: "never", Shows: "less than it says", Sometimes: []string{"the moon"}, Play: func(*scenario.Stage) {}},
			{Name: "burst", Shows: "a panic", Play: func(*scenario.Stage) { panic("burst") }},
			{Name: "drift", Shows: "another run every time", Play: func(s *scenario.Stage) {
				runs++
				s.Mark(fmt.Sprint("run ", runs))
			}},
		},
	}
}

func run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = app(&o, &e).Main(context.Background(), args)
	return code, o.String(), e.String()
}

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		want string // in the output of either kind
	}{
		{"list", cli.Held, "a violation"},
		{"version", cli.Held, "v0"},
		{"run good", cli.Held, "held"},
		{"run good --set n=7", cli.Held, "7"},
		{"run bad", cli.Violated, "simtest run bad --seed 1"},
		{"run burst", cli.Internal, "burst"},
		{"run all", cli.Internal, "VIOLATED"},
		{"verify good --seeds 2", cli.Held, "2 seeds"},
		{"verify drift", cli.NotDeterministic, "run "},
		{"run goood", cli.Usage, "did you mean good?"},
		{"run xyzxyzxyz", cli.Usage, "simtest list"},
		{"run", cli.Usage, "scenario"},
		{"run good --set m=1", cli.Usage, "it has n"},
		{"run good --set n=x", cli.Usage, "whole number"},
		{"run good --seed -1", cli.Usage, "seed"},
		{"run good --strategy luck", cli.Usage, "random"},
		{"run good --trace=- --kinds luck", cli.Usage, "luck"},
		{"verify good --seeds 0", cli.Usage, "at least one"},
		{"fly", cli.Usage, "fly"},
		{"sweep good --out nowhere", cli.Usage, "--out=nowhere: read-only"},
		{"sweep good --jobs=-1", cli.Usage, "--jobs"},
		{"run good --set n=0", cli.Usage, "at least 1"},
		{"", cli.Held, "Exit codes"},
		{"run --help", cli.Held, "--seed"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			code, out, errs := run(strings.Fields(tc.args)...)
			if code != tc.code || !strings.Contains(out+errs, tc.want) {
				t.Errorf("exit code %d, want %d, and in it %q:\n%s\n%s", code, tc.code, tc.want, out, errs)
			}
			if tc.code == cli.Usage && strings.Count(strings.TrimSpace(errs), "\n") > 0 {
				t.Errorf("more than one line about bad usage:\n%s", errs)
			}
		})
	}
}

func TestASweepGroupsItsFailures(t *testing.T) {
	var o, e bytes.Buffer
	a := app(&o, &e)
	if code := a.Main(context.Background(), strings.Fields("sweep sometimes --seeds 10 --out dir --json")); code != cli.Violated {
		t.Fatalf("exit code %d: %s", code, e.String())
	}
	var w struct {
		Seeds, Held int
		Failures    []struct {
			Signature, File string
			Seeds           []uint64
		}
	}
	if err := json.Unmarshal(o.Bytes(), &w); err != nil {
		t.Fatal(err)
	}
	if w.Seeds != 10 || w.Held != 7 || len(w.Failures) != 1 || fmt.Sprint(w.Failures[0].Seeds) != "[3 6 9]" {
		t.Fatalf("%+v", w)
	}
	o.Reset()
	if code := a.Main(context.Background(), []string{"replay", w.Failures[0].File}); code != cli.Violated || !strings.Contains(e.String(), "decision by decision") {
		t.Errorf("replay: exit code %d\n%s%s", code, o.String(), e.String())
	}
}

func TestShardsPlayEverySeedOnce(t *testing.T) {
	held, failed := 0, 0
	for i := range 3 {
		_, out, _ := run("sweep", "sometimes", "--seeds", "10", "--from", "5", "--json", "--shard", fmt.Sprintf("%d/3", i))
		var w struct {
			Seeds, Held int
			Failures    []struct{ Seeds []uint64 }
		}
		if err := json.Unmarshal([]byte(out), &w); err != nil {
			t.Fatal(err)
		}
		held += w.Held
		for _, g := range w.Failures {
			failed += len(g.Seeds)
		}
	}
	if held != 7 || failed != 3 { // 5 to 14: 6, 9 and 12 fail
		t.Errorf("%d held and %d failed", held, failed)
	}
}

func TestASweepThatNeverMeetsWhatItShouldFails(t *testing.T) {
	code, out, _ := run("sweep", "never", "--seeds", "3")
	if code != cli.Violated || !strings.Contains(out, "NEVER MET: the moon") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if code, out, _ = run("sweep", "sometimes", "--seeds", "2", "--from", "1"); code != cli.Violated {
		t.Errorf("seeds 1 and 2 do not meet the third: exit code %d:\n%s", code, out)
	}
}

func TestARunAsJSON(t *testing.T) {
	_, out, _ := run("run", "all", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 6 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	for i, line := range lines {
		var r struct {
			Scenario, Hash string
			Held           bool
			Gauges         []struct {
				Name        string
				Peak, Limit int
			}
			Failure *struct{ Property, Saw string }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if r.Hash == "" || r.Held != (r.Failure == nil) || r.Held != (i == 0 || i == 2 || i == 3 || i == 5) {
			t.Errorf("line %d: %s", i, line)
		}
		if i == 1 && (r.Failure.Property != "it holds" || r.Failure.Saw != "it does not") {
			t.Errorf("the failure: %+v", r.Failure)
		}
	}
}

func TestTheTraceGoesToStandardError(t *testing.T) {
	_, out, errs := run("run", "good", "--trace=-", "--kinds", "note")
	if !strings.Contains(errs, "rare") || strings.Contains(errs, "pick") || strings.Contains(out, " note ") {
		t.Errorf("stdout:\n%s\nstderr:\n%s", out, errs)
	}
}

func TestAnInterruptedRunEndsAtOnce(t *testing.T) {
	var o, e bytes.Buffer
	a := app(&o, &e)
	ctx, cancel := context.WithCancel(context.Background())
	a.Scenarios = []*scenario.Scenario{{Name: "endless", Shows: "no end", Limit: 1 << 62, Play: func(s *scenario.Stage) {
		for i := 0; ; i++ {
			if i == 2000 {
				cancel()
			}
			s.Sleep(time.Second)
		}
	}}}
	if code := a.Main(ctx, []string{"run", "endless"}); code != cli.Internal || !strings.Contains(o.String(), "interrupted") {
		t.Errorf("exit code %d:\n%s%s", code, o.String(), e.String())
	}
	o.Reset()
	if code := a.Main(ctx, []string{"sweep", "endless", "--seeds", "3"}); code != cli.Internal || !strings.Contains(e.String(), "interrupted") {
		t.Errorf("sweep: exit code %d:\n%s%s", code, o.String(), e.String())
	}
}
