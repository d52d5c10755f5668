//go:build ops

package metrics_test

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/maculamesh/macula/cmd/maculanode/internal/metrics"
	"github.com/maculamesh/macula/rt/realrt"
)

func TestPromtoolFindsNothingWrongWithTheExposition(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not installed: it comes with Prometheus")
	}
	list, err := metrics.New(newBooks(realrt.New(realrt.Config{}))).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range list {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = &text
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
