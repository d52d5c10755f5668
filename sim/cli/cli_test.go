package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/scenario"
)

// desk is a program with a scenario for each way in which a run can end, and a
// system for plans, in front of files that are a map.
type desk struct {
	*cli.App
	out, errs bytes.Buffer // of the last command
	files     map[string]string
}

func newDesk() *desk {
	d := &desk{files: map[string]string{}}
	d.App = app(&d.out, &d.errs)
	d.MakeDir = func(name string) error {
		if name == "nowhere" {
			return fmt.Errorf("read-only: %w", fs.ErrPermission)
		}
		return nil
	}
	d.WriteFile = func(name string, data []byte) error {
		if strings.HasPrefix(name, "nowhere/") {
			return fmt.Errorf("open %s: no such folder: %w", name, fs.ErrNotExist)
		}
		if strings.HasPrefix(name, "full/") {
			return fmt.Errorf("write %s: no room", name)
		}
		d.files[name] = string(data)
		return nil
	}
	d.ReadFile = func(name string) ([]byte, error) {
		if data, ok := d.files[name]; ok {
			return []byte(data), nil
		}
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	d.ListDir = func(name string) ([]string, error) {
		var names []string
		for file := range d.files {
			if path.Dir(file) == name {
				names = append(names, path.Base(file))
			}
		}
		slices.Sort(names)
		return names, nil
	}
	return d
}

// do runs a command line of words without spaces.
func (d *desk) do(format string, args ...any) (code int) {
	return d.main(context.Background(), fmt.Sprintf(format, args...))
}

func (d *desk) main(ctx context.Context, line string) (code int) {
	d.out.Reset()
	d.errs.Reset()
	return d.Main(ctx, strings.Fields(line))
}

// want runs a command line and demands its exit code, and words in what it
// prints on standard output and standard error together.
func (d *desk) want(t *testing.T, line string, code int, words ...string) {
	t.Helper()
	got := d.do("%s", line)
	all := d.out.String() + d.errs.String()
	if got != code {
		t.Errorf("%s: exit code %d, want %d:\n%s", line, got, code, all)
	}
	for _, w := range words {
		if !strings.Contains(all, w) {
			t.Errorf("%s: want %q in\n%s", line, w, all)
		}
	}
	if code == cli.Usage && strings.Count(d.errs.String(), "\n") != 1 {
		t.Errorf("%s: not one line about bad usage:\n%s", line, d.errs.String())
	}
}

// app has a scenario for each way in which a run can end.
func app(out, errs *bytes.Buffer) *cli.App {
	runs := 0
	return &cli.App{
		Name: "simtest", About: "A test.", Version: "v0", Stdout: out, Stderr: errs, Now: func() time.Time { return time.Unix(0, 0) },
		Systems: []*scenario.System{shelf()},
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
			{
				Name: "F1-first", Group: "faults", Shows: "a member of a group", Trigger: "a trigger", Invariant: "an invariant",
				Sources: []string{"https://example.org/1"}, Play: func(*scenario.Stage) {},
			},
			{Name: "F2-second", Group: "faults", Shows: "another one", Play: func(*scenario.Stage) {}},
		},
	}
}

func run(args ...string) (code int, out, errs string) {
	d := newDesk()
	code = d.Main(context.Background(), args)
	return code, d.out.String(), d.errs.String()
}

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		want string // in the output of either kind
	}{
		{"", cli.Held, "Exit codes"},
		{"run --help", cli.Held, "--seed"},
		{"fly", cli.Usage, "fly"},
		{"--loud", cli.Usage, "--loud"},

		{"list", cli.Held, "a violation"},
		{"list --json", cli.Held, `"name":"good"`},
		{"list good", cli.Held, "--set n=1"},
		{"list", cli.Held, "a group of 2"},
		{"list faults", cli.Held, "source: https://example.org/1"},
		{"list --json F1", cli.Held, `"trigger":"a trigger"`},
		{"list goo", cli.Usage, "good"},
		{"run F1", cli.Held, "F1-first"},
		{"sweep faults --seeds 2", cli.Held, "F2-second"},
		{"sweep fault --seeds 2", cli.Usage, "faults"},
		{"version", cli.Held, "v0"},

		{"run good", cli.Held, "held"},
		{"run good --set n=7", cli.Held, "7"},
		{"run good --strategy pct:2", cli.Held, "held"},
		{"run good --strategy urw", cli.Held, "held"},
		{"run good --trace t.jsonl", cli.Held, "held"},
		{"run bad", cli.Violated, "simtest run bad --seed 1"},
		{"run bad --json", cli.Violated, `"property":"it holds"`},
		{"run burst", cli.Internal, "burst"},
		{"run all", cli.Internal, "VIOLATED"},
		{"run", cli.Usage, "scenario"},
		{"run goood", cli.Usage, "did you mean good?"},
		{"run xyzxyzxyz", cli.Usage, "simtest list"},
		{"run bad-1.json", cli.Usage, "replay plays failure files"},
		{"run good bad", cli.Usage, "bad"},
		{"run good --set m=1", cli.Usage, "it has n"},
		{"run good --set n=x", cli.Usage, "whole number"},
		{"run good --set n=0", cli.Usage, "at least 1"},
		{"run good --set n", cli.Usage, "--set"},
		{"run good --seed -1", cli.Usage, "seed"},
		{"run good --seed 18446744073709551616", cli.Usage, "seed"},
		{"run good --seed 18446744073709551615", cli.Held, "held"},
		{"run good --strategy luck", cli.Usage, "random"},
		{"run good --strategy pct:0", cli.Usage, "random"},
		{"run good --strategy exhaustive:1:99", cli.Usage, "there are only"},
		{"run good --trace=- --kinds luck", cli.Usage, "luck"},
		{"run good --kinds note", cli.Usage, "--trace=-"},
		{"run good --trace t.jsonl --kinds note", cli.Usage, "--trace=-"},
		{"run good --trace nowhere/t", cli.Usage, "nowhere/t"},
		{"run all --trace t.jsonl", cli.Usage, "one scenario"},

		{"verify good --seeds 2", cli.Held, "2 seeds"},
		{"verify good --json --seeds 1", cli.Held, `"deterministic":true`},
		{"verify bad --seeds 1", cli.Held, "1 seeds"}, // it fails, every time in the same way
		{"verify drift", cli.NotDeterministic, "run "},
		{"verify drift --json", cli.NotDeterministic, `"deterministic":false`},
		{"verify good --seeds 0", cli.Usage, "at least one"},
		{"verify good --seeds many", cli.Usage, "--seeds"},

		{"sweep good --seeds 3", cli.Held, "3 seeds, 3 held"},
		{"sweep bad --seeds 3", cli.Violated, "VIOLATED in 3 seeds"},
		{"sweep burst --seeds 3", cli.Internal, "VIOLATED in 3 seeds"},
		{"sweep good --out nowhere", cli.Usage, "--out=nowhere: read-only"},
		{"sweep good --junit nowhere/x.xml", cli.Usage, "--junit=nowhere/x.xml"},
		{"sweep good --jobs=-1", cli.Usage, "--jobs"},
		{"sweep good --seeds 0", cli.Usage, "at least one"},
		{"sweep good --seeds 9223372036854775807", cli.Usage, "at most"},
		{"sweep good --from=-1", cli.Usage, "--from"},
		{"sweep good --for=-1s", cli.Usage, "--for=-1s"},
		{"sweep good --for soon", cli.Usage, "--for"},
		{"sweep good --strategy luck", cli.Usage, "random"},
		{"sweep good --strategy exhaustive:-1", cli.Usage, "random"},
		{"sweep good --strategy exhaustive:1 --shard 0/2", cli.Usage, "cannot be divided"},
		{"sweep good --set m=1", cli.Usage, "it has n"},
		{"sweep good --shard 4/4", cli.Usage, "--shard=4/4: want I/N with I from 0 to N-1"},
		{"sweep good --shard=-1/4", cli.Usage, "--shard=-1/4"},
		{"sweep good --shard 1", cli.Usage, "--shard=1"},
		{"sweep good --shard 0/0", cli.Usage, "--shard=0/0"},
		{"sweep good --shard x/y", cli.Usage, "--shard=x/y"},

		{"merge", cli.Usage, "dirs"},
		{"merge nothing", cli.Usage, "nothing holds no books"},
		{"replay nowhere.json", cli.Usage, "nowhere.json"},
		{"replay nowhere.json --kinds note", cli.Usage, "nowhere.json"},
		{"shrink nowhere.json", cli.Usage, "nowhere.json"},
		{"shrink x.json --seeds=0", cli.Usage, "--seeds"},
		{"shrink x.json --jobs=-1", cli.Usage, "--jobs"},
		{"shrink x.json --for=0s", cli.Usage, "--for"},
		{"shrink x.json -o x.plan", cli.Usage, ".json"},
		{"view good", cli.Held, "good-1.html"},
		{"view bad", cli.Held, "VIOLATED: it holds"},
		{"view good --format pdf", cli.Usage, "html"},
		{"view good --records=-1", cli.Usage, "--records"},
		{"view good -o nowhere/x.html", cli.Usage, "nowhere/x.html"},
		{"view goood", cli.Usage, "did you mean good?"},
		{"view all", cli.Usage, "all"},
		{"diff a", cli.Usage, "b"},
		{"diff a b", cli.Usage, "open a"},
		{"plan", cli.Usage, "--verbs"},
		{"plan good", cli.Usage, "told in Go"},
		{"plan --verbs shelf", cli.Held, "at TIME put NODE"},
		{"plan --verbs tea", cli.Usage, "there are shelf"},
		{"plan shop.plan --verbs shelf", cli.Usage, "--verbs=shelf"},
		{"new", cli.Usage, "name"},
		{"new first --system tea", cli.Usage, "there are shelf"},
		{"new a#b", cli.Usage, "cannot be the name of a plan"},
		{"new .plan", cli.Usage, "cannot be the name of a plan"},
	} {
		t.Run(tc.args, func(t *testing.T) { newDesk().want(t, tc.args, tc.code, tc.want) })
	}
}

func TestARunAsJSON(t *testing.T) {
	_, out, _ := run("run", "all", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 8 {
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
		if r.Hash == "" || r.Held != (r.Failure == nil) || r.Held != (i != 1 && i != 4) {
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
	d := newDesk()
	ctx, cancel := context.WithCancel(context.Background())
	d.Scenarios = []*scenario.Scenario{{Name: "endless", Shows: "no end", Limit: 1 << 62, Play: func(s *scenario.Stage) {
		for i := 0; ; i++ {
			if i == 2000 {
				cancel()
			}
			s.Sleep(time.Second)
		}
	}}}
	if code := d.main(ctx, "run endless"); code != cli.Internal || !strings.Contains(d.out.String(), "interrupted") {
		t.Errorf("exit code %d:\n%s%s", code, d.out.String(), d.errs.String())
	}
	for _, line := range []string{"run endless", "run endless --json", "sweep endless --seeds 3", "verify endless", "view endless"} {
		if code := d.main(ctx, line); code != cli.Internal || !strings.Contains(d.errs.String(), "interrupted") {
			t.Errorf("%s: exit code %d:\n%s%s", line, code, d.out.String(), d.errs.String())
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestWhatCannotBePrintedIsAFailure(t *testing.T) {
	for _, line := range []string{"list", "version", "plan --verbs shelf", "run good", "run good --json"} {
		var errs bytes.Buffer
		a := app(&bytes.Buffer{}, &errs)
		a.Stdout = full{}
		if code := a.Main(context.Background(), strings.Fields(line)); code != cli.Internal || strings.Count(errs.String(), "no room") != 1 {
			t.Errorf("%s: exit code %d, want %d and a line that says why, got %q", line, code, cli.Internal, errs.String())
		}
	}
}

// What is retried must not look like what is wrong on the command line, and
// the other way round.
func TestAFullDiskIsNoMistakeInTheCommandLine(t *testing.T) {
	for _, line := range []string{"view good -o %s/x", "sweep good --seeds 1 --junit %s/x", "new %s/x.plan"} {
		d := newDesk()
		d.want(t, fmt.Sprintf(line, "full"), cli.Internal, "no room")
		d.want(t, fmt.Sprintf(line, "nowhere"), cli.Usage, "no such folder")
	}
	newDesk().want(t, "sweep bad --seeds 1 --out full", cli.Internal, "no room")
}
