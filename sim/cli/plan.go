package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

type planCmd struct {
	Scenario string            `arg:"" optional:"" help:"Name of a scenario, or a file with a plan."`
	Seed     *uint64           `help:"The seed; without it the plan is printed as it was written, with what it leaves open."`
	Set      map[string]string `help:"Set a parameter: --set cap=100." placeholder:"KEY=VALUE"`
	Verbs    string            `help:"Instead: what a plan for this system may say." placeholder:"SYSTEM"`
	JSON     bool              `help:"Print JSON." name:"json"`
}

// Run prints a plan, or a vocabulary.
func (c *planCmd) Run(a *App) error {
	if c.Verbs != "" {
		if c.Scenario != "" || c.Seed != nil || len(c.Set) > 0 {
			return fmt.Errorf("--verbs=%s: that is all to say; a scenario, its seed and parameters are for printing a plan", c.Verbs)
		}
		for _, y := range a.Systems {
			if y.Name == c.Verbs {
				if c.JSON {
					return writeJSON(a.Stdout, verbsJSON(y))
				}
				return printVerbs(a.Stdout, y)
			}
		}
		return fmt.Errorf("there is no system %q; there are %s", c.Verbs, systemNames(a.Systems))
	}
	if c.Scenario == "" {
		return fmt.Errorf("plan: name a scenario, or a system with --verbs")
	}
	s, err := a.find(c.Scenario)
	if err != nil {
		return err
	}
	if s.Plan == nil {
		return fmt.Errorf("the scenario %s is told in Go, not in a plan", s.Name)
	}
	if _, err := s.Settings(c.Set); err != nil {
		return err
	}
	p := s.Plan.Clone()
	if c.Seed != nil {
		if p, err = s.Draw(*c.Seed, c.Set); err != nil {
			return err
		}
	} else {
		for _, name := range slices.Sorted(maps.Keys(c.Set)) {
			p.Set(name, c.Set[name])
		}
	}
	if c.JSON {
		return writeJSON(a.Stdout, planJSON{s.Name, s.System.Name, strings.Split(strings.TrimSuffix(p.String(), "\n"), "\n")})
	}
	_, err = io.WriteString(a.Stdout, p.String())
	return err
}

type planJSON struct {
	Scenario string   `json:"scenario"`
	System   string   `json:"system"`
	Plan     []string `json:"plan"`
}

type verbJSON struct {
	Name  string `json:"name"`
	Use   string `json:"use"` // head, fault, request or demand
	Usage string `json:"usage"`
	Doc   string `json:"doc"`
}

// verbsJSON is what a plan for a system may say.
func verbsJSON(y *scenario.System) []verbJSON {
	out := []verbJSON{}
	voc := y.Vocabulary()
	for i := range voc.Verbs {
		v := &voc.Verbs[i]
		use := [...]string{plan.Head: "head", plan.Fault: "fault", plan.Request: "request", plan.Demand: "demand"}[v.Use]
		out = append(out, verbJSON{v.Name, use, v.Usage(), v.Doc})
	}
	return out
}

func systemNames(systems []*scenario.System) string {
	var names []string
	for _, y := range systems {
		names = append(names, y.Name)
	}
	return strings.Join(names, ", ")
}

// printVerbs lists what a plan for a system may say.
func printVerbs(out io.Writer, y *scenario.System) error {
	var b strings.Builder
	fmt.Fprintf(&b, "system %s: %s\n", y.Name, y.Shows)
	voc := y.Vocabulary()
	for _, group := range []struct {
		title string
		use   plan.Use
	}{{"about the plan", plan.Head}, {"faults", plan.Fault}, {"requests", plan.Request}, {"demands of the second phase", plan.Demand}} {
		fmt.Fprintf(&b, "\n%s:\n", group.title)
		for i := range voc.Verbs {
			v := &voc.Verbs[i]
			if v.Use != group.use {
				continue
			}
			fmt.Fprintf(&b, "  %s\n      %s\n", v.Usage(), v.Doc)
			for _, f := range v.Pairs {
				if f.Doc != "" {
					fmt.Fprintf(&b, "      %s=: %s\n", f.Name, f.Doc)
				}
			}
		}
	}
	if len(y.Params) > 0 {
		fmt.Fprintf(&b, "\nset KEY=VALUE:\n")
		for _, p := range y.Params {
			fmt.Fprintf(&b, "  %s=%s: %s\n", p.Name, p.Default, p.Doc)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

type newCmd struct {
	Name   string `arg:"" help:"Of the plan; the file is NAME.plan."`
	System string `help:"What it is for; the first system of the program." placeholder:"NAME"`
	JSON   bool   `help:"Print JSON." name:"json"`
}

// Run writes a first plan, which can be played as it is.
func (c *newCmd) Run(a *App) error {
	if len(a.Systems) == 0 {
		return fmt.Errorf("%s has no system that a plan could be written for", a.Name)
	}
	y := a.Systems[0]
	if c.System != "" {
		y = nil
		for _, z := range a.Systems {
			if z.Name == c.System {
				y = z
			}
		}
		if y == nil {
			return fmt.Errorf("there is no system %q; there are %s", c.System, systemNames(a.Systems))
		}
	}
	file := strings.TrimSuffix(c.Name, ".plan") + ".plan"
	name := strings.TrimSuffix(path.Base(file), ".plan")
	switch _, err := a.ReadFile(file); {
	case err == nil:
		return fmt.Errorf("%s is there already; choose another name", file)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	text := firstPlan(name, y)
	p, err := plan.Parse(file, []byte(text))
	var made *scenario.Scenario
	if err == nil {
		made, err = scenario.FromPlan(p, a.Systems...)
	}
	var bad *plan.Error
	if errors.As(err, &bad) && bad.Pos.Line == 1 || err == nil && made.Name != name {
		return fmt.Errorf("%q cannot be the name of a plan: want a word without spaces, quotes, # and =", name)
	}
	if err != nil {
		return err
	}
	if err := a.WriteFile(file, []byte(text)); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(a.Stdout, map[string]string{"file": file, "system": y.Name})
	}
	fmt.Fprintf(a.Stdout, "%s is written: edit it, and play it with\n  %s run %s\n  %s sweep %s --seeds 100\nWhat it may say: %s plan --verbs %s\n", file, a.command(), file, a.command(), file, a.command(), y.Name)
	return nil
}

// firstPlan is a plan that can be played, from the system's own example or
// from its verbs.
func firstPlan(name string, y *scenario.System) string {
	head := fmt.Sprintf("plan %s\nshows \"say here in one line what this is to show\"\nsystem %s\n\n", name, y.Name)
	if y.Example != "" {
		return head + y.Example
	}
	return head
}
