package cli

import (
	"encoding/xml"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

type mergeCmd struct {
	Dirs     []string `arg:"" help:"Folders that sweep --out wrote to, of all shards."`
	JUnit    string   `help:"Write a JUnit report." name:"junit" placeholder:"FILE"`
	Coverage bool     `help:"Print in how many runs each fault met each property."`
	JSON     bool     `help:"Print JSON." name:"json"`
}

// Run puts the books of shards together and reports as one sweep would.
func (c *mergeCmd) Run(a *App) error {
	var all []*swept
	for _, dir := range c.Dirs {
		files, err := a.ListDir(dir)
		if err != nil {
			return err
		}
		found := 0
		for _, name := range files {
			if !isBooks(name) {
				continue
			}
			found++
			w, err := a.readBooks(dir, name)
			if err != nil {
				return err
			}
			if all, err = join(all, w, path.Join(dir, name)); err != nil {
				return err
			}
		}
		if found == 0 {
			return fmt.Errorf("%s holds no books of a sweep; sweep --out=%s writes them", dir, dir)
		}
	}
	return c.report(a, all)
}

// join adds a shard to the sweep that it is part of.
func join(all []*swept, w *swept, file string) ([]*swept, error) {
	for _, m := range all {
		if m.Scenario != w.Scenario {
			continue
		}
		if why := m.differs(w); why != "" {
			return nil, fmt.Errorf("%s is from a sweep with another %s", file, why)
		}
		if m.shards != w.Shards {
			return nil, fmt.Errorf("%s is one of %d shards, the others are of %d", file, w.Shards, m.shards)
		}
		if slices.Contains(m.have, w.Shard) {
			return nil, fmt.Errorf("%s: shard %d of %s is there twice", file, w.Shard, w.Scenario)
		}
		m.have = append(m.have, w.Shard)
		m.merge(w)
		return all, nil
	}
	m := newSwept(w.Scenario, w.From, w.Total, 0, 1)
	m.Version, m.Strategy, m.Set, m.Plan, m.Sometimes, m.Complete = w.Version, w.Strategy, w.Set, w.Plan, w.Sometimes, w.Complete
	if _, ok := exhaustive(w.Strategy); ok {
		m.Of = w.Of // schedules, and they have no shards
	}
	m.shards, m.have = w.Shards, []int{w.Shard}
	m.merge(w)
	return append(all, m), nil
}

// merge adds what a shard has played.
func (w *swept) merge(o *swept) {
	w.Seeds += o.Seeds
	w.Held += o.Held
	maps.Copy(w.hashes, o.hashes)
	w.Paths = len(w.hashes)
	w.Events += o.Events
	w.Simulated += o.Simulated
	w.NodeTime += o.NodeTime
	w.Took = max(w.Took, o.Took) // they ran beside each other
	for name, n := range o.Marks {
		w.Marks[name] += n
	}
	for name, n := range o.Checks {
		w.Checks[name] += n
	}
	for _, c := range o.Coverage {
		i := slices.IndexFunc(w.Coverage, func(x covered) bool { return x.Fault == c.Fault && x.Property == c.Property })
		if i < 0 {
			w.Coverage = append(w.Coverage, c)
			continue
		}
		w.Coverage[i].Runs += c.Runs
		w.Coverage[i].Violated += c.Violated
	}
	for _, g := range o.Failures {
		i := slices.IndexFunc(w.Failures, func(x group) bool { return x.Signature == g.Signature })
		if i < 0 {
			w.Failures = append(w.Failures, g)
			continue
		}
		old := &w.Failures[i]
		seeds, internal := append(old.Seeds, g.Seeds...), old.Internal || g.Internal
		if old.shorter(g.Events, g.Seed) {
			*old = g
		}
		old.Seeds, old.Internal = seeds, internal
	}
}

// missing says what a sweep that was put together lacks, or nothing.
func (w *swept) missing() string {
	if len(w.have) < w.shards {
		var gone []string
		for i := 0; i < w.shards && len(gone) < 20; i++ {
			if !slices.Contains(w.have, i) {
				gone = append(gone, fmt.Sprint(i))
			}
		}
		return fmt.Sprintf("%d of %d shards are there; missing: %s", len(w.have), w.shards, strings.Join(gone, ", "))
	}
	if w.Seeds < w.Of {
		return fmt.Sprintf("%d of %d seeds were played; run the same sweep with the same --out again", w.Seeds, w.Of)
	}
	return ""
}

// report prints the merged sweeps.
func (c *mergeCmd) report(a *App, all []*swept) error {
	worst := Held
	for _, w := range all {
		w.settle(a)
		if w.lacks = w.missing(); w.lacks != "" {
			fmt.Fprintf(a.Stderr, "%s: %s: %s\n", a.Name, w.Scenario, w.lacks)
			worst = max(worst, Internal)
		}
		if c.JSON {
			if err := writeJSON(a.Stdout, w); err != nil {
				return err
			}
		} else {
			a.printSwept(w, c.Coverage)
		}
		worst = max(worst, w.code())
	}
	if err := a.writeJUnit(c.JUnit, all); err != nil {
		return err
	}
	if worst != Held {
		return outcome(worst)
	}
	return nil
}

// writeJUnit writes a report, if there is a name for it.
func (a *App) writeJUnit(name string, all []*swept) error {
	if name == "" {
		return nil
	}
	if err := a.WriteFile(name, junit(all)); err != nil {
		return fmt.Errorf("--junit=%s: %w", name, err)
	}
	return nil
}

// The elements of a JUnit report, as far as CI systems read them.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit has a suite for each scenario and in it a case for each property: what
// held, what was violated, what was never met, and what was not played.
func junit(all []*swept) []byte {
	out := junitSuites{}
	for _, w := range all {
		s := junitSuite{Name: w.Scenario, Time: fmt.Sprintf("%.3f", time.Duration(w.Took).Seconds())}
		add := func(name string, f *junitFailure) {
			s.Tests++
			if f != nil {
				s.Failures++
			}
			s.Cases = append(s.Cases, junitCase{Name: name, Class: w.Scenario, Failure: f})
		}
		for _, name := range sortedKeys(w.Checks) {
			if !slices.ContainsFunc(w.Failures, func(g group) bool { return g.Property == name }) {
				add(name, nil)
			}
		}
		for _, g := range w.Failures {
			add(g.Property, &junitFailure{Message: g.Signature, Text: fmt.Sprintf("in %d of %d seeds; again: %s", len(g.Seeds), w.Seeds, g.Again)})
		}
		for _, name := range w.Missed {
			add("sometimes: "+name, &junitFailure{Message: fmt.Sprintf("was met in none of %d seeds", w.Seeds)})
		}
		if w.lacks != "" {
			add("every seed was played", &junitFailure{Message: w.lacks})
		}
		out.Suites = append(out.Suites, s)
	}
	data, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		panic(err) // of strings and numbers
	}
	return append([]byte(xml.Header), append(data, '\n')...)
}

func sortedKeys(m map[string]uint64) []string { return slices.Sorted(maps.Keys(m)) }
