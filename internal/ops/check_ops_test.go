//go:build ops

package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/internal/process"
)

// adminToken is what the node's admin address demands.
const adminToken = "a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3"

// client gives up, so that nothing here waits for ever.
var client = &http.Client{Timeout: 20 * time.Second}

// tool returns a program of the Debian package prometheus.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs %s: install the package prometheus", name)
	}
	return path
}

// promtool runs it on the files of deploy/prometheus, copied so that the token
// of the example can lie beside them.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range Files() {
		if strings.HasPrefix(name, "deploy/prometheus/") {
			write(t, filepath.Join(dir, filepath.Base(name)), data)
		}
	}
	write(t, filepath.Join(dir, exampleScrape().Token), []byte("0123456789abcdef"))
	cmd := exec.CommandContext(t.Context(), tool(t, "promtool"), args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPromtoolFindsNothingWrongWithTheRules(t *testing.T) {
	promtool(t, nil, "check", "rules", "--lint-fatal", "macula.rules.yml")
	promtool(t, nil, "check", "config", "prometheus.yml")
}

func TestEveryAlertFiresWhenItShouldAndNotOtherwise(t *testing.T) {
	promtool(t, nil, "test", "rules", "macula.rules_test.yml")
}

func TestARealPrometheusReadsARealNode(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	node, admin := startNode(t, ctx)
	exposed := fetch(t, admin+"/metrics")
	promtool(t, exposed, "check", "metrics")
	families := familiesOf(exposed)
	sameMetrics(t, families)

	p := startPrometheus(t, Scraping{Targets: []string{strings.TrimPrefix(admin, "http://")}, Interval: "1s", Rules: "macula.rules.yml", Token: "admin.token"})
	eventually(t, ctx, "the node is scraped twice", func() bool {
		return len(p.query(t, `count_over_time(up{job="macula"}[1m]) >= 2 and up == 1`)) == 1
	})
	for where, expr := range expressions() {
		for _, name := range metricsOf(expr) {
			if name != "up" && !slices.Contains(families, name) {
				t.Errorf("%s reads %s, which the node does not have", where, name)
			}
		}
		p.query(t, filledIn(expr))
	}
	eventually(t, ctx, "every rule is evaluated", func() bool { return p.rulesAreHealthy(t) })
	everySelectorFinds(t, p)
	eventually(t, ctx, "the node has measured its memory", func() bool {
		return len(p.query(t, `macula_memory_used_bytes > 0 and macula_scheduling_latency_seconds >= 0`)) == 1
	})
	for _, s := range p.query(t, `ALERTS`) {
		t.Errorf("an alert about a node that has only started: %v", s)
	}

	node.Kill()
	eventually(t, ctx, "the death of the node is seen", func() bool {
		return len(p.query(t, `ALERTS{alertname="MaculaNodeDown"}`)) == 1
	})
}

// selector is a metric with labels in an expression. Rates of calls are left
// out: there are none while nobody calls.
var selector = regexp.MustCompile(`\b(?:macula_|macula:table|process_|go_)[a-zA-Z0-9_:]*\{[^}]*\}`)

// everySelectorFinds checks the labels in expressions: one that no node has
// makes an alert that never fires.
func everySelectorFinds(t *testing.T, p *server) {
	t.Helper()
	seen := map[string]bool{}
	for where, expr := range expressions() {
		for _, s := range selector.FindAllString(filledIn(expr), -1) {
			if !seen[s] && len(p.query(t, s)) == 0 {
				t.Errorf("%s: no node has %s", where, s)
			}
			seen[s] = true
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d selectors were tried", len(seen))
	}
}

// spoken is a command in a document, to the end of its code or its part of a
// pipeline; the words may be split by what a shell knows.
var spoken = regexp.MustCompile("(?m)(?:^|`|&& )maculanode ([a-z][^`|\n&#;>]*)")

func TestEveryCommandOfTheDocumentsExists(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	bin := built(t, ctx)
	tried := map[string]string{} // verb -> its help
	for _, doc := range []string{"OPERATIONS.md", "RUNBOOKS.md"} {
		data, err := os.ReadFile(filepath.Join(root, "docs", doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range spoken.FindAllStringSubmatch(string(data), -1) {
			words := strings.Fields(m[1])
			verb := words[:1]
			if (verb[0] == "limits" || verb[0] == "config") && len(words) > 1 {
				verb = words[:2]
			}
			name := strings.Join(verb, " ")
			if tried[name] == "" {
				out, err := exec.CommandContext(ctx, bin, append(verb, "--help")...).CombinedOutput()
				if err != nil {
					t.Errorf("docs/%s: maculanode %s: %v\n%s", doc, m[1], err, out)
				}
				tried[name] = string(out) + " "
			}
			for _, w := range words[len(verb):] {
				if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(w, "--") && !strings.Contains(tried[name], flag) {
					t.Errorf("docs/%s: maculanode %s has no %s", doc, name, flag)
				}
			}
		}
	}
	if len(tried) < 15 {
		t.Errorf("only %d commands were found in the documents", len(tried))
	}
}

// built returns the path of a maculanode made from this tree.
func built(t *testing.T, ctx context.Context) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "maculanode")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/maculanode")
	build.Dir = root
	build.WaitDelay = time.Second // its children have the pipe too
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// startNode starts a node that has answered a call, and
// returns the address of its admin pages.
func startNode(t *testing.T, ctx context.Context) (*process.Proc, string) {
	t.Helper()
	bin := built(t, ctx)
	// A path of its own: that of a Unix socket must be short.
	dir, err := os.MkdirTemp("", "ops")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n, err := process.New(ctx, process.Config{Bin: bin, Dir: filepath.Join(dir, "n1"), Timeout: 20 * time.Second}, "--realm", "org.example.ops", "--listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Kill)
	token := filepath.Join(dir, "admin.token")
	write(t, token, []byte(adminToken))
	if err := n.Start(ctx, "--admin", "127.0.0.1:0", "--admin-token-file", token, "--echo", "demo.echo"); err != nil {
		t.Fatal(err)
	}
	if out, err := n.Do(ctx, "call", "--dir", filepath.Join(dir, "n1"), "demo.echo", "--data", "hello"); err != nil || strings.TrimSpace(out) != "hello" {
		t.Fatalf("call: %q, %v", out, err)
	}
	var st struct{ Admin string }
	if err := n.Status(ctx, &st); err != nil || st.Admin == "" {
		t.Fatalf("the status names no admin address: %q, %v", st.Admin, err)
	}
	return n, st.Admin
}

// sameMetrics compares what the node has with what the package knows.
func sameMetrics(t *testing.T, families []string) {
	t.Helper()
	for _, name := range metricNames {
		if !slices.Contains(families, name) {
			t.Errorf("the node does not have %s", name)
		}
	}
	for _, name := range families {
		if strings.HasPrefix(name, "macula_") && !slices.Contains(metricNames, name) {
			t.Errorf("the node has %s, which no rule and no dashboard knows", name)
		}
	}
}

// familiesOf returns the names in the TYPE lines of an exposition.
func familiesOf(exposition []byte) []string {
	var names []string
	for line := range strings.Lines(string(exposition)) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "#" && f[1] == "TYPE" {
			names = append(names, f[2])
		}
	}
	return names
}

// filledIn is an expression as Grafana asks it for all nodes.
func filledIn(expr string) string {
	return strings.NewReplacer("$job", ".+", "$instance", ".+", "$__rate_interval", "1m").Replace(expr)
}

func fetch(t *testing.T, address string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%.1000s", address, resp.Status, err, data)
	}
	return data
}

func eventually(t *testing.T, ctx context.Context, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("it did not come in time that %s", what)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// server is a running Prometheus.
type server struct{ at string }

func startPrometheus(t *testing.T, s Scraping) *server {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prometheus.yml"), Scrape(s))
	write(t, filepath.Join(dir, s.Rules), Files()["deploy/prometheus/macula.rules.yml"])
	write(t, filepath.Join(dir, s.Token), []byte(adminToken))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := lis.Addr().String()
	lis.Close()
	cmd := exec.Command(tool(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+at, "--log.level=warn")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus logged:\n%s", log.String())
		}
	})
	p := &server{"http://" + at}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	eventually(t, ctx, "Prometheus is ready", func() bool {
		resp, err := client.Get(p.at + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// query returns the series of an instant query, as text.
func (p *server) query(t *testing.T, expr string) []string {
	t.Helper()
	resp, err := client.Get(p.at + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Warnings      []string
		Data          struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" || len(answer.Warnings) > 0 {
		t.Errorf("%s: %v %s %s %v", expr, err, answer.Status, answer.Error, answer.Warnings)
	}
	var out []string
	for _, r := range answer.Data.Result {
		out = append(out, fmt.Sprint(r.Metric))
	}
	return out
}

// rulesAreHealthy reports whether all rules are loaded and were evaluated; one
// that fails is a failure of the test.
func (p *server) rulesAreHealthy(t *testing.T) bool {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.Unmarshal(fetch(t, p.at+"/api/v1/rules"), &answer); err != nil {
		t.Fatal(err)
	}
	healthy := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			switch r.Health {
			case "ok":
				healthy++
			case "err":
				t.Fatalf("rule %s: %s", r.Name, r.LastError)
			}
		}
	}
	return healthy == len(recordings)+len(Alerts())
}
