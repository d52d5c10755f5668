package ops

import (
	"bytes"
	"fmt"
)

// Scraping says which nodes Prometheus asks, and how.
type Scraping struct {
	Targets  []string // the admin addresses of the nodes, HOST:PORT
	Token    string   // the file with the token of the admin addresses; empty: none is needed
	Interval string   // between two scrapes
	Rules    string   // the file of the rules
}

func exampleScrape() Scraping {
	return Scraping{
		Targets: []string{"n1:4434", "n2:4434", "n3:4434", "n4:4434"},
		Token:   "admin.token", Interval: "15s", Rules: "macula.rules.yml",
	}
}

// Scrape returns a configuration for Prometheus. The job is macula: the rules
// find what has no prefix of its own by that.
func Scrape(s Scraping) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sglobal:\n  scrape_interval: %s\n  evaluation_interval: %s\n\nrule_files:\n  - %s\n\n", generated, s.Interval, s.Interval, s.Rules)
	fmt.Fprintf(&b, "scrape_configs:\n  - job_name: macula\n")
	if s.Token != "" {
		fmt.Fprintf(&b, "    # The token of admin_token_file; an admin address of the loopback needs none.\n")
		fmt.Fprintf(&b, "    authorization:\n      credentials_file: %s\n", s.Token)
	}
	fmt.Fprintf(&b, "    static_configs:\n      - targets:\n")
	for _, t := range s.Targets {
		fmt.Fprintf(&b, "          - %s\n", t)
	}
	return b.Bytes()
}

// provisioning returns what makes a Grafana find Prometheus and the
// dashboards by itself.
func provisioning() map[string][]byte {
	return map[string][]byte{
		"deploy/grafana/provisioning/datasources/prometheus.yml": []byte(generated + `apiVersion: 1
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: http://prometheus:9090
    isDefault: true
    jsonData:
      timeInterval: 15s
`),
		"deploy/grafana/provisioning/dashboards/macula.yml": []byte(generated + `apiVersion: 1
providers:
  - name: macula
    folder: Macula
    type: file
    allowUiUpdates: false
    options:
      path: /var/lib/grafana-dashboards/macula
`),
	}
}
