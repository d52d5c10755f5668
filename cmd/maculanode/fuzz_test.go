package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// FuzzArguments parses command lines of any sort, and runs nothing. A mistake is
// told in one line, with the exit code for wrong usage.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		"", "--help", "call --help", "init --dir d --realm a.b", "run --open-peers --echo x", "call demo.echo --data hello", "call", "call a b", "advertise a --http http://h/ --ttl 5s", "advertise a --ttl NaN", "advertise a --ttl 1e400s", "call a --timeout 18446744073709551616",
		"call a --timeout -1s", "withdraw", "status --json --json", "version --", "nobody", "-", "--", "---", "--dir", "--dir=", "call a --data= --data=x", "call \xff", "call a --d\xfft x", "run --peer x,y --peer z", "run --peer=" + strings.Repeat("x,", 500), "call " + strings.Repeat("n", 5000), strings.Repeat("--json ", 200), "run --max-peers 99999999999999999999", "--" + strings.Repeat("f", 5000),
	} {
		f.Add(strings.ReplaceAll(s, " ", "\n"))
	}
	f.Add("call\na b\n--data\ntwo\x00words")
	f.Fuzz(func(t *testing.T, lines string) {
		var errs bytes.Buffer
		m := &Main{Args: strings.Split(lines, "\n"), Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &errs}
		parser, err := kong.New(newCLI(), kong.Name("maculanode"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) { panic(helpShown{}) }), kong.Vars{"dir": "d"})
		if err != nil {
			t.Fatal(err)
		}
		helped := false
		kctx, err := m.parse(parser, &helped)
		if helped {
			return
		}
		if err == nil {
			for _, v := range settingFlags(kctx) {
				if v.Flag == "" || v.Text == nil {
					t.Fatalf("the setting %+v", v)
				}
			}
			return
		}
		if code := m.fail(usage(parseHint(err))); code != exitUsage {
			t.Fatalf("exit code %d for %v", code, err)
		}
		if text := errs.String(); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "maculanode: ") || strings.Contains(text, "\r") {
			t.Fatalf("not one line: %q", text)
		}
	})
}
