package ops

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write the files under deploy/prometheus and deploy/grafana")

const root = "../.."

func TestGoldenFilesAreThoseOfTheTables(t *testing.T) {
	for name, want := range Files() {
		path := filepath.Join(root, filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the tables say: go test ./internal/ops -run Golden -update (%v)", name, err)
		}
	}
}

func TestEveryFileIsWhatItsNameSays(t *testing.T) {
	for name, data := range Files() {
		var err error
		var v any
		if strings.HasSuffix(name, ".json") {
			err = json.Unmarshal(data, &v)
		} else {
			err = yaml.UnmarshalWithOptions(data, &v, yaml.Strict())
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// expressions returns every expression with where it stands.
func expressions() map[string]string {
	all := map[string]string{}
	for _, r := range recordings {
		all[r.Name] = r.Expr
	}
	for _, a := range Alerts() {
		all[a.Name] = a.Expr
	}
	for _, b := range []*board{overview(), nodeBoard()} {
		for _, e := range b.queries() {
			all[b.Title+": "+e] = e
		}
	}
	return all
}

func TestEveryMetricOfAnExpressionIsOneOfANode(t *testing.T) {
	used := map[string]bool{}
	for where, expr := range expressions() {
		names := metricsOf(expr)
		if len(names) == 0 && !strings.Contains(expr, "ALERTS") {
			t.Errorf("%s reads no metric: %s", where, expr)
		}
		for _, name := range names {
			used[name] = true
			if name != "up" && !slices.Contains(metricNames, name) {
				t.Errorf("%s reads %s, which no node has", where, name)
			}
		}
	}
	for _, name := range metricNames {
		if !used[name] {
			t.Errorf("%s is on no dashboard and in no rule", name)
		}
	}
}

func TestTheMetricsOfAnExpressionAreFound(t *testing.T) {
	for expr, want := range map[string]string{
		`up{job="macula_x"} == 0`: "up",
		`histogram_quantile(0.9, sum by (le) (rate(macula_rpc_call_duration_seconds_bucket[5m])))`: "macula_rpc_call_duration_seconds",
		`macula:table_used:ratio{table="macula_clients"} > 0.9`:                                    "macula_table_entries macula_table_limit",
		`macula:no_such_rule > go_goroutines + process_open_fds`:                                   "go_goroutines macula:no_such_rule process_open_fds",
	} {
		if got := strings.Join(metricsOf(expr), " "); got != want {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
}

func TestEveryAlertHasATextAndCasesForBothSides(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Alerts() {
		if seen[a.Name] || !strings.HasPrefix(a.Name, "Macula") {
			t.Errorf("%s: the name is taken or lacks the prefix Macula", a.Name)
		}
		seen[a.Name] = true
		if !slices.Contains([]string{critical, warning, info}, a.Severity) || a.Summary == "" || a.Description == "" {
			t.Errorf("%s: severity %q, summary %q, description %q", a.Name, a.Severity, a.Summary, a.Description)
		}
		for _, c := range []Case{a.Fires, a.Quiet} {
			if len(c.Series) == 0 || c.At == "" {
				t.Errorf("%s lacks a case", a.Name)
			}
		}
	}
}

// heading is an alert's section among the runbooks.
var heading = regexp.MustCompile(`(?m)^### (Macula\w+)$`)

func TestEveryAlertHasARunbookAndEveryRunbookAnAlert(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docs", "RUNBOOKS.md"))
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, m := range heading.FindAllStringSubmatch(string(data), -1) {
		have = append(have, m[1])
	}
	for _, a := range Alerts() {
		want = append(want, a.Name)
		if !slices.Contains(have, a.Name) {
			t.Errorf("docs/RUNBOOKS.md has no section %q", "### "+a.Name)
		}
	}
	for i, name := range have {
		if !slices.Contains(want, name) || slices.Contains(have[:i], name) {
			t.Errorf("docs/RUNBOOKS.md has the section %s, which is no alert or stands there twice", name)
		}
	}
}

// alertName is an alert as documents write it.
var alertName = regexp.MustCompile("`(Macula[A-Z]\\w+)`")

// testName is a Go test as documents write it.
var testName = regexp.MustCompile("`(Test[A-Z]\\w+)` in \\[[^]]*\\]\\(\\.\\./([^)]+)\\)")

func TestWhatTheDocumentsNameExists(t *testing.T) {
	for _, doc := range []string{"OPERATIONS.md", "RUNBOOKS.md"} {
		data, err := os.ReadFile(filepath.Join(root, "docs", doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range alertName.FindAllStringSubmatch(string(data), -1) {
			if !slices.ContainsFunc(Alerts(), func(a Alert) bool { return a.Name == m[1] }) {
				t.Errorf("docs/%s names the alert %s, and there is none", doc, m[1])
			}
		}
		for _, m := range testName.FindAllStringSubmatch(string(data), -1) {
			source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m[2])))
			if err != nil || !bytes.Contains(source, []byte("func "+m[1]+"(")) {
				t.Errorf("docs/%s names the test %s in %s, and there is none", doc, m[1], m[2])
			}
		}
	}
}

var (
	// keyName is a key of the configuration, or something else of that form.
	keyName = regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`")
	// noKeys are words of that form that are labels, attributes, or the kernel's.
	noKeys = []string{"left_out", "limit_lowered", "not_found", "wmem_max"}
)

func TestKeysAndMetricsInTheDocumentsExist(t *testing.T) {
	keys, err := os.ReadFile(filepath.Join(root, "docs", "CONFIGURATION.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"OPERATIONS.md", "RUNBOOKS.md"} {
		data, err := os.ReadFile(filepath.Join(root, "docs", doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range keyName.FindAllStringSubmatch(string(data), -1) {
			if !strings.HasPrefix(m[1], "macula_") && !slices.Contains(noKeys, m[1]) && !bytes.Contains(keys, []byte("`"+m[1]+"`")) {
				t.Errorf("docs/%s names the key %s, which docs/CONFIGURATION.md does not have", doc, m[1])
			}
		}
		for _, name := range metricsOf(string(data)) {
			if strings.HasPrefix(name, "macula_") && !slices.Contains(metricNames, name) {
				t.Errorf("docs/%s names the metric %s, which no node has", doc, name)
			}
		}
	}
}

// The checklist that the mesh is operated by: each row needs its alert and its
// tests.
func TestTheChecklistIsWhole(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docs", "OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "## Checklist")
	table, _, _ := strings.Cut(rest, "\n## ")
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| must hold") {
			continue
		}
		rows++
		if !alertName.MatchString(line) || !testName.MatchString(line) {
			t.Errorf("the row of the checklist lacks an alert or a test: %s", line)
		}
	}
	if rows < 7 {
		t.Errorf("the checklist has %d rows, want at least 7", rows)
	}
}
