package completion

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// FuzzComplete completes lines of all sorts. Every candidate continues what is
// there, in one line.
func FuzzComplete(f *testing.F) {
	for _, s := range []string{"", "run\n--level\n", "run\n--level\n=\nd", "run\n--level=", "call\n--\n-", "config\n", "=\n=", "--\n=", "-", "--=x", "run\n--file", "\xff\x00"} {
		f.Add(s)
	}
	parser, err := kong.New(&grammar{}, kong.Name("prog"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\n")
		last := words[len(words)-1]
		for _, c := range Complete(parser.Model, words, func(string, []string) []string { return []string{"a.b"} }) {
			if !strings.HasPrefix(c.Word, last) && last != "=" || strings.ContainsAny(c.Word+c.Help, "\n\t") {
				t.Fatalf("%q: %+v", words, c)
			}
		}
	})
}
