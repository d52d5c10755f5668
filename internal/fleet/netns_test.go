//go:build ops

package fleet

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// story plays the story on s and shows the logs when it ends badly.
func story(ctx context.Context, t *testing.T, s interface {
	Stage
	Logs() string
}) {
	t.Helper()
	if err := (&Story{Stage: s, Say: t.Logf}).Play(ctx); err != nil {
		t.Fatalf("%v\n%s", err, s.Logs())
	}
}

func TestFourProcessesInNamespacesSurviveLossPartitionAndRestarts(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("network namespaces need Linux and root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need the command ip: install the package iproute2")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	bin := filepath.Join(t.TempDir(), "maculanode")
	if err := Build(ctx, bin); err != nil {
		t.Fatal(err)
	}
	s, err := NewNetns(ctx, bin, t.TempDir())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	story(ctx, t, s)
}
