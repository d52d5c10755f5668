package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/daemon"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident/keyfile"
	"github.com/maculamesh/macula/sim/cli/numbers"
)

// Main is the command with its world.
type Main struct {
	Args    []string // without the name of the program
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string // as os.Environ has it
	// OwnsProcess says that nothing else of this module runs in the process,
	// so that run may count every goroutine of it that is left.
	OwnsProcess bool

	ctx   context.Context
	flags []config.Value // those given that are settings
}

// The exit codes; docs/OPERATIONS.md has their table. What tells 1 from 2 is
// whether the same again can succeed: the arguments, the configuration, or a
// file or a place that they name, cannot be used until somebody changes it.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
	exitDeadline    = 5
)

// cli is the grammar.
type cli struct {
	Init    initCmd    `cmd:"" group:"Set up and run:" help:"Make a data directory: key and commented configuration."`
	ID      idCmd      `cmd:"" group:"Set up and run:" name:"id" help:"Print the id of the node."`
	Run     runCmd     `cmd:"" group:"Set up and run:" help:"Run the node until it is told to stop."`
	Config  configCmd  `cmd:"" group:"Set up and run:" help:"Check the configuration, or show it with its sources."`
	Reload  reloadCmd  `cmd:"" group:"Set up and run:" help:"Let the running node read its configuration again."`
	Limits  limitsCmd  `cmd:"" group:"Set up and run:" help:"Show the limits of the running node, or change them."`
	Drain   drainCmd   `cmd:"" group:"Set up and run:" help:"Empty the running node: what is in progress finishes."`
	Version versionCmd `cmd:"" group:"Set up and run:" help:"Print the version of this program."`

	Call      callCmd      `cmd:"" group:"Use services:" help:"Call a service by its name."`
	Lookup    lookupCmd    `cmd:"" group:"Use services:" help:"Show who provides a service, and where."`
	Advertise advertiseCmd `cmd:"" group:"Use services:" help:"Provide a service through the running node."`
	Withdraw  withdrawCmd  `cmd:"" group:"Use services:" help:"End a service that advertise has started."`

	Status   statusCmd   `cmd:"" group:"Look at the running node:" help:"Show what the running node holds and has done."`
	Top      topCmd      `cmd:"" group:"Look at the running node:" help:"Watch it: limits, rates, the busiest, the oldest calls."`
	Peers    peersCmd    `cmd:"" group:"Look at the running node:" help:"List the connections to peers, the busiest first."`
	Clients  clientsCmd  `cmd:"" group:"Look at the running node:" help:"List the attached clients, the busiest first."`
	Services servicesCmd `cmd:"" group:"Look at the running node:" help:"List the services that the node knows, by name."`
	Calls    callsCmd    `cmd:"" group:"Look at the running node:" help:"List the calls in flight, the oldest first."`

	Doctor        doctorCmd     `cmd:"" group:"Check and measure:" help:"Check this machine and the configuration, and say what to do."`
	Bench         benchCmd      `cmd:"" group:"Check and measure:" help:"Measure calls on this machine, beside what QUIC itself can do."`
	Loadtest      loadtestCmd   `cmd:"" group:"Check and measure:" help:"Test the limits on this machine, over real connections."`
	SupportBundle bundleCmd     `cmd:"" group:"Check and measure:" help:"Collect what helps to find out what is wrong, no secrets."`
	Completion    completionCmd `cmd:"" group:"Check and measure:" help:"Print a script that completes commands in a shell."`

	LoadtestVictim loadtestVictimCmd `cmd:"" hidden:"" name:"loadtest-victim" help:"A caller for loadtest to kill."`
	Complete       completeCmd       `cmd:"" hidden:"" name:"__complete" passthrough:"" help:"Candidates for the last of some words."`
}

func newCLI() *cli { return &cli{Run: newRunCmd()} }

const description = `A node of the mesh, and the commands to look at it and to use it.

Start: maculanode init; maculanode run. Each command has a --help with examples.

Exit codes: 0 ok, 1 failed, 2 usage, 3 unreachable, 4 refused or overloaded, 5 deadline.`

// Run parses the arguments and runs the command until it is done or ctx ends.
// It returns the exit code; whatever went wrong is one line on Stderr.
func (m *Main) Run(ctx context.Context) int {
	out := &output{Writer: m.Stdout}
	inner := *m
	inner.Stdout = out
	code := inner.run(ctx)
	if code == exitOK && out.err != nil {
		return m.fail(fmt.Errorf("cannot print: %w", out.err))
	}
	return code
}

// output is a writer that remembers its first error: a command that prints to
// a full disk has failed.
type output struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// asFile returns the file that f is, or writes to, if it is one.
func asFile(f any) (*os.File, bool) {
	if o, ok := f.(*output); ok {
		f = o.Writer
	}
	file, ok := f.(*os.File)
	return file, ok
}

func (m *Main) run(ctx context.Context) int {
	m.ctx = ctx
	grammar := newCLI()
	helped := false
	parser, err := kong.New(grammar, append(numbers.Mappers(),
		kong.Name("maculanode"), kong.Description(description), kong.Writers(m.Stdout, m.Stderr),
		kong.Exit(func(int) { panic(helpShown{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}), kong.ValueFormatter(valueHelp),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(durationFlag)),
		kong.Vars{"dir": m.defaultDir()},
	)...)
	if err != nil {
		return m.fail(err) // a bug in the grammar
	}
	kctx, err := m.parse(parser, &helped)
	switch {
	case helped:
		return exitOK
	case err != nil:
		return m.fail(usage(parseHint(err)))
	}
	m.flags = settingFlags(kctx)
	if err := kctx.Run(m); err != nil {
		return m.fail(err)
	}
	return exitOK
}

// durationFlag reads a flag as the configuration reads its durations.
func durationFlag(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := config.Duration(text)
	if err == nil {
		target.SetInt(int64(d))
	}
	return err
}

// valueHelp is the help of a flag with its default behind it.
func valueHelp(v *kong.Value) string {
	if v.Default == "" || v.IsBool() {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + "; default " + v.Default + "."
}

// helpShown unwinds kong, which goes on to parse after --help otherwise.
type helpShown struct{}

func (m *Main) parse(parser *kong.Kong, helped *bool) (kctx *kong.Context, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case helpShown:
			*helped = true
		default:
			panic(p)
		}
	}()
	args := numbers.Join(m.Args, "__complete")
	if len(args) == 0 {
		args = []string{"--help"}
	}
	return parser.Parse(args)
}

// parseHint adds where to read on to a mistake in the arguments.
func parseHint(err error) error {
	command := ""
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Command() != "" {
		for _, word := range strings.Fields(p.Context.Command()) {
			if strings.ContainsAny(word[:1], "<[-") {
				break // an argument
			}
			command += word + " "
		}
	}
	return fmt.Errorf("%w: see \"maculanode %s--help\"", err, command)
}

// settingFlags returns the flags that were given; which of them are settings
// is known to config.
func settingFlags(kctx *kong.Context) []config.Value {
	var out []config.Value
	for _, f := range kctx.Flags() {
		if !f.Set {
			continue
		}
		switch v := f.Target.Interface().(type) {
		case string:
			out = append(out, config.Value{Flag: f.Name, Text: []string{v}})
		case []string:
			out = append(out, config.Value{Flag: f.Name, Text: v})
		case bool:
			out = append(out, config.Value{Flag: f.Name, Text: []string{fmt.Sprint(v)}})
		}
	}
	return out
}

// exitError is an error that knows its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage marks err as a mistake of whoever typed the command.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err}
}

// asUsage is usage for what the node calls invalid.
func asUsage(err error) error {
	if fault.KindOf(err) == fault.Invalid {
		return usage(err)
	}
	return err
}

// pathUsage is usage for what is about the path that was given, and not about
// the disk behind it.
func pathUsage(err error) error {
	if control.BadPath(err) || errors.Is(err, fs.ErrExist) {
		return usage(err)
	}
	return err
}

// ownKey reads a key file.
func ownKey(path string) (ed25519.PrivateKey, error) {
	key, err := keyfile.Load(path)
	if err != nil {
		return nil, usage(daemon.KeyError(path, err))
	}
	return key, nil
}

// fail reports err in one line and returns its exit code.
func (m *Main) fail(err error) int {
	fmt.Fprintf(m.Stderr, "maculanode: %s\n", oneLine(err))
	return exitCode(err)
}

func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(control.Text(err), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	switch fault.KindOf(err) {
	case fault.Unreachable:
		return exitUnreachable
	case fault.Overload, fault.Unauthorized, fault.RealmMismatch, fault.Draining, fault.Version, fault.Superseded:
		return exitRefused
	case fault.Deadline:
		return exitDeadline
	}
	return exitFailed
}

// env looks a variable up.
func (m *Main) env(name string) string {
	for i := len(m.Environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(m.Environ[i], name+"="); ok {
			return v
		}
	}
	return ""
}

func (m *Main) envNames() []string {
	var names []string
	for _, e := range m.Environ {
		name, _, _ := strings.Cut(e, "=")
		names = append(names, name)
	}
	return names
}

// defaultDir is the data directory when nobody names one.
func (m *Main) defaultDir() string {
	if d := m.env("MACULA_DIR"); d != "" {
		return d
	}
	if home := m.env("HOME"); home != "" {
		return filepath.Join(home, ".macula")
	}
	return ".macula"
}

// place are the flags that say which node is meant.
type place struct {
	Dir     string `help:"Data directory: key, configuration and control socket. Also $$MACULA_DIR." default:"${dir}" placeholder:"DIR"`
	Config  string `help:"Configuration file; maculanode.yaml in the data directory when there is one. Also $$MACULA_CONFIG." placeholder:"FILE"`
	Control string `help:"Socket between the node and the other commands; control.sock in the data directory." placeholder:"PATH"`
}

// load reads the configuration from all its sources. Of the flags it takes
// those that are named, or all: not every flag of every command that has the
// name of a setting is one.
func (m *Main) load(p place, only ...string) (config.Config, error) {
	c, errs := config.LoadAll(m.sources(p, only...))
	if len(errs) == 0 || c.File != "" && slices.Equal(only, []string{"control"}) {
		return c, nil // a mistake elsewhere in the file keeps nobody from looking at the node
	}
	if more := len(errs) - 1; more > 0 {
		return c, usage(fmt.Errorf("%w (and %d more: see \"maculanode config check\")", errs[0], more))
	}
	return c, usage(errs[0])
}

// sources are what load reads.
func (m *Main) sources(p place, only ...string) config.Sources {
	file := p.Config
	if file == "" {
		file = m.env("MACULA_CONFIG")
	}
	flags := m.flags
	if len(only) > 0 {
		flags = nil
		for _, f := range m.flags {
			if slices.Contains(only, f.Flag) {
				flags = append(flags, f)
			}
		}
	}
	return config.Sources{Dir: p.Dir, File: file, Env: m.env, Names: m.envNames(), Flags: flags}
}

// terminal reports whether f is a terminal or another device, so nothing that
// ends by itself.
func terminal(f any) bool {
	file, ok := asFile(f)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
