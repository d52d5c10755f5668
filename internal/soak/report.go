package main

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/maculamesh/macula/load/churn"
)

// report is a run as report.json has it.
type report struct {
	Begun   string       `json:"begun"`
	Config  settings     `json:"config"`
	Machine string       `json:"machine"`
	Verdict verdict      `json:"verdict"`
	Load    churn.Counts `json:"load"`
	Nodes   []*watched   `json:"nodes"`
	Ends    []ending     `json:"ends"`
	Error   string       `json:"error"` // that ended the run before its time, or what the nodes left behind
}

// settings are the options that matter for what was measured.
type settings struct {
	For     string  `json:"for"`
	Warm    string  `json:"warm"`
	Every   string  `json:"every"`
	Pool    int     `json:"pool"`
	Clients int     `json:"clients"`
	Rate    float64 `json:"rate"`
	Stay    string  `json:"stay"`
	Most    int     `json:"most"`
	Plant   int     `json:"plant"`
}

// ending is what a node had done by the end of the run.
type ending struct {
	Name      string `json:"name"`
	Served    uint64 `json:"served"`
	Evicted   uint64 `json:"evicted"`
	PeersIn   uint64 `json:"peers_admitted"`
	Attached  uint64 `json:"clients_admitted"`
	Refused   uint64 `json:"clients_refused"`
	Expired   uint64 `json:"services_expired"`
	Full      uint64 `json:"services_refused"`
	Removed   uint64 `json:"removed_by_cleanup"`
	Failovers uint64 `json:"failovers"`
	Panics    uint64 `json:"panics"`
}

// report judges the run. An error that ended it is part of the verdict.
func (s *soak) report(counts churn.Counts, err error) *report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &report{
		Begun: s.begun.UTC().Format(time.RFC3339),
		Config: settings{
			For: s.o.length.String(), Warm: s.o.warm.String(), Every: s.o.every.String(), Pool: s.o.pool, Clients: s.o.clients,
			Rate: s.o.rate, Stay: s.o.stay.String(), Most: s.o.most, Plant: s.o.plant,
		},
		Machine: fmt.Sprintf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()),
		Load:    counts, Nodes: s.held,
	}
	for i, st := range s.last {
		e := ending{
			Name: s.nodes[i].Name, Served: st.Server.Served, Evicted: st.Pool.Evicted, PeersIn: st.Pool.Admitted,
			Attached: st.Clients.Admitted, Refused: st.Clients.Refused, Expired: st.Registry.Expired, Full: st.Registry.Refused,
			Removed: st.Cleanup.Removed, Failovers: st.Caller.Failovers, Panics: st.Server.Panics,
		}
		r.Ends = append(r.Ends, e)
	}
	if err != nil {
		r.Error = err.Error()
	}
	r.judge()
	return r
}

// judge makes the verdict from all the rest.
func (r *report) judge() {
	v := judge(r.Nodes)
	for _, e := range r.Ends {
		v.add(e.Panics == 0, e.Name, "no handler panics", "%d do", e.Panics)
	}
	saw := "none was"
	if r.Load.Wrong > 0 {
		saw = fmt.Sprintf("%d, first: %s", r.Load.Wrong, r.Load.Saw)
	}
	v.add(r.Load.Wrong == 0, "", "no answer is wrong, and whoever is refused is told when to come again", "%s", saw)
	saw = cmp.Or(r.Error, "nothing was left of any of them")
	v.add(r.Error == "", "", "the run comes to its end, and the nodes leave nothing behind", "%s", saw)
	r.Verdict = v
}

// recall reads a report.json and judges it again.
func recall(file string) (*report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(report)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	r.judge()
	return r, nil
}

// write puts report.json, report.html and chart.svg into a folder.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "report.json"), data, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "chart.svg"), []byte(r.svg()), 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		return err
	}
	if err := r.html(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Parse(page))

// html writes the page, which needs nothing but itself.
func (r *report) html(w io.Writer) error {
	type group struct {
		Title  string
		Charts []template.HTML
	}
	var groups []group
	for _, x := range all {
		g := group{Title: x.title}
		for _, c := range r.charts(x) {
			g.Charts = append(g.Charts, template.HTML(c.draw(panelWide, panelHigh)))
		}
		if len(g.Charts) > 0 {
			groups = append(groups, g)
		}
	}
	return pageTemplate.Execute(w, map[string]any{
		"R": r, "Groups": groups, "Rows": r.table(), "Failed": r.Verdict.failed(), "Took": r.took(),
	})
}

// row is one line of the table: a series of a node at both rests, and how it
// went under load.
type row struct{ Node, Series, Before, After, Slope, Range string }

// table is what the verdict is made from, as far as it is numbers.
func (r *report) table() []row {
	var out []row
	for _, w := range r.Nodes {
		late := w.late()
		for i := range all {
			x := &all[i]
			if x.key == "rss" && level(w.Samples, x.read).value == 0 {
				continue
			}
			y := row{Node: w.Name, Series: x.title, Before: "-", After: "-", Slope: "-", Range: "-"}
			if p, ok := w.atRest(x, false); ok {
				y.Before = x.print(p.value)
			}
			if p, ok := w.atRest(x, true); ok {
				y.After = x.print(p.value)
			}
			if k := slopeOf(points(late, x.read)); k.Points > 0 {
				y.Slope = x.printRate(k.PerSecond)
				y.Range = x.printRate(k.Low) + " to " + x.printRate(k.High)
			}
			out = append(out, y)
		}
	}
	return out
}

// print prints a value of the series.
func (x *series) print(v float64) string {
	if x.unit == "bytes" {
		return size(v)
	}
	return fmt.Sprintf("%.0f", v)
}

// printRate prints a slope of the series.
func (x *series) printRate(v float64) string {
	if x.unit == "bytes" {
		return rate(v)
	}
	return fmt.Sprintf("%.1f/h", v*3600)
}

// sees is the slowest leak in bytes a second that the rests would show.
func (r *report) sees() float64 {
	most := 0.0
	for _, w := range r.Nodes {
		a, ok := w.atRest(find("heap_live"), false)
		b, ok2 := w.atRest(find("heap_live"), true)
		if ok && ok2 {
			most = max(most, restBound(b.at-a.at)/(b.at-a.at))
		}
	}
	return most
}

// took is how long the nodes were watched.
func (r *report) took() string {
	last := 0.0
	for _, w := range r.Nodes {
		if n := len(w.Samples); n > 0 {
			last = max(last, w.Samples[n-1].At)
		}
	}
	return seconds(last).String()
}

// summary prints what fits on a screen.
func (r *report) summary(out io.Writer, dir string) {
	fmt.Fprintf(out, "\n%-4s %24s %24s %16s %16s %12s %18s\n", "node", "live heap at rest", "resident at rest", "goroutines", "descriptors", "leases", "heap under load")
	for _, w := range r.Nodes {
		both := func(key string) string {
			x := find(key)
			a, _ := w.atRest(x, false)
			b, _ := w.atRest(x, true)
			return x.print(a.value) + " -> " + x.print(b.value)
		}
		k := slopeOf(points(w.late(), find("heap_live").read))
		fmt.Fprintf(out, "%-4s %24s %24s %16s %16s %12s %18s\n", w.Name, both("heap_live"), both("rss"), both("goroutines"), both("descriptors"), both("leases"), rate(k.PerSecond))
	}
	c := &r.Load
	fmt.Fprintf(out, "\nload: %d calls (%d answered, %d large, %d cancelled, %d late, %d not found, %d lost), %d clients let in and %d refused, %d peers,\n",
		c.Calls, c.Answered, c.Large, c.Cancelled, c.Deadline, c.NotFound, c.Lost, c.Attached, c.Refused, c.Joined)
	fmt.Fprintf(out, "      %d said goodbye, %d vanished, %d dropped, %d superseded; %d services advertised, %d withdrawn, %d left to expire, %d refused\n",
		c.Left, c.Vanished, c.Dropped, c.Superseded, c.Advertised, c.Withdrawn, c.Expired, c.Full)
	for _, e := range r.Ends {
		fmt.Fprintf(out, "%s:   %d calls served, %d peers admitted, %d evicted; %d clients admitted, %d refused; %d services expired, %d refused\n",
			e.Name, e.Served, e.PeersIn, e.Evicted, e.Attached, e.Refused, e.Expired, e.Full)
	}
	fmt.Fprintln(out)
	failed := r.Verdict.failed()
	for _, f := range failed {
		fmt.Fprintf(out, "RED    %s\n       %s\n", strings.TrimSpace(f.Node+" "+f.What), f.Saw)
	}
	if r.Verdict.Flat {
		fmt.Fprintf(out, "GREEN  nothing grows: %d findings in %s; a leak of %s would be red\n", len(r.Verdict.Findings), r.took(), rate(r.sees()))
	} else {
		fmt.Fprintf(out, "RED    %d of %d findings, in %s\n", len(failed), len(r.Verdict.Findings), r.took())
	}
	fmt.Fprintf(out, "report: %s\n", filepath.Join(dir, "report.html"))
}
