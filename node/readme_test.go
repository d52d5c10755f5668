package node_test

import (
	"os"
	"strings"
	"testing"
)

// The README shows code that is compiled here. Each of its Go blocks has to
// stand in example_test.go, whatever the indentation.
func TestTheReadmeShowsTheExample(t *testing.T) {
	example := unindented(t, "example_test.go")
	readme := unindented(t, "../README.md")
	blocks := strings.Split(readme, "```go\n")[1:]
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(example, code) {
			t.Errorf("README.md shows code that is not in node/example_test.go:\n%s", code)
		}
	}
	if len(blocks) < 2 {
		t.Errorf("README.md has %d blocks of Go", len(blocks))
	}
}

func unindented(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		out.WriteString(strings.TrimLeft(line, " \t"))
	}
	return out.String()
}
