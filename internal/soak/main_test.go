package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestWrongUsageEndsWithTwoAndSaysWhy(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-for 10s", "shorter than"},
		{"-for soon", "invalid value"},
		{"-for 5m -every 1h", "-every"},
		{"-pool 3", "-pool"},
		{"-warm 1s", "-warm"},
		{"-most 0", "-most"},
		{"-plant 5 -overlay x.json", "not both"},
		{"more", "not a flag"},
		{"-nothing", "not defined"},
	} {
		var out, errs bytes.Buffer
		if code := soakMain(strings.Fields(c.args), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %q", c.args, code, errs.String())
		}
	}
	var out, errs bytes.Buffer
	if code := soakMain([]string{"-h"}, &out, &errs); code != exitFlat || !strings.Contains(errs.String(), "-plant") {
		t.Errorf("-h: exit code %d, %q", code, errs.String())
	}
}

func TestResidentMemoryIsReadFromTheKernel(t *testing.T) {
	if v, err := parseRSS([]byte("Name:\tx\nVmHWM:\t  9999 kB\nVmRSS:\t   1234 kB\nThreads:\t3\n")); err != nil || v != 1234*1024 {
		t.Errorf("%v, %v", v, err)
	}
	for _, bad := range []string{"", "VmRSS:\t12 MB\n", "VmRSS:\n", "VmRSS:\tx kB\n"} {
		if v, err := parseRSS([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, v)
		}
	}
	if _, err := os.Stat(procFS); err != nil {
		return // another system
	}
	rss, fds, err := resident(os.Getpid())
	if err != nil || rss < 1<<20 || fds < 3 {
		t.Errorf("of this process: %v bytes, %v descriptors, %v", rss, fds, err)
	}
}

// The plant must fit the tree as it is; that it is found is shown by the
// recorded runs and by make soak-test.
func TestThePlantedLeakFitsTheTree(t *testing.T) {
	t.Chdir("../..")
	dir := t.TempDir()
	overlay, err := plant(dir, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "./node").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	src, err := os.ReadFile(filepath.Join(dir, "node.go"))
	if err != nil || !strings.Contains(string(src), "left := 1024") {
		t.Errorf("%v", err)
	}
}

// recorded reads a run that was recorded: three minutes of load, the default
// caps, on two processors.
func recorded(t *testing.T, name string) *report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

func TestARecordedCleanRunIsFlat(t *testing.T) {
	if v := judge(recorded(t, "clean.json").Nodes); !v.Flat {
		t.Errorf("%+v", v.failed())
	}
}

func TestARecordedLeakOfOneKiBASecondIsRedInEveryNode(t *testing.T) {
	r := recorded(t, "leak.json")
	if r.Config.Plant != leak {
		t.Fatalf("planted were %d bytes a second", r.Config.Plant)
	}
	v := judge(r.Nodes)
	found := 0
	for _, f := range v.failed() {
		if strings.HasPrefix(f.What, "live heap at rest") {
			found++
		}
	}
	if v.Flat || found != nodeCount {
		t.Errorf("found in %d of %d nodes: %+v", found, nodeCount, v.failed())
	}
}

func TestSamplesSurviveTheirRecording(t *testing.T) {
	want := madeRun(60, nil)[0]
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got watched
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, &got) {
		t.Errorf("another run came back: %d samples of %d", len(got.Samples), len(want.Samples))
	}
	for _, bad := range []string{`{"at":[1],"phases":[]}`, `{"at":[1],"phases":[{"phase":"load","n":2}]}`, `{"at":[1],"phases":[{"phase":"load","n":1}],"series":{}}`, `[]`} {
		if json.Unmarshal([]byte(bad), &got) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
