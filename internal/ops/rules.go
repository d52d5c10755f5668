package ops

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// runbooks is where the headings are that the alerts link to.
const runbooks = "https://github.com/maculamesh/macula/blob/main/docs/RUNBOOKS.md"

// Runbook is the address of the alert's section.
func (a *Alert) Runbook() string { return runbooks + "#" + strings.ToLower(a.Name) }

const generated = "# Made by internal/ops: go test ./internal/ops -run Golden -update\n"

// rules writes the file for rule_files of Prometheus.
func rules() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sgroups:\n  - name: macula-recorded\n    rules:\n", generated)
	for _, r := range recordings {
		fmt.Fprintf(&b, "      - record: %s\n        expr: |-\n%s", r.Name, indented(10, r.Expr))
	}
	for _, g := range Groups() {
		fmt.Fprintf(&b, "  - name: %s\n    rules:\n", g.Name)
		for i := range g.Alerts {
			a := &g.Alerts[i]
			fmt.Fprintf(&b, "      - alert: %s\n        expr: |-\n%s", a.Name, indented(10, a.Expr))
			if a.For != "" {
				fmt.Fprintf(&b, "        for: %s\n", a.For)
			}
			fmt.Fprintf(&b, "        labels:\n          severity: %s\n", a.Severity)
			fmt.Fprintf(&b, "        annotations:\n          summary: %s\n          description: %s\n          runbook_url: %s\n",
				text(a.Summary), text(a.Description), a.Runbook())
		}
	}
	return b.Bytes()
}

// text is a string of YAML.
func text(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // of a string
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func indented(by int, lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString(strings.Repeat(" ", by) + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}
