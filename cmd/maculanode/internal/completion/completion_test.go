package completion

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

type grammar struct {
	Run struct {
		Level string `enum:"debug,info" default:"info"`
		File  string
		Open  bool
	} `cmd:"" help:"Run it."`
	Call struct {
		Name string `arg:"" complete:"service"`
		Data string
	} `cmd:""`
	Config struct {
		Check struct{} `cmd:""`
		Show  struct{} `cmd:""`
	} `cmd:""`
	Shell struct {
		Name string `arg:"" enum:"bash,zsh"`
	} `cmd:""`
	Set struct {
		Pairs []string `arg:"" complete:"limit="`
	} `cmd:""`
	Secret struct{} `cmd:"" hidden:""`
}

func complete(t *testing.T, words ...string) string {
	t.Helper()
	parser, err := kong.New(&grammar{}, kong.Name("prog"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range Complete(parser.Model, words, func(kind string, _ []string) []string { return []string{kind + ".a", "--" + kind, kind + ".b"} }) {
		out = append(out, c.Word)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestWhatCouldStandThere(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", "call config run set shell"},
		{"c", "call config"},
		{"secret", ""},
		{"nobody ", ""},
		{"config ", "check show"},
		{"run --", "--file --help --level --open"},
		{"run --l", "--level"},
		{"run --level ", "debug info"},
		{"run --level d", "debug"},
		{"run --level=", "--level=debug --level=info"}, // one word: zsh, fish
		{"run --level = d", "debug"},                   // three words: bash
		{"run --level =", "debug info"},
		{"run --level = debug --o", "--open"},
		{"run --nobody=", ""},
		{"run --open --l", "--level"}, // a flag without a value does not wait for one
		{"run --file ", ""},           // names of files are the shell's
		{"run --file x --o", "--open"},
		{"call ", "service.a service.b"},
		{"call service.b", "service.b"},
		{"call --data x ", "service.a service.b"},
		{"call x ", ""},
		{"call -- --", ""},
		{"call -- ", "service.a service.b"},
		{"shell ", "bash zsh"},
		{"shell z", "zsh"},
		{"set ", "limit=.a limit=.b"},
		{"set x=1 y=2 limit=.b", "limit=.b"}, // an argument that is there many times
		{"run run", ""},                      // no command below one that has none
	} {
		if got := complete(t, strings.Split(c.line, " ")...); got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
	if got := complete(t); got != "call config run set shell" {
		t.Errorf("no words: %q", got)
	}
}

func TestThereIsAScriptForEveryShellAndForNoOther(t *testing.T) {
	for _, s := range Shells() {
		if text, err := Script(s, "prog"); err != nil || !strings.Contains(text, "__complete --") || strings.Contains(text, "PROGRAM") {
			t.Errorf("%s: %v\n%s", s, err, text)
		}
	}
	if _, err := Script("tcsh", "prog"); err == nil {
		t.Error("there is a script for tcsh")
	}
}
