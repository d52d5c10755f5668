package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestFourProcessesAreOneSweep: four processes at a time, each with a part of
// the seeds, are merged to what one process says.
func TestFourProcessesAreOneSweep(t *testing.T) {
	const line = "sweep swarm --seeds 10 --from 3 --jobs 1 --json"
	dir := t.TempDir()
	merge := []string{"merge", "--json"}
	var shards []*exec.Cmd
	for i := range 4 {
		out := filepath.Join(dir, fmt.Sprint("shard-", i))
		cmd := exec.Command("simrun", append(strings.Fields(line), "--shard", fmt.Sprintf("%d/4", i), "--out", out)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		shards, merge = append(shards, cmd), append(merge, out)
	}
	codes := 0
	for _, cmd := range shards {
		codes = max(codes, exitCode(cmd.Wait()))
	}
	code, whole := program(t, dir, strings.Fields(line)...)
	mergedCode, merged := program(t, dir, merge...)
	if code != 0 || codes != 0 || mergedCode != 0 {
		t.Errorf("exit codes: %d of the sweep, %d of its shards, %d of the merge:\n%s", code, codes, mergedCode, merged)
	}
	if a, b := books(t, whole), books(t, merged); !reflect.DeepEqual(a, b) {
		t.Errorf("the sweep:\n%v\nthe shards together:\n%v", a, b)
	}
}

// books are what a sweep says as JSON, but for the time that it took.
func books(t *testing.T, text string) map[string]any {
	t.Helper()
	var b map[string]any
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	delete(b, "took_ns")
	delete(b, "done") // by numbers within a shard
	return b
}

// TestAnInterruptedSweepGoesOn: an interrupt is exit code 4, and the books have
// what was played until then.
func TestAnInterruptedSweepGoesOn(t *testing.T) {
	dir := t.TempDir()
	sweep := strings.Fields("sweep caller-death --seeds 1000000 --jobs 1 --out out")
	// The report is written first when nothing has been played: then the sweep
	// has begun.
	report, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("simrun", append(sweep, "--junit", "/dev/fd/3")...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = dir, []*os.File{write}, &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	in := bufio.NewReader(report)
	for line := ""; !strings.Contains(line, "testsuites>"); {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatalf("no report: %v\n%s", err, errs.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if last, err := io.ReadAll(in); err != nil || !bytes.Contains(last, []byte(`name="caller-death"`)) {
		t.Errorf("the last report: %v\n%s", err, last)
	}
	if code := exitCode(cmd.Wait()); code != 4 || !strings.Contains(errs.String(), "interrupted; what was played is above") {
		t.Errorf("exit code %d:\n%s%s", code, out.String(), errs.String())
	}
	played := regexp.MustCompile(`caller-death +[0-9]+ of 1000000 seeds, [0-9]+ held`).FindString(out.String())
	if code, again := program(t, dir, append(sweep, "--for=1ns")...); code != 0 || played == "" || !strings.Contains(again, played) {
		t.Errorf("interrupted:\n%s\nagain, exit code %d:\n%s", out.String(), code, again)
	}
}
