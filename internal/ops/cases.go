package ops

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// series are metrics and their values in the notation of promtool; every one
// is of the node n1:4434 of the job macula unless it says otherwise.
type series map[string]string

type labels map[string]string

// Case is a test of an alert: these series, and what is to be seen at a time.
type Case struct {
	Series  series
	Every   string // between two values; 1m
	At      string
	Value   string // that of {{ $value }} in the texts, as Prometheus writes it
	Labels  labels // of the alert, beside job, instance and severity
	Without string // a label that the alert does not have
}

var valueOf = regexp.MustCompile(`\{\{ \$value[^}]*\}\}`)

// ruleTests writes the unit tests of all alerts for promtool.
func ruleTests(rules string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s# Run: promtool test rules macula.rules_test.yml\nrule_files:\n  - %s\nevaluation_interval: 1m\ntests:\n", generated, rules)
	for _, g := range Groups() {
		for i := range g.Alerts {
			a := &g.Alerts[i]
			a.Fires.write(&b, a, true)
			a.Quiet.write(&b, a, false)
		}
	}
	return b.Bytes()
}

func (c *Case) write(b *bytes.Buffer, a *Alert, fires bool) {
	name := a.Name + " does not fire"
	if fires {
		name = a.Name + " fires"
	}
	fmt.Fprintf(b, "  - name: %s\n    interval: %s\n    input_series:\n", name, cmp.Or(c.Every, "1m"))
	for _, s := range slices.Sorted(maps.Keys(c.Series)) {
		fmt.Fprintf(b, "      - series: %s\n        values: %s\n", text(ofNode(s)), text(c.Series[s]))
	}
	fmt.Fprintf(b, "    alert_rule_test:\n      - eval_time: %s\n        alertname: %s\n", c.At, a.Name)
	if !fires {
		fmt.Fprintf(b, "        exp_alerts: []\n")
		return
	}
	with := labels{"job": "macula", "instance": "n1:4434", "severity": a.Severity}
	maps.Copy(with, c.Labels)
	delete(with, c.Without)
	fmt.Fprintf(b, "        exp_alerts:\n          - exp_labels:\n")
	for _, k := range slices.Sorted(maps.Keys(with)) {
		fmt.Fprintf(b, "              %s: %s\n", k, text(with[k]))
	}
	fmt.Fprintf(b, "            exp_annotations:\n              summary: %s\n              description: %s\n              runbook_url: %s\n",
		text(c.filled(a.Summary, with)), text(c.filled(a.Description, with)), a.Runbook())
}

// filled is a text as Prometheus fills it in.
func (c *Case) filled(s string, with labels) string {
	for k, v := range with {
		s = strings.ReplaceAll(s, "{{ $labels."+k+" }}", v)
	}
	return valueOf.ReplaceAllLiteralString(s, c.Value)
}

// ofNode adds the labels of the node to a series.
func ofNode(s string) string {
	name, rest, _ := strings.Cut(strings.TrimSuffix(s, "}"), "{")
	all := []string{`job="macula"`}
	if !strings.Contains(rest, "instance=") {
		all = append(all, `instance="n1:4434"`)
	}
	if rest != "" {
		all = append(all, rest)
	}
	return name + "{" + strings.Join(all, ",") + "}"
}
