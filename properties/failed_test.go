package properties_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/cli"
	"github.com/maculamesh/macula/sim/plan"
)

// failed is a run that does not hold.
type failed struct {
	plan *plan.Plan
	seed uint64
}

// report shrinks the plan, writes it down, and says how to play it again.
func (f *failed) report(t *testing.T) {
	dir := folder(t)
	name := strings.TrimPrefix(f.plan.Lines[firstLine(f.plan)].String(), "plan ")
	base := filepath.Join(dir, fmt.Sprintf("%s-%d", name, f.seed))
	drawn := base + "-drawn.plan"
	if err := os.WriteFile(drawn, []byte(f.plan.String()), 0o644); err != nil {
		t.Error(err)
		return
	}
	var said bytes.Buffer
	app := cli.App{
		Name: "simrun", Version: "properties", Systems: scenarios.Systems(), Stdout: &said, Stderr: &said, Now: time.Now,
		ReadFile: os.ReadFile, WriteFile: func(name string, data []byte) error { return os.WriteFile(name, data, 0o644) },
	}
	code := app.Main(context.Background(), []string{"shrink", drawn, "--seed", fmt.Sprint(f.seed), "--out", base + ".json", "--for", "1m"})
	if code != cli.Held {
		t.Logf("it could not be shrunk:\n%s\nas it was drawn: simrun run %s --seed %d", said.String(), drawn, f.seed)
		return
	}
	t.Logf("%s\nagain: simrun replay %s", said.String(), base+".json")
}

// firstLine is the line that names the plan.
func firstLine(p *plan.Plan) int {
	for i := range p.Lines {
		if p.Lines[i].Verb.Text == "plan" {
			return i
		}
	}
	return 0
}

// folder is where failures go: the one of the artifacts, when the tests keep
// them, and testdata/failed otherwise.
func folder(t *testing.T) string {
	dir := filepath.Join("testdata", "failed")
	if f := flag.Lookup("test.artifacts"); f != nil && f.Value.String() == "true" {
		dir = t.ArtifactDir()
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
