package deploytest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// unit is the directives of a unit file by name, each with all its values.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(read(t, "deploy/systemd/maculanode.service")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%q is no directive", line)
		}
		all[key] = append(all[key], value)
	}
	return all
}

func TestTheServiceIsHardened(t *testing.T) {
	u := unit(t)
	for key, want := range map[string]string{
		"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
		"CapabilityBoundingSet": "", "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "SystemCallArchitectures": "native",
		"User": "maculanode", "Type": "notify",
	} {
		if got := u[key]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, not %q", key, got, want)
		}
	}
	if !slices.Contains(u["SystemCallFilter"], "@system-service") || u["LimitNOFILE"] == nil || u["ExecReload"] == nil {
		t.Error("a filter of system calls, a limit of files or a way to reload is missing")
	}
}

func TestTheServiceIsNotKilledWhileItDrains(t *testing.T) {
	if stop, err := time.ParseDuration(unit(t)["TimeoutStopSec"][0]); err != nil || stop <= drain {
		t.Errorf("TimeoutStopSec is %v, and a node drains for %v: %v", stop, drain, err)
	}
}

func TestTheNodeTightensBeforeTheKernelKillsTheService(t *testing.T) {
	u := unit(t)
	limit := resource.MustParse(u["MemoryMax"][0] + "i") // systemd counts by 1024
	for _, e := range u["Environment"] {
		if text, ok := strings.CutPrefix(e, "GOMEMLIMIT="); ok {
			goal := resource.MustParse(strings.TrimSuffix(text, "B"))
			if goal.Value() > limit.Value()*9/10 || goal.Value() < limit.Value()/2 {
				t.Errorf("GOMEMLIMIT=%s with MemoryMax=%s", text, u["MemoryMax"])
			}
			return
		}
	}
	t.Error("GOMEMLIMIT is not set")
}
