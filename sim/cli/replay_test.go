package cli_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/scenario"
)

func TestReplaySaysHowTheRunRelatesToItsFile(t *testing.T) {
	d := shopDesk(t)
	_, file := failed(t, d)
	whole := d.files[file]
	edit := func(expr, with string) string {
		text := regexp.MustCompile(expr).ReplaceAllString(whole, with)
		if text == whole {
			t.Fatalf("%s is not in\n%s", expr, whole)
		}
		d.files["x.json"] = text
		return "replay x.json"
	}
	d.want(t, "replay "+file, cli.Violated, "the same failure, decision by decision", "simtest replay "+file)
	d.want(t, "replay "+file+" --json", cli.Violated, `"property":"counted"`)
	d.want(t, "replay "+file+" --trace --kinds fault", cli.Violated, " fault ")
	d.want(t, "replay "+file+" --kinds fault", cli.Usage, "--trace")

	// As if the code had changed.
	d.want(t, edit(`\n "hash": "[0-9a-f]+"`, "\n \"hash\": \"0123456789abcdef\""), cli.Violated, "the same failure by another path: it diverged, and is too short")
	d.want(t, edit(`"counted: `, `"uncounted: `), cli.Violated, "another failure; with version v0 it was: uncounted: ")
	d.want(t, edit(`"within 1s counted"`, `"within 1s answered"`), cli.Held, "it holds now; with version v0 it was: counted: ")

	// As if somebody had been at it.
	d.want(t, edit(`^\{`, `[`), cli.Usage, "x.json is no failure file")
	d.want(t, edit(`"signature": ".*",`, ``), cli.Usage, "x.json is no failure file")
	d.want(t, edit(`"seed": [0-9]+`, `"seed": "seven"`), cli.Usage, "x.json is no failure file")
	d.want(t, edit(`"at [0-9a-z.]+ put `, `"at 1s putt `), cli.Usage, "x.json (its plan):", `there is no verb "putt"; did you mean put?`)
	d.want(t, edit(`"system shelf"`, `"system tea"`), cli.Usage, `there is no system "tea"`)
	d.want(t, edit(`"strategy": "random"`, `"strategy": "luck"`), cli.Usage, `x.json: there is no strategy "luck"`)
	d.want(t, edit(`  "director/`, `  "director-`), cli.Usage, "x.json: decision 1: ")
	d.files["x.json"] = strings.Repeat(" ", 10)
	d.want(t, "replay x.json", cli.Usage, "x.json is no failure file")
	d.want(t, "replay out/sweep-shop-0-of-1.json", cli.Usage, "is no failure file")
	d.want(t, "replay shop.plan", cli.Usage, "is no failure file")
}

func TestReplayFindsAFailureByItsDecisionsWhenItsSeedLeadsElsewhere(t *testing.T) {
	d := newDesk()
	d.Scenarios = []*scenario.Scenario{race()}
	w := d.sweep(t, "sweep race --seeds 20 --out out", cli.Violated)[0]
	fails := w.Failures[0].Seeds
	if w.Held == 0 {
		t.Fatal("every order loses a count")
	}
	other := uint64(1)
	for slices.Contains(fails, other) {
		other++
	}
	d.files["x.json"] = strings.Replace(d.files[w.Failures[0].File], fmt.Sprintf(`"seed": %d,`, w.Failures[0].Seed), fmt.Sprintf(`"seed": %d,`, other), 1)
	d.want(t, fmt.Sprintf("run race --seed %d", other), cli.Held)
	d.want(t, "replay x.json", cli.Violated, "the same failure, by ", " decisions: the code has changed since version v0")
}

func TestAFailureOfAStoryInGoCanBePlayedAgain(t *testing.T) {
	d := newDesk()
	d.want(t, "sweep sometimes --seeds 3 --out out", cli.Violated)
	d.want(t, "replay out/sometimes-3.json", cli.Violated, "decision by decision", "simtest run sometimes --seed 3")
	d.Scenarios = d.Scenarios[:1]
	d.want(t, "replay out/sometimes-3.json", cli.Usage, `out/sometimes-3.json: there is no scenario "sometimes"`)
}

func TestARunIsDrawnInThreeFormats(t *testing.T) {
	d := shopDesk(t)
	_, file := failed(t, d)
	for format, want := range map[string]struct{ ending, begins string }{
		"html": {".html", "<!doctype html>"}, "perfetto": {".trace.json", "{"}, "jsonl": {".jsonl", `{"format":"macula-trace"`},
	} {
		d.want(t, "view "+file+" --format "+format, cli.Held, "VIOLATED: counted", "decisions of 4 machines")
		name := strings.TrimSuffix(strings.TrimPrefix(file, "out/"), ".json") + want.ending
		if !strings.HasPrefix(d.files[name], want.begins) {
			t.Errorf("%s begins with %.40q", name, d.files[name])
		}
		if format == "perfetto" && !json.Valid([]byte(d.files[name])) {
			t.Error("no JSON")
		}
		d.want(t, "view shop.plan --seed 2 --format "+format+" -o -", cli.Held)
		if !strings.HasPrefix(d.out.String(), want.begins) || strings.Contains(d.out.String(), "decisions of") {
			t.Errorf("standard output begins with %.40q", d.out.String())
		}
	}
	d.want(t, "view shop --set takes=1ms --seed 3 --strategy fifo -o x.html", cli.Held, "x.html: ")
	d.want(t, "view shop --records 10 -o x.html", cli.Held, "x.html: ", "are left out (--records keeps more)")
	d.want(t, "view "+file+" --seed 7", cli.Usage, "has its own seed")
	d.want(t, "view "+file+" --set takes=1ms", cli.Usage, "has its own seed")
	d.want(t, "view "+file+" --strategy fifo", cli.Usage, "has its own seed")
	d.want(t, "view shop --set tokes=1ms", cli.Usage, "it has takes")
	d.want(t, "view shop --strategy luck", cli.Usage, "luck")
	d.want(t, "view out/sweep-shop-0-of-1.json", cli.Usage, "no failure file")
}

func TestDiffFindsWhereTwoRunsPart(t *testing.T) {
	d := shopDesk(t)
	d.want(t, "run shop --seed 2 --trace a", d.do("run shop --seed 2"))
	d.want(t, "view shop.plan --seed 2 --format jsonl -o b", cli.Held)
	d.want(t, "view shop --seed 2 --set takes=21ms --format jsonl -o c", cli.Held)
	d.want(t, "diff a b", cli.Held, "the traces are the same: ")
	d.want(t, "diff a c", cli.Violated, "a is a, b is c\nthey part at decision ")
	d.files["d"] = d.files["a"][:len(d.files["a"])/2]
	d.want(t, "diff a d", cli.Usage, "d: ", "line ")
	d.want(t, "diff a shop.plan", cli.Usage, "shop.plan: ")
	d.want(t, "diff a nowhere", cli.Usage, "open nowhere")
}
