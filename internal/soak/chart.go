package main

import (
	"fmt"
	"math"
	"strings"
)

// The size of one panel.
const (
	panelWide = 320
	panelHigh = 150
)

// Room in a panel around the plot.
const (
	roomLeft, roomRight = 52, 10
	roomTop, roomBottom = 20, 22
)

// chart is one series of one node.
type chart struct {
	title  string
	unit   string
	points []point
	bands  []band // the phases of load
	cap    float64
	top    float64 // of the axis, the same for all nodes
	last   float64 // end of the time axis
}

// band is a span of time.
type band struct{ from, to float64 }

// charts are those of one series, a node each.
func (r *report) charts(x series) []chart {
	var out []chart
	top, last := 0.0, 1.0
	for _, w := range r.Nodes {
		for i := range w.Samples {
			top, last = max(top, x.read(&w.Samples[i])), max(last, w.Samples[i].At)
		}
	}
	if top == 0 {
		return nil
	}
	for _, w := range r.Nodes {
		c := chart{title: w.Name, unit: x.unit, points: thin(points(w.Samples, x.read), 240), bands: bands(w.Samples), last: last}
		switch x.key {
		case "pool":
			c.cap = float64(w.Pool)
		case "clients":
			c.cap = float64(w.Clients)
		}
		c.top = max(top, c.cap) * 1.05
		out = append(out, c)
	}
	return out
}

// bands are the times under load.
func bands(samples []sample) []band {
	var out []band
	for i := 0; i < len(samples); {
		j := i
		for j < len(samples) && samples[j].Phase == samples[i].Phase {
			j++
		}
		if p := samples[i].Phase; p == phaseLoad || p == phaseWarm {
			out = append(out, band{samples[i].At, samples[j-1].At})
		}
		i = j
	}
	return out
}

// thin keeps about n points such that no peak and no dip is lost: of each
// span the lowest and the highest, in their order.
func thin(p []point, n int) []point {
	if len(p) <= n {
		return p
	}
	var out []point
	spans := n / 2
	for k := range spans {
		part := p[k*len(p)/spans : (k+1)*len(p)/spans]
		low, high := part[0], part[0]
		for _, q := range part {
			if q.value < low.value {
				low = q
			}
			if q.value > high.value {
				high = q
			}
		}
		switch {
		case low.at == high.at:
			out = append(out, low)
		case low.at < high.at:
			out = append(out, low, high)
		default:
			out = append(out, high, low)
		}
	}
	return out
}

// draw is the panel as an SVG element. Its colours come from classes, so that
// the page decides them.
func (c *chart) draw(wide, high int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="panel" viewBox="0 0 %d %d" role="img" aria-label="%s">`, wide, high, escape(c.title))
	c.body(&b, wide, high)
	b.WriteString(`</svg>`)
	return b.String()
}

// body is what is in the panel.
func (c *chart) body(b *strings.Builder, wide, high int) {
	w, h := float64(wide-roomLeft-roomRight), float64(high-roomTop-roomBottom)
	x := func(at float64) float64 { return roomLeft + at/c.last*w }
	y := func(v float64) float64 { return roomTop + h - v/c.top*h }
	for _, s := range c.bands {
		fmt.Fprintf(b, `<rect class="load" x="%.1f" y="%d" width="%.1f" height="%.0f"/>`, x(s.from), roomTop, x(s.to)-x(s.from), h)
	}
	for _, v := range ticks(c.top, 4, c.unit == "bytes") {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, roomLeft, wide-roomRight, y(v), y(v))
		fmt.Fprintf(b, `<text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`, roomLeft-5, y(v)+3.5, c.label(v))
	}
	step := timeStep(c.last)
	for t := 0.0; t <= c.last; t += step {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x(t), x(t), roomTop+h, roomTop+h+3)
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(t), high-7, timeLabel(t))
	}
	if c.cap > 0 {
		fmt.Fprintf(b, `<line class="cap" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, roomLeft, wide-roomRight, y(c.cap), y(c.cap))
	}
	fmt.Fprintf(b, `<polyline class="line" points="`)
	for i, p := range c.points {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(b, "%.1f,%.1f", x(p.at), y(p.value))
	}
	b.WriteString(`"/>`)
	fmt.Fprintf(b, `<text class="name" x="%d" y="13">%s</text>`, roomLeft, escape(c.title))
	if c.cap > 0 {
		fmt.Fprintf(b, `<text class="tick" x="%d" y="13" text-anchor="end">cap %.0f</text>`, wide-roomRight, c.cap)
	}
}

// label prints a value of the axis, short.
func (c *chart) label(v float64) string {
	if c.unit != "bytes" {
		return fmt.Sprintf("%.0f", v)
	}
	switch {
	case v == 0:
		return "0"
	case v < 1<<20:
		return fmt.Sprintf("%.0f KiB", v/1024)
	}
	return fmt.Sprintf("%.3g MiB", v/(1<<20))
}

// ticks are round values from zero to below top, about n of them.
func ticks(top float64, n int, binary bool) []float64 {
	unit := 1.0
	if binary {
		for unit*1024 < top {
			unit *= 1024
		}
	}
	raw := top / unit / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, k := range []float64{1, 2, 5, 10} {
		if k*step >= raw {
			step *= k
			break
		}
	}
	if !binary {
		step = max(step, 1)
	}
	var out []float64
	for v := 0.0; v < top; v += step * unit {
		out = append(out, v)
	}
	return out
}

// timeStep is a round number of seconds that cuts a time into three to six.
func timeStep(last float64) float64 {
	for _, s := range []float64{30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 4 * 3600, 6 * 3600, 12 * 3600} {
		if last/s <= 5 {
			return s
		}
	}
	return 24 * 3600
}

func timeLabel(t float64) string {
	switch {
	case t == 0:
		return "0"
	case t < 120 && math.Mod(t, 60) != 0:
		return fmt.Sprintf("%.0f s", t)
	case t < 7200:
		return fmt.Sprintf("%.3g min", t/60)
	}
	return fmt.Sprintf("%.3g h", t/3600)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

// shown are the series of the picture that stands alone.
var shown = []string{"heap_live", "rss", "goroutines", "descriptors", "ledger_bytes", "pool", "clients"}

// svg is the picture of the run that stands alone: a row for each series, a
// column for each node.
func (r *report) svg() string {
	const head, row = 24, panelHigh + 26
	var b strings.Builder
	wide := panelWide * max(1, len(r.Nodes))
	var rows []series
	for _, x := range all {
		for _, key := range shown {
			if x.key == key && len(r.charts(x)) > 0 {
				rows = append(rows, x)
			}
		}
	}
	high := head + row*len(rows)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif"><style>%s</style><rect class="page" width="%d" height="%d"/>`, wide, high, svgStyle, wide, high)
	for k, x := range rows {
		fmt.Fprintf(&b, `<text class="head" x="8" y="%d">%s</text>`, head+k*row-4, escape(x.title))
		for i, c := range r.charts(x) {
			fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, i*panelWide, head+k*row)
			c.body(&b, panelWide, panelHigh)
			b.WriteString(`</g>`)
		}
	}
	b.WriteString(`</svg>`)
	return b.String()
}

// svgStyle are the colours of the picture that stands alone, for both kinds of
// background.
const svgStyle = `.page{fill:#fff}.load{fill:#eef2f7}.grid{stroke:#d5dae1;stroke-width:1}.tick{font-size:10px;fill:#5b6472}.name{font-size:12px;font-weight:600;fill:#1d2430}.head{font-size:14px;font-weight:600;fill:#1d2430}.line{fill:none;stroke:#1f6feb;stroke-width:1.4;stroke-linejoin:round}.cap{stroke:#c2410c;stroke-width:1.2;stroke-dasharray:5 3}@media(prefers-color-scheme:dark){.page{fill:#12161c}.load{fill:#1b222c}.grid{stroke:#323b48}.tick{fill:#9aa5b4}.name,.head{fill:#e7ebf0}.line{stroke:#6ea8fe}.cap{stroke:#f59e6b}}`
