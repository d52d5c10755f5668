// Package ops makes what an operator loads into Prometheus and Grafana: alert
// and recording rules, their unit tests for promtool, an example of a scrape
// configuration, and dashboards.
//
// The tables of this package are the source and the files under deploy/ are
// written from them: "go test ./internal/ops -run Golden -update". What an
// alert means to whoever is woken by it stands in docs/RUNBOOKS.md.
package ops

import "maps"

// Files returns everything that is generated, by its path relative to the
// root of the repository. It panics when a table of this package is wrong.
func Files() map[string][]byte {
	files := map[string][]byte{
		"deploy/prometheus/macula.rules.yml":      rules(),
		"deploy/prometheus/macula.rules_test.yml": ruleTests("macula.rules.yml"),
		"deploy/prometheus/prometheus.yml":        Scrape(exampleScrape()),
		"deploy/grafana/macula-overview.json":     overview().encoded(),
		"deploy/grafana/macula-node.json":         nodeBoard().encoded(),
	}
	maps.Copy(files, provisioning())
	return files
}
