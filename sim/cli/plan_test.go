package cli_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// shelf is a system with a bug: two that put something on the same shelf at
// about the same time count it once.
func shelf() *scenario.System {
	return &scenario.System{
		Name:     "shelf",
		Shows:    "shelves that things are put on",
		Params:   []scenario.Param{{Name: "takes", Default: "20ms", Doc: "how long putting takes"}},
		Requests: []plan.Verb{{Name: "put", Doc: "puts something on a shelf", Args: []plan.Field{{Name: "node", Kind: plan.Node}}}},
		Demands:  []plan.Verb{{Name: "counted", Doc: "what was put is what is there"}},
		Example:  "node n\nat 1s put n\nwithin 1s counted\n",
		Open: func(s *scenario.Stage) *scenario.Subject {
			put, there, busy := map[string]int{}, map[string]int{}, map[string]int{}
			return &scenario.Subject{
				Requests: map[string]func(*scenario.Request){"put": func(r *scenario.Request) {
					n := r.At("node").Name()
					if busy[n]++; busy[n] == 2 {
						s.Mark("two at once")
					}
					have := there[n]
					s.Sleep(s.Duration("takes"))
					there[n] = have + 1
					put[n]++
					busy[n]--
				}},
				Holds: map[string]func(*scenario.Request) error{"counted": func(*scenario.Request) error {
					for _, n := range []string{"a", "b", "n"} {
						if put[n] != there[n] {
							return fmt.Errorf("%d were put on %s and %d are there", put[n], n, there[n])
						}
					}
					return nil
				}},
			}
		},
	}
}

// shop has the bug of the shelf in about every second seed.
const shop = `plan shop
shows "that things are counted"
system shelf
sometimes "two at once"
node a
node b
from 1s to 1.3s draw 5 put
from 1s to 2s draw 2 fault
at 1s..1.2s put a
calm 3s
within 1s counted
`

// shopDesk is a desk with that plan as a file and as a scenario.
func shopDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk()
	d.files["shop.plan"] = shop
	p, err := plan.Parse("shop.plan (embedded)", []byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.FromPlan(p, d.Systems...)
	if err != nil {
		t.Fatal(err)
	}
	d.Scenarios = append(d.Scenarios, s)
	return d
}

// hash is that of a run, as JSON says it.
func (d *desk) hash(t *testing.T, format string, args ...any) string {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	code := d.do("%s", line)
	var r struct{ Hash string }
	if err := json.Unmarshal(d.out.Bytes(), &r); err != nil || r.Hash == "" {
		t.Fatalf("%s: exit code %d, %v:\n%s%s", line, code, err, d.out.String(), d.errs.String())
	}
	return r.Hash
}

func TestAMistakeInAPlanHasItsPlaceAndNothingIsPlayed(t *testing.T) {
	head := "plan p\nsystem shelf\nnode a\n"
	for lines, want := range map[string]string{
		"at 1s putt a\n":                     `p.plan:4:7: there is no verb "putt"; did you mean put?`,
		"at 1s put b\n":                      `p.plan:4:11: there is no node "b"`,
		"at -1s put a\n":                     `p.plan:4:4: `,
		"at 1s for -2s crash a\n":            `p.plan:4:11: `,
		"at 5s crash a\ncalm 4s\n":           `p.plan:4:4: crash: a fault after the end`,
		"at 3s for 2s crash a\ncalm 4s\n":    `p.plan:4:11: crash: it can last until 5s`,
		"at 1s put a\nwithin 1s happiness\n": `p.plan:5:11: there is no verb "happiness"`,
		"set takes=soon\n":                   `p.plan:4:11: takes=soon: want a duration`,
		"at 1s put \"a\n":                    `p.plan:4:11: `,
		"link latency=-5ms\n":                `p.plan:4:14: `,
	} {
		for _, verb := range []string{"run", "sweep", "verify", "view", "plan", "shrink"} {
			d := newDesk()
			d.files["p.plan"] = head + lines
			d.want(t, verb+" p.plan", cli.Usage, "simtest: "+want)
			if d.out.Len() > 0 || len(d.files) > 1 {
				t.Errorf("%s: something was played:\n%s", verb, d.out.String())
			}
		}
	}
	d := newDesk()
	d.want(t, "run none.plan", cli.Usage, "open none.plan")
	d.want(t, "run plans/none", cli.Usage, "open plans/none")
	d.files["p.plan"] = "plan p\nsystem tea\n"
	d.want(t, "run p.plan", cli.Usage, `p.plan: there is no system "tea"`)
}

func TestAFileWithAPlanIsPlayedLikeAScenario(t *testing.T) {
	d := shopDesk(t)
	for seed := range 4 {
		if a, b := d.hash(t, "run shop --seed %d --json", seed), d.hash(t, "run shop.plan --seed %d --json", seed); a != b {
			t.Errorf("seed %d: the scenario has hash %s, and its file %s", seed, a, b)
		}
	}
	d.want(t, "verify shop.plan --seeds 2", cli.Held, "shop")
	d.want(t, "run shop.plan --set takes=0s", cli.Held, "takes=0s")
	d.want(t, "run shop.plan --set takes=x", cli.Usage, "takes=x: want a duration")
}

func TestAPlanThatIsPrintedPlaysTheSameRun(t *testing.T) {
	d := shopDesk(t)
	for seed := range 8 {
		d.want(t, fmt.Sprintf("plan shop --seed %d", seed), cli.Held, "plan shop")
		if text := d.out.String(); strings.Contains(text, "draw") || strings.Contains(text, "..") {
			t.Errorf("seed %d: it is not drawn:\n%s", seed, text)
		}
		d.files["printed.plan"] = d.out.String()
		if a, b := d.hash(t, "run shop --seed %d --json", seed), d.hash(t, "run printed.plan --seed %d --json", seed); a != b {
			t.Errorf("seed %d: the scenario has hash %s, and the plan that is printed of it %s", seed, a, b)
		}
	}
	d.want(t, "plan shop --seed 3 --set takes=7ms", cli.Held, "set takes=7ms")
	d.want(t, "plan shop --seed 3 --set tokes=7ms", cli.Usage, "it has takes")
}

func TestAPlanWithoutASeedIsPrintedAsItWasWritten(t *testing.T) {
	d := shopDesk(t)
	d.want(t, "plan shop", cli.Held)
	if d.out.String() != shop {
		t.Errorf("printed is\n%s", d.out.String())
	}
	d.want(t, "plan shop --set takes=1s", cli.Held, "set takes=1s", "draw 5 put")
	d.want(t, "plan shop --seed 0", cli.Held)
	if strings.Contains(d.out.String(), "draw") {
		t.Errorf("seed 0 draws nothing:\n%s", d.out.String())
	}
}

func TestANewPlanCanBePlayedAndReplacesNone(t *testing.T) {
	d := newDesk()
	d.want(t, "new first", cli.Held, "simtest run first.plan")
	d.want(t, "run first.plan", cli.Held, "first  seed 1  held")
	d.files["first.plan"] += "# edited\n"
	for _, name := range []string{"first", "first.plan"} {
		d.want(t, "new "+name, cli.Usage, "first.plan is there already")
	}
	if !strings.Contains(d.files["first.plan"], "# edited") {
		t.Error("it was overwritten")
	}
	d.want(t, "new nowhere/x", cli.Usage, "nowhere/x.plan")
	d.want(t, "new plans/second", cli.Held, "plans/second.plan")
	d.want(t, "run plans/second.plan", cli.Held, "second  seed 1  held")
	d.ReadFile = func(name string) ([]byte, error) { return nil, fmt.Errorf("open %s: permission denied", name) }
	d.want(t, "new third", cli.Usage, "permission denied")
	d.Systems = nil
	d.want(t, "new fourth", cli.Usage, "no system")
}

// failed is the first seed of the shop that fails, and its failure file.
func failed(t *testing.T, d *desk) (seed int, file string) {
	t.Helper()
	if code := d.do("sweep shop --seeds 20 --out out --json"); code != cli.Violated {
		t.Fatalf("exit code %d:\n%s%s", code, d.out.String(), d.errs.String())
	}
	var w struct {
		Failures []struct {
			File string
			Seed int
		}
	}
	if err := json.Unmarshal(d.out.Bytes(), &w); err != nil || len(w.Failures) == 0 || d.files[w.Failures[0].File] == "" {
		t.Fatalf("%v: %+v", err, w)
	}
	return w.Failures[0].Seed, w.Failures[0].File
}

func TestShrinkingLeavesWhatIsNeededToFail(t *testing.T) {
	d := shopDesk(t)
	_, file := failed(t, d)
	small := strings.TrimSuffix(file, ".json") + ".small.json"
	d.want(t, "shrink "+file, cli.Held, "before: ", "after:  ", small, "without any one of its lines")
	// Two at once, and one until which the demand waits.
	if n := strings.Count(d.files[strings.TrimSuffix(small, ".json")+".plan"], " put "); n > 3 {
		t.Errorf("three puts are enough, and there are %d:\n%s", n, d.out.String())
	}
	d.want(t, "replay "+small, cli.Violated, "the same failure, decision by decision")
	d.want(t, "shrink "+file+" -o s.json --json --seeds 2 --jobs 1", cli.Held, `"file":"s.json"`)
	d.want(t, "replay s.json", cli.Violated, "decision by decision")
	d.want(t, "view s.json", cli.Held, "VIOLATED: counted")
	d.want(t, "shrink "+file+" -o nowhere/s.json", cli.Usage, "nowhere/s.json")
}

func TestShrinkingAPlanTakesASeed(t *testing.T) {
	d := shopDesk(t)
	seed, _ := failed(t, d)
	d.want(t, fmt.Sprintf("shrink shop.plan --seed %d", seed), cli.Held, "shop.small.json", "shop.small.plan")
	d.files["calm.plan"] = "plan calm\nsystem shelf\nnode a\nat 1s put a\nwithin 1s counted\n"
	d.want(t, "shrink calm.plan", cli.Usage, "the run holds")
}

func TestWhatDoesNotFailLikeItsFileIsNotShrunk(t *testing.T) {
	d := shopDesk(t)
	_, file := failed(t, d)
	d.files["other.json"] = strings.Replace(d.files[file], `"counted: `, `"uncounted: `, 1)
	d.want(t, "shrink other.json", cli.Usage, "does not fail like that any more")
	if d.do("sweep bad --seeds 1 --out out"); d.files["out/bad-1.json"] == "" {
		t.Fatal("no file")
	}
	d.want(t, "shrink out/bad-1.json", cli.Usage, "told in Go")
}

func TestTheLineThatPlaysAFailureAgainDoes(t *testing.T) {
	again := regexp.MustCompile(`again: +simtest (.*)`)
	for _, line := range []string{
		"shop", "shop.plan", "shop --strategy fifo", "shop --strategy urw", "shop --strategy pct:3", "shop --set takes=30ms",
	} {
		d := shopDesk(t)
		if code := d.do("sweep %s --seeds 20", line); code != cli.Violated {
			t.Fatalf("%s: exit code %d:\n%s%s", line, code, d.out.String(), d.errs.String())
		}
		m := again.FindStringSubmatch(d.out.String())
		if m == nil {
			t.Fatalf("%s: no line says how to play it again:\n%s", line, d.out.String())
		}
		d.want(t, m[1], cli.Violated, "property:  counted", "simtest "+m[1])
	}
}
