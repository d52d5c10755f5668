package cli_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/scenario"
)

// swept is what a sweep says as JSON, but for the time it took.
type swept struct {
	Scenario, Strategy string
	Of, Seeds, Held    int
	Paths, Events      int
	Simulated          int64 `json:"simulated_ns"`
	NodeTime           int64 `json:"node_ns"`
	Complete           bool
	Marks, Checks      map[string]uint64
	Sometimes, Missed  []string
	Coverage           []struct {
		Fault, Property string
		Runs, Violated  int
	}
	Failures []struct {
		Signature, Property, Strategy, Again, File string
		Seed                                       uint64
		Seeds                                      []uint64
		Events                                     int
		Internal                                   bool
	}
}

// sweep runs a command that prints sweeps as JSON.
func (d *desk) sweep(t *testing.T, line string, code int) []swept {
	t.Helper()
	d.want(t, line+" --json", code)
	var all []swept
	for in := json.NewDecoder(strings.NewReader(d.out.String())); in.More(); {
		var w swept
		if err := in.Decode(&w); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, d.out.String())
		}
		all = append(all, w)
	}
	if len(all) == 0 {
		t.Fatalf("%s: nothing:\n%s", line, d.errs.String())
	}
	return all
}

// slow gives every look at the clock one second, and makes one worker play.
func (d *desk) slow() {
	now := time.Unix(0, 0)
	d.Now = func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func TestASweepGroupsItsFailures(t *testing.T) {
	d := newDesk()
	w := d.sweep(t, "sweep sometimes --seeds 10 --out dir", cli.Violated)[0]
	if w.Seeds != 10 || w.Held != 7 || len(w.Failures) != 1 {
		t.Fatalf("%+v", w)
	}
	f := w.Failures[0]
	if !slices.Equal(f.Seeds, []uint64{3, 6, 9}) || f.Property != "seeds are not divisible" || f.Again != "simtest run sometimes --seed 3" || f.File != "dir/sometimes-3.json" {
		t.Errorf("%+v", f)
	}
	d.want(t, "replay "+f.File, cli.Violated, "decision by decision")
	d.want(t, "sweep bad --seeds 3 --out dir", cli.Violated, "small: simtest shrink dir/bad-1.json")
}

func TestShardsPlayEverySeedOnce(t *testing.T) {
	d := newDesk()
	var failed []uint64
	held := 0
	for i := range 3 {
		code := cli.Violated // 5 to 14: 6, 9 and 12 fail
		if i != 1 {
			code = cli.Held
		}
		w := d.sweep(t, fmt.Sprintf("sweep sometimes --seeds 10 --from 5 --shard %d/3", i), code)[0]
		held += w.Held
		for _, f := range w.Failures {
			failed = append(failed, f.Seeds...)
		}
	}
	if held != 7 || !slices.Equal(failed, []uint64{6, 9, 12}) {
		t.Errorf("%d held and %v failed", held, failed)
	}
	// More shards than seeds: some have nothing to do.
	d.want(t, "sweep good --seeds 2 --shard 3/4", cli.Held, "0 seeds of shard 3/4")
}

func TestASweepThatNeverMeetsWhatItShouldFails(t *testing.T) {
	d := newDesk()
	d.want(t, "sweep never --seeds 3", cli.Violated, "NEVER MET: the moon")
	d.want(t, "sweep sometimes --seeds 2 --from 1", cli.Violated, "NEVER MET: third")
	d.want(t, "sweep never --seeds 3 --shard 0/2", cli.Held) // the other shard may meet it
}

func TestASweepGoesOnWhereItWasEnded(t *testing.T) {
	for _, line := range []string{"sweep shop --seeds 40", "sweep sometimes --seeds 40", "sweep shop.plan --seeds 40 --from 7 --shard 1/2 --set takes=15ms", "sweep shop --seeds 40 --strategy urw"} {
		d := shopDesk(t)
		code := d.do("%s --json", line)
		whole := d.sweep(t, line, code)[0]
		if whole.Seeds != whole.Of || len(whole.Failures) == 0 {
			t.Fatalf("%s: %+v", line, whole)
		}

		d.slow()
		var part swept
		parts := 0
		for ; part.Seeds < whole.Of; parts++ {
			if parts > 100 {
				t.Fatalf("%s: no end: %+v", line, part)
			}
			d.do("%s --out out --jobs 1 --for 20s --json", line)
			if err := json.Unmarshal(d.out.Bytes(), &part); err != nil {
				t.Fatal(err)
			}
		}
		if parts < 3 {
			t.Fatalf("%s: played in %d parts", line, parts)
		}
		part = d.sweep(t, line+" --out out", code)[0]
		for i := range part.Failures {
			if d.files[part.Failures[i].File] == "" {
				t.Errorf("%s: there is no file %q", line, part.Failures[i].File)
			}
			part.Failures[i].File = ""
		}
		if !reflect.DeepEqual(part, whole) {
			t.Errorf("%s:\nin parts: %+v\nat once:  %+v", line, part, whole)
		}
	}
}

func TestAFailureIsWrittenDownAlsoWhenTheSweepWasKilledBefore(t *testing.T) {
	d := newDesk()
	d.want(t, "sweep sometimes --seeds 9 --out out", cli.Violated)
	// What a sweep leaves that is killed after it has written its books.
	delete(d.files, "out/sometimes-3.json")
	books := "out/sweep-sometimes-0-of-1.json"
	d.files[books] = strings.Replace(d.files[books], `"file":"sometimes-3.json"`, `"file":""`, 1)
	d.want(t, "sweep sometimes --seeds 9 --out out", cli.Violated, "9 seeds")
	d.want(t, "replay out/sometimes-3.json", cli.Violated, "decision by decision")
}

func TestBooksOfAnotherSweepAreRefused(t *testing.T) {
	d := shopDesk(t)
	d.want(t, "sweep shop --seeds 4 --out out", d.do("sweep shop --seeds 4"))
	before := maps.Clone(d.files)
	for line, want := range map[string]string{
		"sweep shop --seeds 5 --out out":                   "another --from or --seeds",
		"sweep shop --seeds 4 --from 2 --out out":          "another --from or --seeds",
		"sweep shop --seeds 4 --strategy fifo --out out":   "another --strategy",
		"sweep shop --seeds 4 --set takes=1ms --out out":   "another --set",
		"sweep shop.plan --seeds 4 --strategy x --out out": "another --strategy",
	} {
		d.want(t, line, cli.Usage, "out/sweep-shop-0-of-1.json is from a sweep with "+want)
	}
	// The other scenarios of the sweep are not played either.
	d.want(t, "sweep all --seeds 4 --strategy fifo --out out", cli.Usage, "another --strategy")
	d.Version = "v1"
	d.want(t, "sweep shop --seeds 4 --out out", cli.Usage, "another version")
	d.Version = "v0"
	if !maps.Equal(d.files, before) {
		t.Error("files were written")
	}
	d.files["shop.plan"] = strings.Replace(shop, "5 put", "6 put", 1)
	d.want(t, "sweep shop.plan --seeds 4 --out out", cli.Usage, "another plan of that name")
}

func TestBooksThatAreBrokenAreRefused(t *testing.T) {
	const books = "out/sweep-sometimes-0-of-1.json"
	d := newDesk()
	d.want(t, "sweep sometimes --seeds 9 --out out", cli.Violated)
	whole := d.files[books]
	for _, c := range []struct{ old, new string }{
		{"{", "["}, {`"scenario"`, `"scenery"`}, {`"total":9`, `"total":0`}, {`"shards":1`, `"shards":0`}, {`"shard":0`, `"shard":7`},
		{`"of":9`, `"of":900`}, {`"seeds":9`, `"seeds":8`}, {`"from":0,"to":8`, `"from":0,"to":80`}, {`"from":0,"to":8`, `"from":8,"to":0`},
		{`"from":0,"to":8`, `"from":-1,"to":7`}, {`"from":0,"to":8`, `"from":1,"to":9`}, {`"paths":`, `"paths":1`},
	} {
		d.files[books] = strings.Replace(whole, c.old, c.new, 1)
		if d.files[books] == whole {
			t.Fatalf("%q is not in the books:\n%s", c.old, whole)
		}
		for _, line := range []string{"sweep sometimes --seeds 9 --out out", "merge out"} {
			d.want(t, line, cli.Usage, books+": not the books of a sweep")
		}
	}
	d.ReadFile = func(name string) ([]byte, error) { return nil, fmt.Errorf("open %s: permission denied", name) }
	d.want(t, "sweep sometimes --seeds 9 --out out", cli.Usage, "permission denied")
}

func TestAnInterruptedSweepKeepsItsBooks(t *testing.T) {
	d := newDesk()
	ctx, cancel := context.WithCancel(context.Background())
	d.Scenarios = []*scenario.Scenario{
		{Name: "first", Shows: "that", Play: func(s *scenario.Stage) {
			if s.Seed() == 5 {
				cancel()
			}
			s.Check(s.Seed() != 2, "it is not two", "it is")
		}},
		{Name: "second", Shows: "more", Play: func(*scenario.Stage) {}},
	}
	if code := d.main(ctx, "sweep all --seeds 10 --jobs 1 --out out --junit x.xml"); code != cli.Internal {
		t.Errorf("exit code %d", code)
	}
	if all := d.out.String() + d.errs.String(); !strings.Contains(all, "5 of 10 seeds") || !strings.Contains(all, "interrupted; what was played is above") {
		t.Error(all)
	}
	if !strings.Contains(d.files["x.xml"], "it is not two") {
		t.Errorf("the report says\n%s", d.files["x.xml"])
	}
	d.want(t, "merge out", cli.Internal, "first: 5 of 10 seeds were played", "second: 0 of 10 seeds were played")
	w := d.sweep(t, "sweep all --seeds 10 --out out", cli.Violated)
	if len(w) != 2 || w[0].Seeds != 10 || w[0].Held != 9 || w[1].Held != 10 {
		t.Errorf("%+v", w)
	}
	d.want(t, "merge out", cli.Violated, "first", "second")
}

// sticking makes seed 3 of the scenario "sticks" stuck: the watchdog speaks,
// and then the run goes on, because a test cannot end the program. What the
// files were when it would have ended comes back.
func sticking(d *desk) (files func() map[string]string) {
	var kept map[string]string
	var stuck func(host.Stuck)
	d.Watch = func(_ *sim.World, f func(host.Stuck)) func() {
		stuck = f
		return func() {}
	}
	d.Scenarios = []*scenario.Scenario{{Name: "sticks", Shows: "that", Play: func(s *scenario.Stage) {
		if s.Seed() == 3 {
			stuck(host.Stuck{Running: sim.Running{Machine: "m", Task: "spins", TaskID: 7}})
			kept = maps.Clone(d.files)
		}
	}}}
	return func() map[string]string { return kept }
}

func TestAStuckTaskIsNamedAndTheSweepIsKept(t *testing.T) {
	d := newDesk()
	files := sticking(d)
	d.want(t, "sweep sticks --seeds 6 --jobs 1 --out out --junit x.xml", cli.Internal,
		"simtest: sticks, seed 3 is stuck: task spins of machine m does not yield",
		"sticks           3 of 6 seeds, 2 held", // what is printed when the program ends
		"sticks           6 seeds, 5 held",      // when it does not, the run that ends after all counts once
		"stuck: task spins of machine m does not yield", "again: simtest run sticks --seed 3\n")
	d.files = files()
	if !strings.Contains(d.files["x.xml"], "stuck: task spins of machine m does not yield") {
		t.Errorf("the report says\n%s", d.files["x.xml"])
	}
	// The sweep goes on behind it.
	w := d.sweep(t, "sweep sticks --seeds 6 --jobs 1 --out out", cli.Internal)[0]
	if d.errs.Len() > 0 {
		t.Errorf("it went into the same seed again:\n%s", d.errs.String())
	}
	if w.Seeds != 6 || w.Held != 5 || len(w.Failures) != 1 || !slices.Equal(w.Failures[0].Seeds, []uint64{3}) || !w.Failures[0].Internal {
		t.Errorf("%+v", w)
	}
	d.want(t, "merge out", cli.Internal, "stuck: task spins")
	d.want(t, "run sticks --seed 3", cli.Held, "simtest: sticks, seed 3 is stuck: task spins of machine m does not yield")
}

// race loses a count in some orders of its two tasks.
func race() *scenario.Scenario {
	return &scenario.Scenario{Name: "race", Shows: "a lost count", Play: func(s *scenario.Stage) {
		n := 0
		add := func() {
			have := n
			s.Place("a").Runtime().Yield()
			n = have + 1
		}
		one, two := s.Place("a").Go("one", add), s.Place("a").Go("two", add)
		one.Wait()
		two.Wait()
		s.Check(n == 2, "nothing is lost", "%d", n)
	}}
}

func TestExhaustiveVisitsEverySchedule(t *testing.T) {
	d := newDesk()
	d.Scenarios = []*scenario.Scenario{race()}
	w := d.sweep(t, "sweep race --strategy exhaustive:1 --seeds 1000 --out out", cli.Violated)[0]
	if !w.Complete || w.Seeds < 4 || w.Held == 0 || len(w.Failures) != 1 {
		t.Fatalf("%+v", w)
	}
	f := w.Failures[0]
	d.want(t, strings.TrimPrefix(f.Again, "simtest "), cli.Violated, "nothing is lost")
	d.want(t, "replay "+f.File, cli.Violated, "decision by decision")
	d.want(t, "sweep race --strategy exhaustive:1 --seeds 1000", cli.Violated, fmt.Sprintf("%d schedules, all there are", w.Seeds), "schedules: nothing is lost")
	d.want(t, "sweep race --strategy exhaustive:1 --seeds 2", d.do("sweep race --strategy exhaustive:1 --seeds 2"), "2 schedules, ")
	if strings.Contains(d.out.String(), "all there are") {
		t.Errorf("two schedules are not all:\n%s", d.out.String())
	}
	// It begins again, and counts nothing twice; merge takes its books.
	if again := d.sweep(t, "sweep race --strategy exhaustive:1 --seeds 1000 --out out", cli.Violated)[0]; !reflect.DeepEqual(again, w) {
		t.Errorf("again: %+v\nfirst: %+v", again, w)
	}
	d.want(t, "merge out", cli.Violated, fmt.Sprintf("%d schedules, all there are", w.Seeds))
}

func TestExhaustiveOfAScenarioThatIsNotDeterministicSaysSo(t *testing.T) {
	d := newDesk()
	runs := 0
	d.Scenarios = []*scenario.Scenario{{Name: "drifts", Shows: "more tasks every time", Play: func(s *scenario.Stage) {
		runs++
		var tasks []*scenario.Job
		for range 1 + runs {
			tasks = append(tasks, s.Go("task", func() {}))
		}
		for _, j := range tasks {
			j.Wait()
		}
	}}}
	d.want(t, "sweep drifts --strategy exhaustive:1", cli.NotDeterministic, "NOT DETERMINISTIC")
}

// report is a JUnit report.
type report struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func (d *desk) report(t *testing.T, name string) map[string]string {
	t.Helper()
	var r report
	if err := xml.Unmarshal([]byte(d.files[name]), &r); err != nil {
		t.Fatalf("%v:\n%s", err, d.files[name])
	}
	out := map[string]string{}
	for _, s := range r.Suites {
		failures := 0
		for _, c := range s.Cases {
			key := s.Name + ": " + c.Name
			if _, twice := out[key]; twice {
				t.Errorf("%s is there twice", key)
			}
			out[key] = ""
			if c.Failure != nil {
				failures++
				out[key] = c.Failure.Message + "|" + c.Failure.Text
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures {
			t.Errorf("%s: it says %d tests, %d failures, and has %d and %d", s.Name, s.Tests, s.Failures, len(s.Cases), failures)
		}
	}
	return out
}

func TestAReportForCIHasACaseForEachProperty(t *testing.T) {
	d := newDesk()
	d.Scenarios = append(d.Scenarios, &scenario.Scenario{Name: "odd", Shows: "odd names", Play: func(s *scenario.Stage) {
		s.Check(true, "2 < 3: it is & stays \x01", "")
		s.Check(s.Seed() != 2, "4 things: counted", "<%d>", s.Seed())
	}})
	d.want(t, "sweep all --seeds 3 --jobs 1 --junit x.xml", cli.Internal)
	r := d.report(t, "x.xml")
	for name, want := range map[string]string{
		"sometimes: seeds are not divisible": "in 1 of 3 seeds; again: simtest run sometimes --seed 3",
		"never: sometimes: the moon":         "was met in none of 3 seeds",
		"bad: it holds":                      "in 3 of 3 seeds; again: simtest run bad --seed 1",
		"burst: panic":                       "burst",
		"odd: 4 things: counted":             "again: simtest run odd --seed 2",
	} {
		if !strings.Contains(r[name], want) {
			t.Errorf("%s: %q, want in it %q", name, r[name], want)
		}
	}
	if text, ok := r["good: the network is sound"]; !ok || text != "" {
		t.Errorf("what held: %q %v", text, ok)
	}
	if text, ok := r["odd: 2 < 3: it is & stays \ufffd"]; !ok || text != "" {
		t.Errorf("an odd name: %q %v of %q", text, ok, r)
	}
}

func TestCoverageSaysWhichFaultsMetWhichProperties(t *testing.T) {
	d := shopDesk(t)
	w := d.sweep(t, "sweep shop --seeds 30", cli.Violated)[0]
	runs := map[string]int{}
	violated := 0
	for _, c := range w.Coverage {
		if c.Property == "counted" {
			runs[c.Fault], violated = c.Runs, violated+c.Violated
		}
	}
	if len(runs) < 5 || runs["crash"] == 0 || runs["crash"] > 30 || violated == 0 {
		t.Errorf("%v, violated %d", runs, violated)
	}
	d.want(t, "sweep shop --seeds 30 --coverage", cli.Violated, "\n  crash\n", fmt.Sprintf("%6d runs", runs["crash"]), ", violated in ")
}

func TestAPlanThatOnlySomeSeedsCanPlayIsAMistakeThatNamesTheSeed(t *testing.T) {
	d := newDesk()
	d.Systems[0].Valid = func(number func(string) int) error {
		if n := number("n"); n == 3 {
			return fmt.Errorf("%d is too many", n)
		}
		return nil
	}
	d.Systems[0].Params = append(d.Systems[0].Params, scenario.Param{Name: "n", Default: "1"})
	d.files["p.plan"] = "plan p\nsystem shelf\nset n=1..3\nnode a\nat 1s put a\nwithin 1s counted\n"
	d.want(t, "sweep p.plan --seeds 30 --out out", cli.Usage, "seed ", "3 is too many")
	d.want(t, "merge out", cli.Internal, "seeds were played")
}
