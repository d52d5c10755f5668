package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const listed = `FuzzHello
FuzzCall
ok  	github.com/maculamesh/macula/node/wire	0.004s
?   	github.com/maculamesh/macula/rt	[no test files]
FuzzParse
ok  	github.com/maculamesh/macula/node/ident	0.003s
ok  	github.com/maculamesh/macula/mono	0.003s
`

// What go test prints when nothing is found, when something is, when a seed
// fails, and when the package does not build.
const (
	quiet = `fuzz: elapsed: 0s, gathering baseline coverage: 0/68 completed
fuzz: elapsed: 0s, gathering baseline coverage: 68/68 completed, now fuzzing with 1 workers
fuzz: elapsed: 3s, execs: 1833 (610/sec), new interesting: 8 (total: 76)
fuzz: elapsed: 5s, execs: 7059 (1744/sec), new interesting: 23 (total: 91)
PASS
ok  	github.com/maculamesh/macula/node/wire	5.045s
`
	loud = `fuzz: elapsed: 0s, gathering baseline coverage: 68/68 completed, now fuzzing with 1 workers
fuzz: minimizing 34-byte failing input file
fuzz: elapsed: 1s, execs: 99 (99/sec), new interesting: 3 (total: 71)
--- FAIL: FuzzHello (0.07s)
    --- FAIL: FuzzHello (0.00s)
        fuzz_test.go:70: the parser has changed its input

    Failing input written to testdata/fuzz/FuzzHello/8d2c
    To re-run:
    go test -run=FuzzHello/8d2c
FAIL
exit status 1
FAIL	github.com/maculamesh/macula/node/wire	1.020s
`
	seeded = `failure while testing seed corpus entry: FuzzHello/seed#3
fuzz: elapsed: 0s, gathering baseline coverage: 3/68 completed
--- FAIL: FuzzHello (0.01s)
FAIL
`
	late = `fuzz: elapsed: 5s, execs: 70 (1/sec), new interesting: 2 (total: 9)
--- FAIL: FuzzSchedule (5.02s)
    context deadline exceeded
FAIL
exit status 1
FAIL	github.com/maculamesh/macula/sim/scenario	5.030s
`
	broken = "# github.com/maculamesh/macula/node/wire\nwire.go:7:2: undefined: x\nFAIL\tgithub.com/maculamesh/macula/node/wire [build failed]\nFAIL\n"
)

// scripted answers go test -list, and each target with what stands under its
// name.
type scripted struct {
	targets map[string]string
	asked   [][]string
}

func (s *scripted) run(_ context.Context, args ...string) (string, error) {
	s.asked = append(s.asked, args)
	if slices.Contains(args, "-list") {
		return listed, nil
	}
	name := strings.Trim(args[slices.Index(args, "-fuzz")+1], "^$")
	if text := s.targets[name]; text != "" {
		return text, errors.New("exit status 1")
	}
	return quiet, nil
}

func play1(t *testing.T, targets map[string]string, args ...string) (*scripted, string, error) {
	t.Helper()
	s := &scripted{targets: targets}
	var out bytes.Buffer
	err := run(context.Background(), args, &out, s.run)
	return s, out.String(), err
}

func TestEveryTargetGetsAnEqualShareOfTheTime(t *testing.T) {
	s, out, err := play1(t, nil, "-for", "30s")
	if err != nil || !strings.Contains(out, "3 targets, 10s for each") || !strings.Contains(out, "ok: 3 targets, 21177 execs, nothing found") {
		t.Errorf("%v\n%s", err, out)
	}
	var names []string
	for _, args := range s.asked[1:] {
		line := strings.Join(args, " ")
		if !strings.Contains(line, "-run ^$ ") || !strings.Contains(line, "-fuzztime 10s ") || !strings.Contains(line, "-parallel 1 ") {
			t.Errorf("%s", line)
		}
		names = append(names, args[slices.Index(args, "-fuzz")+1]+args[len(args)-1])
	}
	want := []string{"^FuzzHello$github.com/maculamesh/macula/node/wire", "^FuzzCall$github.com/maculamesh/macula/node/wire", "^FuzzParse$github.com/maculamesh/macula/node/ident"}
	if !slices.Equal(names, want) {
		t.Errorf("ran %q", names)
	}
	for _, c := range []struct {
		total time.Duration
		n     int
		want  time.Duration
	}{{10 * time.Minute, 60, 10 * time.Second}, {10 * time.Second, 3, 3300 * time.Millisecond}, {time.Second, 60, time.Second}, {time.Minute, 0, time.Minute}} {
		if got := share(c.total, c.n); got != c.want {
			t.Errorf("%v among %d is %v, want %v", c.total, c.n, got, c.want)
		}
	}
}

func TestItGoesOnAfterSomethingWasFoundAndFailsAtTheEnd(t *testing.T) {
	for what, c := range map[string]struct{ text, want string }{
		"an input":           {loud, "FOUND: an input fails, kept in node/wire/testdata/fuzz/FuzzHello/8d2c"},
		"a seed":             {seeded, "FOUND: a seed fails: FuzzHello/seed#3"},
		"a broken build":     {broken, "FOUND: it failed"},
		"a silent failure":   {"PASS\n", "FOUND: it failed: exit status 1"},
		"a worker that dies": {"fuzz: elapsed: 3s, execs: 5 (1/sec), new interesting: 1 (total: 9)\nsignal: killed\n", "FOUND: it failed: exit status 1"},
	} {
		s, out, err := play1(t, map[string]string{"FuzzHello": c.text})
		if err == nil || !strings.Contains(err.Error(), "1 of 3 targets found something") || !strings.Contains(out, c.want) || len(s.asked) != 4 {
			t.Errorf("%s: %v after %d commands\n%s", what, err, len(s.asked), out)
		}
		if first, _, _ := strings.Cut(strings.TrimSpace(c.text), "\n"); !strings.Contains(out, "    "+first) {
			t.Errorf("%s: what was printed is not shown:\n%s", what, out)
		}
	}
}

func TestOnlyTheTargetsThatMatchAreRun(t *testing.T) {
	s, out, err := play1(t, nil, "-run", `node/ident\.`, "-for", "5s")
	if err != nil || len(s.asked) != 2 || !strings.Contains(out, "1 targets, 5s for each") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"-run", "nobody"}, {"-run", "("}, {"-for", "0s"}, {"-for", "-1m"}, {"-for", "NaN"}, {"-parallel", "0"}, {"5m"}} {
		if _, _, err := play1(t, nil, args...); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestTestsThatDoNotBuildAreAnErrorAndNotAnEmptyList(t *testing.T) {
	var out bytes.Buffer
	err := run(context.Background(), nil, &out, func(context.Context, ...string) (string, error) { return broken, errors.New("exit status 1") })
	if err == nil || !strings.Contains(err.Error(), "undefined: x") {
		t.Errorf("%v", err)
	}
}

func TestAPackageThatDoesNotBuildDoesNotKeepTheOthersFromRunning(t *testing.T) {
	s := &scripted{}
	var out bytes.Buffer
	err := run(context.Background(), nil, &out, func(ctx context.Context, args ...string) (string, error) {
		text, err := s.run(ctx, args...)
		if slices.Contains(args, "-list") {
			return text + broken, errors.New("exit status 1")
		}
		return text, err
	})
	if err == nil || !strings.Contains(err.Error(), "do not build") || len(s.asked) != 4 || !strings.Contains(out.String(), "undefined: x") || strings.Contains(out.String(), "ok: 3") {
		t.Errorf("%v after %d commands\n%s", err, len(s.asked), out.String())
	}
}

func TestTheEndOfTheContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &scripted{}
	err := run(ctx, nil, &bytes.Buffer{}, func(ctx context.Context, args ...string) (string, error) {
		if len(s.asked) == 1 {
			cancel()
		}
		return s.run(ctx, args...)
	})
	if !errors.Is(err, context.Canceled) || len(s.asked) != 2 {
		t.Errorf("%v after %d commands", err, len(s.asked))
	}
}

func TestWhatIsCountedIsTheLastLineOfProgress(t *testing.T) {
	if r := parseResult(late); r.execs != 70 || r.found != "" || !r.late {
		t.Errorf("time that ends within an input: %+v", r)
	}
	if r := parseResult(quiet); r.execs != 7059 || r.fresh != 23 || r.found != "" {
		t.Errorf("%+v", r)
	}
	if r := parseResult(loud); r.execs != 99 || r.fresh != 3 || r.input != "testdata/fuzz/FuzzHello/8d2c" {
		t.Errorf("%+v", r)
	}
}
