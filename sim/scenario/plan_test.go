package scenario_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

func TestEachFaultDoesWhatItSays(t *testing.T) {
	for _, c := range []struct{ name, lines, want string }{
		{"nothing", `
at 1s dial a b
at 2.05s count b
at 3s clocks b
at 4s open a b
at 5s send a b
`, `
1.001s a>b in 1ms
2.05s b counted 20
3s b wall 0s mono 0s
5s b heard
`},
		{"link", `
link a,b latency=100ms
at 1s dial a b
at 2s dial a c
`, `
1.201s a>b in 201ms
2.001s a>c in 1ms
`},
		{"link of one", `
link a latency=100ms
at 1s dial a b
at 2s dial c a
at 3s dial b c
`, `
1.201s a>b in 201ms
2.201s c>a in 201ms
3.001s b>c in 1ms
`},
		{"link of all", `
link latency=100ms
at 1s dial a b
at 2s dial c d
`, `
1.201s a>b in 201ms
2.201s c>d in 201ms
`},
		{"cut", `
at 0s open a b
at 0s open b a
at 1s for 3s cut a b
at 2s send a b
at 3s send b a
at 9.05s count d
`, `
3s a heard
4.025s b heard
9.05s d counted 90
`},
		{"cut, dialled", `
at 1s for 5s cut a b
at 2s dial a b
at 3s dial b a
at 7s dial a b
`, `
4s a>b handshake timeout
5s b>a handshake timeout
7.001s a>b in 1ms
`},
		{"partition", `
at 1s for 5s partition a,b c
at 2s dial a b
at 2.1s dial a c
at 2.2s dial c b
at 2.3s dial c d
at 7s dial a c
`, `
2.001s a>b in 1ms
2.301s c>d in 1ms
4.1s a>c handshake timeout
4.2s c>b handshake timeout
7.001s a>c in 1ms
`},
		{"isolate", `
at 1s for 5s isolate b
at 2s dial a b
at 2.1s dial b c
at 2.2s dial a c
at 7s dial a b
`, `
2.201s a>c in 1ms
4s a>b handshake timeout
4.1s b>c handshake timeout
7.001s a>b in 1ms
`},
		{"ring", `
at 1s for 5s ring *
at 2s dial a b
at 2.1s dial a d
at 2.2s dial a c
at 2.3s dial d b
at 7s dial a c
`, `
2.001s a>b in 1ms
2.101s a>d in 1ms
4.2s a>c handshake timeout
4.3s d>b handshake timeout
7.001s a>c in 1ms
`},
		{"kill", `
at 0s open a b
at 0s open c b
at 1s kill b a
at 2s send c b
at 3s dial a b
`, `
1s a>b ended: netsim: the connection was killed
1s b's end: netsim: the connection was killed
2s b heard
3.001s a>b in 1ms
`},
		{"forget", `
at 0s open a b
at 0s open c b
at 1s forget a b
at 1.5s send a b
at 9s send c b
`, `
1s b's end: idle timeout: nothing heard from the peer
7.5s a>b ended: idle timeout: nothing heard from the peer
9s b heard
`},
		{"hold", `
at 0s open a b
at 1s for 3s hold a b
at 2s send a b
at 5s send a b
`, `
4s b heard
5s b heard
`},
		{"break", `
at 0s open a b
at 0s open a c
at 1s break a b after=2
at 2s send a b
at 3s send a b
at 4s send a c
`, `
2s b heard
3s b heard
3.000000001s a>b ended: netsim: the connection was killed
3.000000001s b's end: netsim: the connection was killed
4s c heard
`},
		{"exhaust", `
at 1s for 5s exhaust b
at 2s dial b a
at 2.1s dial a b
at 7s dial b a
`, `
2s b>a netsim: no port is free to dial from: connection broken
2.101s a>b in 1ms
7.001s b>a in 1ms
`},
		{"rebind", `
at 0s open a b
at 0s open b c
at 1s rebind b
at 2s send a b
at 3s send b c
at 4s dial a b
at 9.05s count d
`, `
3s c heard
4.001s a>b in 1ms
8s b's end: idle timeout: nothing heard from the peer
9.05s d counted 90
`},
		{"slowread", `
at 0s open a b
at 1s for 4s slowread b rate=1/s
at 2s send a b
at 2s send a b
at 2s send a b
at 6s send a b
`, `
2s b heard
3s b heard
4s b heard
6s b heard
`},
		{"swizzle", `
at 0s open a b
at 0s open a c
at 0s open a d
at 1s for 4s swizzle a,b,c,d
at 3s send a b
at 3s send a c
at 3s send a d
at 6s send a b
at 6s send a c
at 6s send a d
`, `
3s b heard
3s c heard
3.183923348s d heard
6s b heard
6s c heard
6s d heard
`},
		{"stall", `
at 1s for 5s stall b
at 2s dial a b
at 2.1s dial a c
at 7s dial a b
`, `
2.101s a>c in 1ms
4s a>b handshake timeout
7.001s a>b in 1ms
`},
		{"refuse", `
at 1s for 5s refuse b
at 2s dial a b
at 2.1s dial a c
at 7s dial a b
`, `
2.001s a>b handshake failed
2.101s a>c in 1ms
7.001s a>b in 1ms
`},
		{"weather", `
link latency=10ms
at 1s for 5s weather a,b latency=200ms
at 2s dial a b
at 3s dial a c
at 7s dial a b
`, `
2.401s a>b in 401ms
3.021s a>c in 21ms
7.021s a>b in 21ms
`},
		{"crash", `
at 0.5s job b
at 1s for 5s crash b
at 2s dial a b
at 7s dial a b
at 8s job b
`, `
1s b crashed
1s b job done false
4s a>b handshake timeout
6s b restarted
7.001s a>b in 1ms
10s b job done true
`},
		{"pause", `
at 0.95s count b
at 1.05s for 3s pause b
at 4s count b
at 5.05s count b
`, `
950ms b counted 9
4s b counted 10
5.05s b counted 21
`},
		{"wall forth", `
at 1s wall b by=2h
at 2s clocks b
at 3s clocks a
`, `
2s b wall 2h0m0s mono 0s
3s a wall 0s mono 0s
`},
		{"wall back", `
at 1s wall b by=-2h
at 2s clocks b
`, `
2s b wall -2h0m0s mono 0s
`},
		{"jump", `
at 1s jump b by=10s
at 2s clocks b
at 3s clocks a
`, `
2s b wall 0s mono 10s
3s a wall 0s mono 0s
`},
		{"drift", `
at 1s for 10s drift b by=1%
at 6s clocks b
at 11.1s clocks b
at 20s clocks b
`, `
6s b wall 50ms mono 50ms
11.1s b wall 100ms mono 100ms
20s b wall 100ms mono 100ms
`},

		{"the last of two cuts heals", `
at 1s for 6s cut a b
at 2s for 1s isolate b
at 2.1s dial c b
at 4s dial a b
at 4.1s dial c b
at 8s dial a b
`, `
3.026s c>b in 926ms
4.101s c>b in 1ms
6s a>b handshake timeout
8.001s a>b in 1ms
`},
		{"the last of two cuts of two nodes heals", `
at 1s for 1s cut a b
at 1.5s for 5s cut a b
at 3s dial a b
at 7s dial a b
`, `
5s a>b handshake timeout
7.001s a>b in 1ms
`},
		{"the last of two crashes ends", `
at 1s for 5s crash b
at 2s for 1s crash b
at 4s for 4s crash b
`, `
1s b crashed
8s b restarted
`},
		{"the last of two pauses ends", `
at 1.05s for 2s pause b
at 2s for 3s pause b
at 4.9s count b
at 7.95s count b
`, `
4.9s b counted 10
7.95s b counted 40
`},
		{"weather of two ends with what it was before", `
link latency=10ms
at 1s for 2s weather a,b latency=100ms
at 2s for 3s weather a,b latency=200ms
at 4s dial a b
at 6s dial a b
`, `
4.401s a>b in 401ms
6.021s a>b in 21ms
`},
		{"every", `
from 1s to 4s every 1s kill a b
from 1.5s to 5s every 1s open a b
`, `
2s a>b ended: netsim: the connection was killed
2s b's end: netsim: the connection was killed
3s a>b ended: netsim: the connection was killed
3s b's end: netsim: the connection was killed
`},
	} {
		got := strings.Join(facts(t, c.lines+"within 20s answered\n", 1), "\n")
		if got != strings.TrimSpace(c.want) {
			t.Errorf("%s:%s\ngot:\n%s\n\nwant:%s", c.name, c.lines, got, c.want)
		}
	}
}

func TestASlowMachineGetsLessDone(t *testing.T) {
	counted := func(lines string) (n int) {
		if _, err := fmt.Sscanf(facts(t, lines+"at 9.05s count b\n", 1)[0], "9.05s b counted %d", &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	usual, slow, short := counted(""), counted("at 1s slow b by=1s\n"), counted("at 1s for 2s slow b by=1s\n")
	if usual != 90 || slow > 40 || short <= slow || short >= 88 {
		t.Errorf("it counts to %d, when slow to %d, and when slow for two seconds to %d", usual, slow, short)
	}
}

// broken breaks whatever a plan can break, and says of nothing how long.
const broken = `at 1s cut a b
at 1s partition a,b c,d
at 1s isolate d
at 1s ring a,b,c,d
at 1s stall a
at 1s refuse b
at 1s weather a,b,c,d latency=9s
at 1s crash c
at 1s pause d
at 1s slow a by=10s
at 1s drift b by=5%
at 1s hold a b
at 1s swizzle a,b,c,d
at 1s exhaust a
at 1s slowread b rate=1/s
`

func TestTheCalmEndsEverything(t *testing.T) {
	facts(t, broken+"calm 5s\nwithin 3s connected\nwithin 9s counting\n", 1)
}

func TestEveryFaultThatLastsIsAmongThoseThatTheCalmEnds(t *testing.T) {
	for _, v := range probes().Vocabulary().Verbs {
		if v.Use == plan.Fault && v.Lasts && !strings.Contains(broken, " "+v.Name+" ") {
			t.Errorf("%s is not tested", v.Name)
		}
	}
}

func TestEachOfTheFaultsThatTheCalmEndsWouldBeNoticed(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(broken), "\n") {
		if strings.Contains(line, "drift") || strings.Contains(line, "swizzle") || strings.Contains(line, "slowread") {
			continue // makes things fast, ends by itself, or is slow with more than a handshake
		}
		// The core is nobody whom the line names, so the fault goes on.
		r := mustPlay(t, ofPlan(t, "node e\n"+line+"\ncalm 5s core=e\nwithin 3s connected a,b,c,d\nwithin 1s counting a,b,c,d\n"), scenario.Options{Seed: 1})
		if r.Held() || r.Failure.Internal() {
			t.Errorf("%s: %v, want a property that does not hold", line, r.Failure)
		}
	}
}

func TestWhatConcernsOnlyOthersThanTheCoreStaysBroken(t *testing.T) {
	lines := "at 1s crash c\nat 1s isolate d\nat 1s cut a b\nat 1s partition a,c b\nat 2s pause b\ncalm 5s core=a,b\nwithin 3s connected\nwithin 3s counting\n"
	if got := facts(t, lines, 1); !slices.Equal(got, []string{"1s c crashed"}) {
		t.Errorf("facts: %q", got)
	}
	for _, demand := range []string{"connected a,c", "connected a,d", "counting c"} {
		r := mustPlay(t, ofPlan(t, lines+"within 3s "+demand+"\n"), scenario.Options{Seed: 1})
		if r.Held() || r.Failure.Internal() {
			t.Errorf("%s: %v, want that it does not hold", demand, r.Failure)
		}
	}
}

func TestLinesWithThenComeOneAfterTheOther(t *testing.T) {
	got := facts(t, "then job a\nthen for 3.05s crash b\nthen count c\nthen within 9s counting a\nthen count d\n", 1)
	want := []string{"2s a job done true", "2s b crashed", "5.05s b restarted", "5.05s c counted 50", "6.05s d counted 60"}
	if !slices.Equal(got, want) {
		t.Errorf("facts:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatDoesNotComeToHoldFailsAndSaysWhoWaits(t *testing.T) {
	for lines, at := range map[string]time.Duration{
		"within 3s never\n":               3 * time.Second,
		"calm 5s\nwithin 3s never\n":      8 * time.Second,
		"at 2s note x\nwithin 3s never\n": 5 * time.Second,
		"then within 3s never\n":          3 * time.Second,
	} {
		r := mustPlay(t, ofPlan(t, lines), scenario.Options{Seed: 1})
		if r.Held() {
			t.Errorf("%q holds", lines)
			continue
		}
		f := r.Failure
		if f.Property != "never" || f.At != at || f.Err.Error() != "not within 3s: it is never so" {
			t.Errorf("%q: %v", lines, f)
		}
		if all := strings.Join(f.Waiting, "\n"); !strings.Contains(all, "probes_test.go") || !strings.Contains(all, "a") {
			t.Errorf("%q: who waits: %s", lines, all)
		}
	}
}

func TestARequestThatIsNotOverIsNotAnswered(t *testing.T) {
	r := mustPlay(t, ofPlan(t, "at 1s job a\ncalm 1.5s\nwithin 1s answered\n"), scenario.Options{Seed: 1})
	if r.Held() || r.Failure.Property != "answered" || !strings.Contains(r.Failure.Err.Error(), "1 requests are not over") {
		t.Errorf("%v", r.Failure)
	}
	facts(t, "at 1s job a\ncalm 1.5s\nwithin 2s answered\n", 1)
}

func TestALineDrawsTheSameWhenAnotherIsTakenOut(t *testing.T) {
	lines := []string{
		"at 1s note line-a", "at 2s note line-b", "at 2.5s for 3s crash b", "from 3s to 6s every 1s note line-c", "at 4s isolate a", "at 5.5s weather * loss=1%",
		"at 6.5s note line-d", "at 7s dial c d", "within 9s answered",
	}
	notes := func(lines []string) (out []string) {
		for _, f := range facts(t, strings.Join(lines, "\n")+"\n", 3) {
			if strings.Contains(f, "line-") {
				out = append(out, f)
			}
		}
		return out
	}
	all := notes(lines)
	if len(all) != 6 {
		t.Fatalf("notes: %q", all)
	}
	for i, gone := range lines {
		for _, note := range notes(slices.Delete(slices.Clone(lines), i, i+1)) {
			if !slices.Contains(all, note) {
				t.Errorf("without %q there is %q, of %q", gone, note, all)
			}
		}
	}
}

func TestAPlanThatMakesNoSenseRunsNothing(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"plan p\nnode a\n", `p.plan: no line says which system it is for: "system NAME"`},
		{"system probes\nnode a\n", `p.plan: no line names the plan: "plan NAME"`},
		{"plan p\nsystem tea\n", `p.plan: there is no system "tea" here; there are probes`},
		{"plan p\nsystem probes\nat 1s crash a\n", `p.plan:3:13: there is no node "a"`},
		{"plan p\nsystem probes\nset m=1\n", `p.plan:3:5: the system probes has no parameter "m"; it has n, d`},
		{"plan p\nsystem probes\nset n=x\n", `p.plan:3:7: n=x: want a whole number like 1, at least 0`},
		{"plan p\nsystem probes\nset n=1s..2s\n", `p.plan:3:7: n=1s..2s: want a whole number like 1, at least 0`},
		{"plan p\nsystem probes\nset n=5..2\n", `p.plan:3:7: set n=5..2: a range goes from a smaller value to a greater one`},
		{"plan p\nsystem probes\nset d=1us\n", `p.plan:3:7: d=1us: want a duration like 1s, at least 1ms`},
		{"plan p\nsystem probes\nset d=1us..1s\n", `p.plan:3:7: d=1us..1s: want a duration like 1s, at least 1ms`},
	} {
		if _, err := tryPlan(c.text); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
	s := ofPlan(t, "set n=1..3\nat 1s note x\n")
	for _, set := range []map[string]string{{"m": "1"}, {"n": "x"}, {"n": "5..2"}, {"n": "2..2"}, {"n": "1..9999999999"}, {"d": "1us"}} {
		if r, err := scenario.Play(s, scenario.Options{Set: set}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v is taken: %v %v", set, r, err)
		}
	}
}

func TestParametersOfAPlanAreDrawnOrSet(t *testing.T) {
	s := ofPlan(t, "set n=1..1000 d=1s..1000s\n")
	seen := map[string]bool{}
	for seed := range uint64(20) {
		r := mustPlay(t, s, scenario.Options{Seed: seed, Set: map[string]string{"d": "7s"}})
		if r.Params[1].Value != "7s" || strings.Contains(r.Params[0].Value, ".") {
			t.Errorf("parameters: %v", r.Params)
		}
		seen[r.Params[0].Value] = true
		if !strings.Contains(r.Plan.String(), fmt.Sprintf("set n=%s d=7s\n", r.Params[0].Value)) {
			t.Errorf("the plan that was played is\n%s", r.Plan)
		}
	}
	if len(seen) < 15 {
		t.Errorf("20 seeds draw %d values", len(seen))
	}
	if s.Plan.String() != ofPlan(t, "set n=1..1000 d=1s..1000s\n").Plan.String() {
		t.Error("playing has changed the plan")
	}
}

// drawn is a plan that is another one for each seed.
const drawn = `node o count=1..3 kind=other
link latency=0s..20ms loss=0%..2%
from 1s to 20s draw 8 request
from 1s to 20s draw 12 fault
from 3s to 18s draw 3 for 500ms..2s crash
calm 30s
within 40s answered
within 9s connected
within 30s counting
`

func TestASeedPlaysOneRun(t *testing.T) {
	s := ofPlan(t, drawn)
	hashes := map[uint64]bool{}
	for seed := range uint64(10) {
		a, b := mustPlay(t, s, scenario.Options{Seed: seed}), mustPlay(t, s, scenario.Options{Seed: seed})
		if a.Hash != b.Hash || a.Plan.String() != b.Plan.String() || !slices.Equal(a.Facts, b.Facts) {
			t.Errorf("seed %d plays two runs", seed)
		}
		hashes[a.Hash] = true
		// What was played can be played by itself.
		again, err := scenario.FromPlan(a.Plan, probes())
		if err != nil {
			t.Fatal(err)
		}
		if c := mustPlay(t, again, scenario.Options{Seed: seed}); c.Hash != a.Hash {
			t.Errorf("seed %d: the plan that was drawn plays another run", seed)
		}
	}
	if len(hashes) != 10 {
		t.Errorf("10 seeds play %d runs", len(hashes))
	}
}

func TestTheWorldRecoversFromWhateverIsDrawn(t *testing.T) {
	s := ofPlan(t, drawn)
	for seed := range uint64(60) {
		if r := mustPlay(t, s, scenario.Options{Seed: seed}); !r.Held() {
			t.Errorf("seed %d: %v\n%s\n%s", seed, r.Failure, r.Plan, strings.Join(r.Failure.Waiting, "\n"))
		}
	}
}
