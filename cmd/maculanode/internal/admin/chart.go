package admin

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The size of a chart, and the room around its plot.
const (
	chartWide, chartHigh = 320, 132
	roomLeft, roomRight  = 50, 8
	roomTop, roomBottom  = 8, 20
)

// chart is one series of the last hour.
type chart struct {
	title  string
	format func(float64) string
	unit   unit
	limit  float64 // 0: none
	points []point // in their order; NaN makes a gap
}

// unit says which values are round.
type unit int

const (
	decimal unit = iota
	whole        // there are no halves
	binary       // powers of two
)

type point struct{ at, value float64 }

// figure is a chart as the page has it.
type figure struct {
	Title string
	Now   string // the latest value
	Limit string // empty: none
	SVG   template.HTML
}

// shortest is the least time that the axis covers, in seconds.
const shortest = 300

// figure draws the chart. Its colours come from classes, so that the page
// decides them.
func (c *chart) figure() figure {
	f := figure{Title: c.title, Now: "nothing yet"}
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range c.points {
		if !math.IsNaN(p.value) {
			low, high = min(low, p.value), max(high, p.value)
			f.Now = c.format(p.value)
		}
	}
	if c.limit > 0 {
		f.Limit = c.format(c.limit)
	}
	last, from := shortest*1.0, 0.0
	if n := len(c.points); n > 0 {
		last = c.points[n-1].at
		from = min(c.points[0].at, last-shortest)
	}
	label := fmt.Sprintf("%s: no value yet", c.title)
	top := 0.0
	if low <= high {
		label = fmt.Sprintf("%s over the last %s: from %s to %s, now %s", c.title, span(last-c.points[0].at), c.format(low), c.format(high), f.Now)
		top = high
	}
	near := c.limit > 0 && high >= c.limit/3 // else the line would lie on the ground
	if near {
		top = max(top, c.limit)
	}
	if top <= 0 {
		top = 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWide, chartHigh, template.HTMLEscapeString(label))
	c.axes(&b, top*1.08, from, last, near)
	c.lines(&b, top*1.08, from, last)
	b.WriteString(`</svg>`)
	f.SVG = template.HTML(b.String())
	return f
}

const (
	plotWide = chartWide - roomLeft - roomRight
	plotHigh = chartHigh - roomTop - roomBottom
)

func (c *chart) axes(b *strings.Builder, top, from, last float64, limit bool) {
	y := func(v float64) float64 { return roomTop + plotHigh*(1-v/top) }
	for _, v := range ticks(top, 4, c.unit) {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, roomLeft, chartWide-roomRight, y(v), y(v))
		fmt.Fprintf(b, `<text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`, roomLeft-5, y(v)+3.5, template.HTMLEscapeString(c.format(v)))
	}
	step := timeStep(last - from)
	for ago := 0.0; ago <= last-from; ago += step {
		x, anchor := roomLeft+plotWide*(1-ago/(last-from)), "middle"
		if ago == 0 {
			anchor = "end"
		}
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, roomTop+plotHigh, roomTop+plotHigh+3)
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%d" text-anchor="%s">%s</text>`, x, chartHigh-5, anchor, agoLabel(ago))
	}
	if limit {
		fmt.Fprintf(b, `<line class="cap" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, roomLeft, chartWide-roomRight, y(c.limit), y(c.limit))
	}
}

// lines draws the points; a value that stands alone is a dot.
func (c *chart) lines(b *strings.Builder, top, from, last float64) {
	var run []string
	flush := func() {
		switch len(run) {
		case 0:
			return
		case 1:
			x, y, _ := strings.Cut(run[0], ",")
			fmt.Fprintf(b, `<circle class="dot" cx="%s" cy="%s" r="1.6"/>`, x, y)
		default:
			fmt.Fprintf(b, `<polyline class="line" points="%s"/>`, strings.Join(run, " "))
		}
		run = nil
	}
	for _, p := range c.points {
		if math.IsNaN(p.value) {
			flush()
			continue
		}
		x := roomLeft + plotWide*(1-(last-p.at)/(last-from))
		run = append(run, fmt.Sprintf("%.1f,%.1f", x, roomTop+plotHigh*(1-p.value/top)))
	}
	flush()
}

// ticks are round values from zero to below top, about n of them.
func ticks(top float64, n int, u unit) []float64 {
	size := 1.0
	for u == binary && size*1024 < top {
		size *= 1024
	}
	raw := top / size / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, k := range []float64{1, 2, 5, 10} {
		if k*step >= raw {
			step *= k
			break
		}
	}
	if u == whole {
		step = max(step, 1)
	}
	var out []float64
	for i := 0; float64(i)*step*size < top; i++ {
		out = append(out, float64(i)*step*size)
	}
	return out
}

// timeStep is a round number of seconds that cuts a time into three to six.
func timeStep(took float64) float64 {
	for _, s := range []float64{60, 120, 300, 600, 900} {
		if took/s <= 5 {
			return s
		}
	}
	return 900
}

func agoLabel(ago float64) string {
	if ago == 0 {
		return "now"
	}
	return fmt.Sprintf("−%.0f min", ago/60)
}

// charts are those of the page.
func charts(all []sample, limits map[string]int) []figure {
	series := func(title string, format func(float64) string, u unit, of func(i int) float64) figure {
		c := chart{title: title, format: format, unit: u, limit: float64(limits[title])}
		for i := range all {
			c.points = append(c.points, point{all[i].at, of(i)})
		}
		return c.figure()
	}
	counted := func(counter int) func(i int) float64 {
		return func(i int) float64 {
			if i == 0 {
				return math.NaN()
			}
			return slope(&all[i-1], &all[i], counter)
		}
	}
	return []figure{
		series("Peers", count, whole, func(i int) float64 { return all[i].peers }),
		series("Clients", count, whole, func(i int) float64 { return all[i].clients }),
		series("Services known", count, whole, func(i int) float64 { return all[i].known }),
		series("Calls answered a second", perSecond, decimal, counted(countServed)),
		series("Calls made a second", perSecond, decimal, counted(countMade)),
		series("Latency of calls, p99", latencyText, decimal, func(i int) float64 { return all[i].p99 }),
		series("Heap", bytesText, binary, func(i int) float64 { return all[i].heap }),
		series("Goroutines", count, whole, func(i int) float64 { return all[i].tasks }),
	}
}
