//go:build ops

package fleet

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

func TestFourContainersSurviveLossPartitionAndRestartsAndPrometheusSeesThem(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "docker", "info").CombinedOutput(); err != nil {
		t.Skipf("there is no Docker engine to talk to: %v: %.200s", err, out)
	}
	if _, err := composeProgram(ctx); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Skip("there is no prometheus to make an image of: install the package prometheus")
	}
	s, err := NewCompose(ctx, t.TempDir())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	story(ctx, t, s)
	if err := s.Healthy(ctx); err != nil {
		t.Fatalf("%v\n%s", err, s.Logs())
	}
	if err := s.Prometheus(ctx); err != nil {
		t.Fatalf("%v\n%s", err, s.Logs())
	}
	t.Log("Prometheus has all nodes and the rules")
}
