package deploytest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// serviceMonitor is what is used of the operator's type.
type serviceMonitor struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		Selector  meta.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port          string `json:"port"`
			Path          string `json:"path"`
			Interval      string `json:"interval"`
			Authorization struct {
				Type        string                 `json:"type"`
				Credentials core.SecretKeySelector `json:"credentials"`
			} `json:"authorization"`
			Relabelings []map[string]string `json:"relabelings"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// manifests are the objects of deploy/, by kind.
type manifests struct {
	service core.Service
	set     apps.StatefulSet
	budget  policy.PodDisruptionBudget
	network networking.NetworkPolicy
	config  core.ConfigMap
	monitor serviceMonitor
	claims  []core.PersistentVolumeClaim
	jobs    []batch.Job
}

// loaded decodes every manifest. A field that its type does not have is an
// error, as is one that stands twice.
func loaded(t *testing.T) *manifests {
	t.Helper()
	var m manifests
	for _, name := range []string{
		"kubernetes/macula.yaml", "kubernetes/config.yaml", "kubernetes/servicemonitor.yaml",
		"simrun-job.yaml", "simrun-merge-job.yaml",
	} {
		for i, doc := range strings.Split(read(t, "deploy/"+name), "\n---\n") {
			if err := m.decode([]byte(doc)); err != nil {
				t.Fatalf("deploy/%s, document %d: %v", name, i+1, err)
			}
		}
	}
	return &m
}

// strict decodes as the API server does: the case of a field counts too.
func strict(doc []byte, v any) error {
	data, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(data, v)
	return errors.Join(append(unknown, err)...)
}

func (m *manifests) decode(doc []byte) error {
	var is meta.TypeMeta
	if err := yaml.Unmarshal(doc, &is); err != nil {
		return err
	}
	switch is.APIVersion + " " + is.Kind {
	case "v1 Service":
		return strict(doc, &m.service)
	case "apps/v1 StatefulSet":
		return strict(doc, &m.set)
	case "policy/v1 PodDisruptionBudget":
		return strict(doc, &m.budget)
	case "networking.k8s.io/v1 NetworkPolicy":
		return strict(doc, &m.network)
	case "v1 ConfigMap":
		return strict(doc, &m.config)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return strict(doc, &m.monitor)
	case "v1 PersistentVolumeClaim":
		m.claims = append(m.claims, core.PersistentVolumeClaim{})
		return strict(doc, &m.claims[len(m.claims)-1])
	case "batch/v1 Job":
		m.jobs = append(m.jobs, batch.Job{})
		return strict(doc, &m.jobs[len(m.jobs)-1])
	}
	return fmt.Errorf("%s %s is a kind that this test does not know", is.APIVersion, is.Kind)
}

func TestAMistypedFieldIsFound(t *testing.T) {
	for _, doc := range []string{
		"apiVersion: v1\nkind: Service\nspec:\n  clusterIp: None",
		"apiVersion: v1\nkind: Service\nspec:\n  clusterIP: None\n  clusterIP: None",
		"apiVersion: apps/v1beta1\nkind: StatefulSet",
	} {
		if err := new(manifests).decode([]byte(doc)); err == nil {
			t.Errorf("nothing is said about %q", doc)
		}
	}
}

func TestEveryPodIsRestrictedAndLimited(t *testing.T) {
	m := loaded(t)
	pods := map[string]core.PodSpec{m.set.Name: m.set.Spec.Template.Spec}
	for _, j := range m.jobs {
		pods[j.Name] = j.Spec.Template.Spec
	}
	for name, pod := range pods {
		s := pod.SecurityContext
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s runs as root or without seccomp", name)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s gets a token of the cluster, which it does not need", name)
		}
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			restricted(t, name+"/"+c.Name, &c)
			mounted(t, name+"/"+c.Name, &c, pod.Volumes, m.set.Spec.VolumeClaimTemplates)
		}
	}
}

func restricted(t *testing.T, name string, c *core.Container) {
	t.Helper()
	s := c.SecurityContext
	switch {
	case s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation:
		t.Errorf("%s may gain privileges", name)
	case s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0:
		t.Errorf("%s has capabilities", name)
	case s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
		t.Errorf("%s may write to its root", name)
	}
	limit := c.Resources.Limits.Memory()
	if limit.IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
		t.Errorf("%s has no limit of memory, or no requests", name)
	}
	for _, e := range c.Env {
		if e.Name == "GOMEMLIMIT" {
			goal := resource.MustParse(strings.TrimSuffix(e.Value, "B")) // MiB in Go, Mi here
			if goal.Value() > limit.Value()*9/10 || goal.Value() < limit.Value()/2 {
				t.Errorf("%s has GOMEMLIMIT=%s of %s", name, e.Value, limit)
			}
		}
	}
}

func mounted(t *testing.T, name string, c *core.Container, volumes []core.Volume, claims []core.PersistentVolumeClaim) {
	t.Helper()
	for _, v := range c.VolumeMounts {
		if !slices.ContainsFunc(volumes, func(o core.Volume) bool { return o.Name == v.Name }) &&
			!slices.ContainsFunc(claims, func(o core.PersistentVolumeClaim) bool { return o.Name == v.Name }) {
			t.Errorf("%s mounts %s, which there is not", name, v.Name)
		}
	}
}

func TestPortsProbesAndSelectorsFitTogether(t *testing.T) {
	m := loaded(t)
	labels := m.set.Spec.Template.Labels
	for what, selector := range map[string]map[string]string{
		"the Service": m.service.Spec.Selector, "the StatefulSet": m.set.Spec.Selector.MatchLabels, "the budget": m.budget.Spec.Selector.MatchLabels,
		"the NetworkPolicy": m.network.Spec.PodSelector.MatchLabels,
	} {
		for k, v := range selector {
			if labels[k] != v {
				t.Errorf("%s selects %s=%s, and the pods have %v", what, k, v, labels)
			}
		}
	}
	for k, v := range m.monitor.Spec.Selector.MatchLabels {
		if m.service.Labels[k] != v {
			t.Errorf("the ServiceMonitor selects %s=%s, and the Service has %v", k, v, m.service.Labels)
		}
	}
	if m.set.Spec.ServiceName != m.service.Name || m.service.Spec.ClusterIP != core.ClusterIPNone || !m.service.Spec.PublishNotReadyAddresses {
		t.Error("the pods have no names before they are ready")
	}
	if m.set.Spec.PodManagementPolicy != apps.ParallelPodManagement {
		t.Error("the first pod waits for ever to be ready: it needs the second one")
	}
	node := m.set.Spec.Template.Spec.Containers[0]
	port := func(name string) *core.ContainerPort {
		for i := range node.Ports {
			if node.Ports[i].Name == name {
				return &node.Ports[i]
			}
		}
		t.Fatalf("the container has no port %s", name)
		return nil
	}
	for _, p := range m.service.Spec.Ports {
		if c := port(p.TargetPort.StrVal); c.Protocol != p.Protocol {
			t.Errorf("the port %s is %s in the Service and %s in the container", p.Name, p.Protocol, c.Protocol)
		}
	}
	for _, e := range m.monitor.Spec.Endpoints {
		port(e.Port)
	}
	for _, rule := range m.network.Spec.Ingress {
		for _, p := range rule.Ports {
			if !slices.ContainsFunc(node.Ports, func(c core.ContainerPort) bool { return c.ContainerPort == p.Port.IntVal && c.Protocol == *p.Protocol }) {
				t.Errorf("the NetworkPolicy lets %s %s in, which nobody listens at", p.Port, *p.Protocol)
			}
		}
	}
	guard := read(t, "cmd/maculanode/internal/admin/guard.go")
	for what, p := range map[string]*core.Probe{"startup": node.StartupProbe, "liveness": node.LivenessProbe, "readiness": node.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Port.StrVal != port("admin").Name || !strings.Contains(guard, fmt.Sprintf("%q", p.HTTPGet.Path)) {
			t.Errorf("the %s probe asks nothing that the node answers without a token", what)
		}
	}
	hook := node.Lifecycle.PreStop.Exec.Command
	asked, err := time.ParseDuration(hook[len(hook)-1])
	grace := time.Duration(*m.set.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	if err != nil || asked+drain >= grace {
		t.Errorf("the pod is killed after %v, and may drain for %v by %v and for %v at the end: %v", grace, asked, hook, drain, err)
	}
}

// volumes are the data directories of pods that have run their init container.
func volumes(t *testing.T, bin string, pods int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range pods {
		for range 2 { // with every start
			cmd := exec.CommandContext(t.Context(), bin, "init", "--keep")
			cmd.Env = append(os.Environ(), fmt.Sprintf("MACULA_DIR=%s/macula-%d", dir, i))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	return dir
}

// checked runs config check on each configuration of a ConfigMap, with the
// token where the pods have it.
func checked(t *testing.T, bin, data string, config *core.ConfigMap, pods int) {
	t.Helper()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(strings.Repeat("t", 32)), 0o440); err != nil {
		t.Fatal(err)
	}
	if len(config.Data) != pods {
		t.Errorf("the ConfigMap has %d configurations for %d pods", len(config.Data), pods)
	}
	for i := range pods {
		text, ok := config.Data[fmt.Sprintf("macula-%d.yaml", i)]
		if !ok {
			t.Fatalf("the ConfigMap has nothing for macula-%d", i)
		}
		file := filepath.Join(dir, "maculanode.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "/etc/macula/admin/token", token)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), bin, "config", "check")
		cmd.Env = append(os.Environ(), "MACULA_CONFIG="+file, fmt.Sprintf("MACULA_DIR=%s/macula-%d", data, i))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("macula-%d: %v: %s\n%s", i, err, out, text)
		}
	}
}

func TestTheConfigurationsArePossibleBeforeAndAfterThePodsHaveKeys(t *testing.T) {
	m, bin := loaded(t), maculanode(t)
	pods := int(*m.set.Spec.Replicas)
	dir := volumes(t, bin, pods)
	checked(t, bin, dir, &m.config, pods)

	// A kubectl that knows the ids of the pods.
	fake := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = exec ] && exec %s id --dir %s/$2\n", bin, dir)
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for replicas, want := range map[string]string{"0": read(t, "deploy/kubernetes/config.yaml"), fmt.Sprint(pods): ""} {
		out, err := exec.CommandContext(t.Context(), "../../deploy/kubernetes/peers.sh", replicas).Output()
		if err != nil {
			t.Fatal(err)
		}
		var config core.ConfigMap
		if err := strict(out, &config); err != nil {
			t.Fatal(err)
		}
		checked(t, bin, dir, &config, pods)
		switch {
		case want != "" && string(out) != want:
			t.Error("deploy/kubernetes/config.yaml is not what peers.sh 0 prints")
		case want == "" && strings.Count(string(out), "@macula-") != pods*(pods-1):
			t.Errorf("peers.sh does not name each node to each other one:\n%s", out)
		}
	}
}

// Nodes that do not know each other yet learn of it by a reload: restarted one
// after the other, the first would never be ready.
func TestTheConfigurationOfAPodFollowsTheConfigMap(t *testing.T) {
	m := loaded(t)
	node := m.set.Spec.Template.Spec.Containers[0]
	file := ""
	for _, e := range node.Env {
		if e.Name == "MACULA_CONFIG" {
			file = strings.ReplaceAll(e.Value, "$(POD_NAME)", m.set.Name+"-0")
		}
	}
	if _, ok := m.config.Data[filepath.Base(file)]; !ok {
		t.Errorf("the ConfigMap has nothing for %s", file)
	}
	for _, v := range node.VolumeMounts {
		if v.MountPath == filepath.Dir(file) && v.SubPath == "" && v.SubPathExpr == "" {
			return
		}
	}
	t.Errorf("no volume that follows its ConfigMap is at %s", filepath.Dir(file))
}
