// Package cli is simrun as a library: a program that has scenarios of its own
// hands them to Main and has all the verbs.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/cli/numbers"
	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// Exit codes of Main.
const (
	Held             = 0 // every property held
	Violated         = 1 // a property was violated
	Usage            = 2 // the command line, a plan, or a file that they name is wrong
	NotDeterministic = 3 // two runs of one seed differ
	Internal         = 4 // a panic in what is simulated, a task that does not yield, an interrupt, shards that are missing, a full disk
)

// App is a program of scenarios.
type App struct {
	Name      string
	Command   string // how it was called, for commands to be pasted; empty is Name
	About     string // one line
	Version   string
	Scenarios []*scenario.Scenario
	Systems   []*scenario.System // what plans of the user's own can be written for
	Stdout    io.Writer
	Stderr    io.Writer
	Now       func() time.Time      // the real clock, for speeds
	Procs     func(n int, f func()) // runs f at that GOMAXPROCS; nil leaves it as it is
	// MakeDir, for sweep --out, and WriteFile say by fs.ErrNotExist,
	// fs.ErrPermission, fs.ErrExist or fs.ErrInvalid that it is the name that is
	// wrong; another error is the disk's.
	MakeDir   func(name string) error
	WriteFile func(name string, data []byte) error
	ReadFile  func(name string) ([]byte, error)
	ListDir   func(name string) ([]string, error)           // names in a folder, sorted; for merge
	Progress  func(scenario string, done, of, failures int) // of a sweep, after each run; over when done is of; may be nil
	// Watch puts a watchdog of the real clock beside a world; may be nil. It
	// calls stuck for a task that does not yield, and then ends the program: such
	// a task cannot be ended from outside.
	Watch func(w *sim.World, stuck func(host.Stuck)) (stop func())
	// Live makes a world in real time, whose machines log to log; nil when the
	// program has none.
	Live func(seed uint64, log *slog.Logger) LiveWorld
}

// grammar is the command line.
type grammar struct {
	List    listCmd    `cmd:"" help:"List the scenarios and what each of them shows."`
	Run     runCmd     `cmd:"" help:"Play one seed of a scenario and print what it showed."`
	Sweep   sweepCmd   `cmd:"" help:"Play many seeds, group what fails, and count what was met."`
	Merge   mergeCmd   `cmd:"" help:"Put the shards of a sweep together."`
	Replay  replayCmd  `cmd:"" help:"Play the run of a failure file again."`
	Shrink  shrinkCmd  `cmd:"" help:"Make a failing run small: fewer lines, nodes and switches, the same failure."`
	Verify  verifyCmd  `cmd:"" help:"Check that seeds give the same run every time; name the first event that differs."`
	View    viewCmd    `cmd:"" help:"Draw a run as one HTML page, or write it for Perfetto or as JSON lines."`
	Diff    diffCmd    `cmd:"" help:"Find the first event in which two traces differ."`
	Live    liveCmd    `cmd:"" help:"Play a scenario on the system clock and over real connections on this machine."`
	Plan    planCmd    `cmd:"" help:"Print the plan that a seed of a scenario plays, or what plans may say."`
	New     newCmd     `cmd:"" help:"Write a first plan to edit."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// exit is how a command ends the program from within kong.
type exit int

// Main runs the command line and returns the exit code. It blocks until the
// command has ended; ctx ends long ones early, with what they have.
func (a *App) Main(ctx context.Context, args []string) int {
	b, out := *a, &sticky{w: a.Stdout}
	b.Stdout = out
	b.MakeDir = func(name string) error { return writing(a.MakeDir(name)) }
	b.WriteFile = func(name string, data []byte) error { return writing(a.WriteFile(name, data)) }
	code := b.run(ctx, args)
	if code == Held && out.err != nil {
		fmt.Fprintf(a.Stderr, "%s: %v\n", a.Name, out.err)
		return Internal
	}
	return code
}

func (a *App) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if e := recover(); e != nil {
			c, ok := e.(exit)
			if !ok {
				panic(e)
			}
			code = int(c)
		}
	}()
	var g grammar
	parser, err := kong.New(&g, append(numbers.Mappers(),
		kong.Name(a.Name), kong.Description(a.about()), kong.Writers(a.Stdout, a.Stderr),
		kong.Exit(func(c int) { panic(exit(c)) }), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)...)
	if err != nil {
		panic(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(numbers.Join(args))
	if err != nil {
		fmt.Fprintf(a.Stderr, "%s: %v (%s --help lists the commands)\n", a.Name, err, a.Name)
		return Usage
	}
	k.Bind(a)
	k.BindTo(ctx, (*context.Context)(nil))
	err = k.Run()
	var out outcome
	var disk diskError
	switch {
	case err == nil:
		return Held
	case errors.As(err, &out):
		return int(out)
	case errors.As(err, &disk):
		code = Internal
	default:
		code = Usage
	}
	fmt.Fprintf(a.Stderr, "%s: %v\n", a.Name, err)
	return code
}

// diskError is of what could not be written although its name is right.
type diskError struct{ error }

// Unwrap returns the cause.
func (d diskError) Unwrap() error { return d.error }

// writing marks an error that is the disk's.
func writing(err error) error {
	if err == nil {
		return nil
	}
	for _, name := range []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrExist, fs.ErrInvalid} {
		if errors.Is(err, name) {
			return err
		}
	}
	return diskError{err}
}

func (a *App) about() string {
	return a.About + "\n\nExit codes: 0 held, 1 a property was violated, 2 usage, 3 not deterministic, 4 internal error, stuck task, interrupted, shards missing, or a full disk."
}

// sticky is a writer that remembers its first error: a command that prints to
// a full disk has failed.
type sticky struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (s *sticky) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err == nil {
		return n, nil
	}
	if s.err == nil {
		s.err = err
	}
	return n, diskError{err}
}

// progressOver says that there is no more progress, before a report.
func (a *App) progressOver() {
	if a.Progress != nil {
		a.Progress("", 1, 1, 0)
	}
}

// outcome is an exit code that was explained already.
type outcome int

func (o outcome) Error() string { return fmt.Sprintf("exit code %d", int(o)) }

// command is how the program was called.
func (a *App) command() string {
	if a.Command != "" {
		return a.Command
	}
	return a.Name
}

// isPlan reports whether a name is that of a file with a plan: not of a
// scenario, and not of a failure file.
func isPlan(name string) bool {
	return strings.HasSuffix(name, ".plan") || strings.Contains(name, "/") && !strings.HasSuffix(name, ".json")
}

// find returns the scenario of that name, or of the plan in that file, or an
// error that names the nearest.
func (a *App) find(name string) (*scenario.Scenario, error) {
	if isPlan(name) {
		text, err := a.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p, err := plan.Parse(name, text)
		if err != nil {
			return nil, err
		}
		return scenario.FromPlan(p, a.Systems...)
	}
	if name != "" && len(a.group(name)) > 0 {
		return nil, fmt.Errorf("%q is a group of scenarios, and this takes one; %s list %s shows them", name, a.command(), name)
	}
	var names []string
	var begin []*scenario.Scenario // with that number
	for _, s := range a.Scenarios {
		if s.Name == name {
			return s, nil
		}
		if strings.HasPrefix(s.Name, name+"-") && s.Group != "" {
			begin = append(begin, s)
		}
		names = append(names, s.Name)
		if s.Group != "" {
			names = append(names, s.Group)
		}
	}
	if len(begin) == 1 {
		return begin[0], nil
	}
	if strings.HasSuffix(name, ".json") {
		return nil, fmt.Errorf("%s is no scenario; replay plays failure files", name)
	}
	if best := plan.Nearest(name, names); best != "" {
		return nil, fmt.Errorf("there is no scenario %.100q; did you mean %s?", name, best)
	}
	list := a.Name + " list"
	if i := slices.IndexFunc(a.Scenarios, func(s *scenario.Scenario) bool { return s.Group != "" }); i >= 0 {
		return nil, fmt.Errorf("there is no scenario %.100q; %s and %s %s show them", name, list, list, a.Scenarios[i].Group)
	}
	return nil, fmt.Errorf("there is no scenario %.100q; %s shows them", name, list)
}

// chosen returns the scenarios of a name: those of a group for the group's, and
// all for "all".
func (a *App) chosen(name string) ([]*scenario.Scenario, error) {
	if name == "all" {
		return a.Scenarios, nil
	}
	if name == "" {
		return nil, fmt.Errorf("no scenario is named; \"all\" is for all of them")
	}
	if group := a.group(name); len(group) > 0 {
		return group, nil
	}
	s, err := a.find(name)
	return []*scenario.Scenario{s}, err
}

// group is the scenarios of a group; those in none for the empty name.
func (a *App) group(name string) []*scenario.Scenario {
	var out []*scenario.Scenario
	for _, s := range a.Scenarios {
		if s.Group == name {
			out = append(out, s)
		}
	}
	return out
}

type listCmd struct {
	Scenario string `arg:"" optional:"" help:"Name of a scenario or of a group: say all there is to say of these."`
	JSON     bool   `help:"Print JSON." name:"json"`
}

// Run prints the scenarios with their parameters, and of groups how many there
// are.
func (c *listCmd) Run(a *App) error {
	list := a.Scenarios
	if c.Scenario != "" {
		var err error
		if list, err = a.chosen(c.Scenario); err != nil {
			return err
		}
	}
	if c.JSON {
		return writeJSON(a.Stdout, listed(list))
	}
	var groups []string
	for _, s := range list {
		if s.Group != "" && c.Scenario == "" {
			if !slices.Contains(groups, s.Group) {
				groups = append(groups, s.Group)
			}
			continue
		}
		a.introduce(s)
	}
	for _, g := range groups {
		fmt.Fprintf(a.Stdout, "%-16s a group of %d scenarios; \"%s list %s\" shows them\n", g, len(a.group(g)), a.command(), g)
	}
	return nil
}

// introduce prints what a scenario is.
func (a *App) introduce(s *scenario.Scenario) {
	fmt.Fprintf(a.Stdout, "%-16s %s\n", s.Name, s.Shows)
	more := func(key, text string) {
		if text != "" {
			fmt.Fprintf(a.Stdout, "%16s   %s: %s\n", "", key, text)
		}
	}
	more("trigger", s.Trigger)
	more("invariant", s.Invariant)
	for _, url := range s.Sources {
		more("source", url)
	}
	for _, p := range s.Params {
		more(fmt.Sprintf("--set %s=%s", p.Name, p.Default), p.Doc)
	}
	if len(s.Live) > 0 {
		more("live", strings.TrimSpace(settings(s.Live)))
	}
}

// settings are values of parameters in a line.
func settings(set map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&b, " %s=%s", name, set[name])
	}
	return b.String()
}

type versionCmd struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// Run prints the version.
func (c *versionCmd) Run(a *App) error {
	if c.JSON {
		return writeJSON(a.Stdout, map[string]string{"name": a.Name, "version": strings.TrimSpace(a.Version)})
	}
	fmt.Fprintf(a.Stdout, "%s %s\n", a.Name, strings.TrimSpace(a.Version))
	return nil
}
