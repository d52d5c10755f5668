package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const deploy = "../../deploy/"

// job is what matters here of a Kubernetes Job or a claim.
type job struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		CompletionMode       string `yaml:"completionMode"`
		Completions          int
		Parallelism          int
		BackoffLimit         *int `yaml:"backoffLimit"`
		BackoffLimitPerIndex *int `yaml:"backoffLimitPerIndex"`
		PodFailurePolicy     struct {
			Rules []struct {
				Action      string
				OnExitCodes struct {
					ContainerName string `yaml:"containerName"`
					Operator      string
					Values        []int
				} `yaml:"onExitCodes"`
				OnPodConditions []struct{ Type string } `yaml:"onPodConditions"`
			}
		} `yaml:"podFailurePolicy"`
		Template struct {
			Spec struct {
				RestartPolicy                string `yaml:"restartPolicy"`
				AutomountServiceAccountToken *bool  `yaml:"automountServiceAccountToken"`
				SecurityContext              struct {
					RunAsNonRoot bool `yaml:"runAsNonRoot"`
					RunAsUser    int  `yaml:"runAsUser"`
					FSGroup      int  `yaml:"fsGroup"`
				} `yaml:"securityContext"`
				Containers []container
				Volumes    []struct {
					Name                  string
					PersistentVolumeClaim struct {
						ClaimName string `yaml:"claimName"`
					} `yaml:"persistentVolumeClaim"`
				}
			}
		}
	}
}

type container struct {
	Name          string
	Image         string
	Command, Args []string
	Resources     struct{ Requests, Limits map[string]string }
	VolumeMounts  []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
}

// manifests reads the documents of a file.
func manifests(t *testing.T, name string) []job {
	t.Helper()
	f, err := os.Open(deploy + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []job
	for in := yaml.NewDecoder(f); ; {
		var j job
		if err := in.Decode(&j); err != nil {
			if len(all) == 0 || err.Error() != "EOF" {
				t.Fatalf("%s: %v", name, err)
			}
			return all
		}
		all = append(all, j)
	}
}

// theJob is the only Job of a file, and its only container.
func theJob(t *testing.T, name string) (job, container) {
	t.Helper()
	for _, j := range manifests(t, name) {
		if j.Kind == "Job" && len(j.Spec.Template.Spec.Containers) == 1 {
			return j, j.Spec.Template.Spec.Containers[0]
		}
	}
	t.Fatalf("%s has no Job of one container", name)
	panic("unreachable")
}

// program runs a command line of simrun and returns its exit code and what it says.
func program(t *testing.T, dir string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.Command("simrun", args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if code = exitCode(err); code < 0 {
		t.Fatal(err)
	}
	return code, string(text)
}

func TestTheShardsOfTheJobAreThoseThatAreMerged(t *testing.T) {
	sweep, s := theJob(t, "simrun-job.yaml")
	merge, m := theJob(t, "simrun-merge-job.yaml")
	if sweep.Spec.CompletionMode != "Indexed" || sweep.Spec.Parallelism > sweep.Spec.Completions || s.Image != m.Image {
		t.Errorf("%s, %d at a time of %d; images %s and %s", sweep.Spec.CompletionMode, sweep.Spec.Parallelism, sweep.Spec.Completions, s.Image, m.Image)
	}
	results := t.TempDir()
	here := func(args []string, index int) []string {
		var out []string
		for _, a := range args {
			a = strings.ReplaceAll(a, "/results", results)
			out = append(out, strings.ReplaceAll(a, "$(JOB_COMPLETION_INDEX)", fmt.Sprint(index)))
		}
		return out
	}
	for i := range sweep.Spec.Completions {
		// The whole command line, and no time to play anything.
		if code, out := program(t, results, append(here(s.Args, i), "--for=1ns")...); code != 0 || !strings.Contains(out, fmt.Sprintf("of shard %d/%d, 0 held", i, sweep.Spec.Completions)) {
			t.Fatalf("index %d: exit code %d:\n%s", i, code, out)
		}
	}
	code, out := program(t, results, here(m.Args, 0)...)
	if code != 4 || !regexp.MustCompile(`(?m)^simrun: mesh-4: 0 of [0-9]+ seeds were played`).MatchString(out) || strings.Contains(out, "shards are there") {
		t.Errorf("merge: exit code %d:\n%s", code, out)
	}
	if merge.Spec.BackoffLimit == nil || *merge.Spec.BackoffLimit != 0 {
		t.Error("the merge is tried again")
	}
}

func TestTheJobTriesNothingAgainThatWouldComeOutTheSame(t *testing.T) {
	j, c := theJob(t, "simrun-job.yaml")
	action := map[int]string{}
	evicted := ""
	for _, r := range j.Spec.PodFailurePolicy.Rules {
		for _, code := range r.OnExitCodes.Values {
			if action[code] != "" || r.OnExitCodes.ContainerName != c.Name || r.OnExitCodes.Operator != "In" {
				t.Errorf("rule %+v", r)
			}
			action[code] = r.Action
		}
		for _, cond := range r.OnPodConditions {
			if cond.Type == "DisruptionTarget" {
				evicted = r.Action
			}
		}
	}
	for code, want := range []string{"", "FailIndex", "FailJob", "FailIndex", ""} {
		if action[code] != want {
			t.Errorf("exit code %d: %q, want %q", code, action[code], want)
		}
	}
	if evicted != "Ignore" || j.Spec.BackoffLimitPerIndex == nil {
		t.Errorf("evicted: %q, limit for each index: %v", evicted, j.Spec.BackoffLimitPerIndex)
	}
}

func TestTheJobsMayDoNothingButWriteResults(t *testing.T) {
	var claims []string
	for _, m := range manifests(t, "simrun-job.yaml") {
		if m.Kind == "PersistentVolumeClaim" {
			claims = append(claims, m.Metadata.Name)
		}
	}
	for _, name := range []string{"simrun-job.yaml", "simrun-merge-job.yaml"} {
		j, c := theJob(t, name)
		pod, sec := j.Spec.Template.Spec, c.SecurityContext
		if pod.RestartPolicy != "Never" || !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser == 0 || pod.SecurityContext.FSGroup == 0 ||
			pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s: the pod: %+v", name, pod)
		}
		if sec.AllowPrivilegeEscalation == nil || *sec.AllowPrivilegeEscalation || !sec.ReadOnlyRootFilesystem || !slices.Equal(sec.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("%s: the container: %+v", name, sec)
		}
		if c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" {
			t.Errorf("%s: resources: %+v", name, c.Resources)
		}
		if len(pod.Volumes) != 1 || len(c.VolumeMounts) != 1 || c.VolumeMounts[0].Name != pod.Volumes[0].Name ||
			c.VolumeMounts[0].MountPath != "/results" || !slices.Contains(claims, pod.Volumes[0].PersistentVolumeClaim.ClaimName) {
			t.Errorf("%s: volumes %+v, mounts %+v, claims %v", name, pod.Volumes, c.VolumeMounts, claims)
		}
	}
}

func TestTheImageIsAStaticBinaryAndNothingElse(t *testing.T) {
	text, err := os.ReadFile(deploy + "Dockerfile.simrun")
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(text), "\nFROM scratch\n")
	if !ok || strings.Contains(last, "FROM") || !strings.Contains(string(text), "CGO_ENABLED=0 go build") {
		t.Errorf("the last stage is\n%s", last)
	}
	_, c := theJob(t, "simrun-job.yaml")
	if !strings.Contains(last, fmt.Sprintf("ENTRYPOINT [%q]", c.Command[0])) || !strings.Contains(last, "USER 65532") {
		t.Errorf("the Job runs %v, and the image is\n%s", c.Command, last)
	}
}

// workflow is what matters here of one for GitHub Actions.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Needs    string
		If       string
		Strategy struct {
			FailFast *bool `yaml:"fail-fast"`
			Matrix   struct{ Shard []int }
		}
		Steps []struct {
			Uses, Run, If string
			With          map[string]string
		}
	}
}

func TestTheMatrixPlaysEveryShardAndMergesThem(t *testing.T) {
	text, err := os.ReadFile(deploy + "ci-matrix.yml")
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	lines := func(job string) (out []string) {
		for _, s := range w.Jobs[job].Steps {
			if strings.HasPrefix(s.Run, "./simrun ") {
				out = append(out, strings.TrimPrefix(s.Run, "./"))
			}
		}
		return out
	}
	sweep, merge := lines("sweep"), lines("merge")
	s := w.Jobs["sweep"].Strategy
	if len(sweep) != 1 || len(merge) != 1 || s.FailFast == nil || *s.FailFast || w.Jobs["merge"].If == "" || w.Jobs["merge"].Needs != "sweep" {
		t.Fatalf("%q, %q, %+v", sweep, merge, w.Jobs)
	}
	shell := func(dir, line string) (int, string) {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "FROM=1")
		out, err := cmd.CombinedOutput()
		return exitCode(err), string(out)
	}
	dir := t.TempDir()
	for _, i := range s.Matrix.Shard {
		at := filepath.Join(dir, "shards", fmt.Sprintf("shard-%d", i)) // where download-artifact puts it
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		line := strings.ReplaceAll(sweep[0], "${{ matrix.shard }}", fmt.Sprint(i)) + " --for=1ns"
		line = strings.Replace(line, "--out shard", "--out .", 1)
		if code, out := shell(at, line); code != 0 {
			t.Fatalf("%s: exit code %d:\n%s", line, code, out)
		}
	}
	code, out := shell(dir, merge[0])
	if code != 4 || !strings.Contains(out, "simrun: mesh-4: 0 of 400 seeds were played") || strings.Contains(out, "shards are there") {
		t.Errorf("%s: exit code %d:\n%s", merge[0], code, out)
	}
}
