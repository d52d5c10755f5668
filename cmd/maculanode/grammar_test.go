package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestEveryCommandHasExamplesAndAPlaceInTheTable(t *testing.T) {
	parser, err := kong.New(newCLI(), kong.Name("maculanode"), kong.Vars{"dir": "d"})
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	for _, n := range parser.Model.Leaves(true) {
		if _, examples, ok := strings.Cut(n.Detail, "Examples:\n  "); !ok || !strings.Contains(examples, "maculanode ") {
			t.Errorf("%s has no examples", n.FullPath())
		}
		group := n.Group
		for p := n.Parent; group == nil && p != nil; p = p.Parent {
			group = p.Group
		}
		switch {
		case group == nil:
			t.Errorf("%s is in no group", n.FullPath())
		case len(groups) == 0 || groups[len(groups)-1] != group.Key:
			if slices.Contains(groups, group.Key) {
				t.Errorf("%s is far from the rest of %q", n.FullPath(), group.Key)
			}
			groups = append(groups, group.Key)
		}
		if len(n.Help) > 64 || !strings.HasSuffix(n.Help, ".") {
			t.Errorf("%s: %q is not one short sentence", n.FullPath(), n.Help)
		}
	}
	if len(groups) < 4 {
		t.Errorf("the groups are %q", groups)
	}
}
