package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test binary is the command when this variable is set, so that the tests
// run what is installed without building it.
const beSimvet = "MACULA_TEST_BE_SIMVET"

func TestMain(m *testing.M) {
	if os.Getenv(beSimvet) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// run runs a command in the analyzer's test module, where every rule is
// broken somewhere.
func run(t *testing.T, name string, args ...string) (output string, err error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = "../../simvet/testdata/mesh"
	cmd.Env = append(os.Environ(), beSimvet+"=1", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBothWaysOfRunningItFindTheSame(t *testing.T) {
	const finding = ": time.Since reads the real clock: use rt.Clock.Now and Sub [time]"
	alone, err := run(t, self(t), "./node/clocks", "./sim/host")
	if err == nil || !strings.Contains(alone, finding) {
		t.Errorf("simvet: %v, without %q:\n%s", err, finding, alone)
	}
	vet, err := run(t, "go", "vet", "-vettool="+self(t), "./node/clocks", "./sim/host")
	if err == nil || !strings.Contains(vet, finding) {
		t.Errorf("go vet: %v, without %q:\n%s", err, finding, vet)
	}
	if strings.Contains(alone+vet, "host.go") {
		t.Errorf("an exempt package is reported:\n%s%s", alone, vet)
	}
}

func TestCleanPackagesPass(t *testing.T) {
	if out, err := run(t, self(t), "./mono", "./transport"); err != nil {
		t.Errorf("simvet: %v\n%s", err, out)
	}
	if out, err := run(t, "go", "vet", "-vettool="+self(t), "./mono", "./transport"); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}

func TestFlagsReachTheAnalyzer(t *testing.T) {
	out, err := run(t, self(t), "-exempt=node/...", "./node/clocks")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = run(t, "go", "vet", "-vettool="+self(t), "-scope=cmd/...", "-exempt=", "./cmd/tool")
	if err == nil || !strings.Contains(out, "time.Now") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestListAllows(t *testing.T) {
	out, err := run(t, self(t), "-list-allows", "./node/allows")
	if err != nil || !strings.Contains(out, "node/allows/allows.go:9: the line itself\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = run(t, self(t), "-list-allows", "./nowhere"); err == nil {
		t.Errorf("a package that is not there:\n%s", out)
	}
}
