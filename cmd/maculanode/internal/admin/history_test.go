package admin

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

func TestTheHistoryKeepsAnHourAndNoMore(t *testing.T) {
	h := newHistory(nil)
	for i := range 3 * maxSamples {
		h.add(&control.Status{Uptime: float64(10 * i), Server: control.Handlers{Served: uint64(20 * i)}}, nil)
	}
	all, _ := h.read()
	if len(all) != maxSamples || cap(h.samples) > 2*maxSamples || all[len(all)-1].at != 10*(3*maxSamples-1) || all[len(all)-1].at-all[0].at != 3600 {
		t.Errorf("%d samples from %v to %v, room for %d", len(all), all[0].at, all[len(all)-1].at, cap(h.samples))
	}
	for _, over := range []float64{10, 60, 3600} {
		if got := rate(all, countServed, over); got != 2 {
			t.Errorf("over %v s: %v, want 2", over, got)
		}
	}
}

func TestARateIsOfTheTimeThatItSays(t *testing.T) {
	h := newHistory(nil)
	served := uint64(0)
	for i := range 100 {
		if i >= 94 {
			served += 100 // ten a second for the last minute
		}
		h.add(&control.Status{Uptime: float64(10 * i), Server: control.Handlers{Served: served}}, nil)
	}
	all, _ := h.read()
	if short, long := rate(all, countServed, 60), rate(all, countServed, 600); short != 10 || long != 1 {
		t.Errorf("%v over a minute, %v over ten", short, long)
	}
	if got := rate(all[:1], countServed, 10); !math.IsNaN(got) {
		t.Errorf("of one sample: %v", got)
	}
}

func TestTheLatencyIsOfTheCallsSinceTheSampleBefore(t *testing.T) {
	reg := prometheus.NewRegistry()
	hist := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: latencyMetric, Buckets: []float64{0.01, 0.1, 1}}, []string{"outcome"})
	reg.MustRegister(hist)
	h := newHistory(reg)
	ok := hist.WithLabelValues("ok")
	for range 1000 {
		ok.Observe(5) // before the first sample
	}
	h.add(&control.Status{}, nil)
	h.add(&control.Status{Uptime: 10}, nil)
	for range 98 {
		ok.Observe(0.005)
	}
	for range 2 {
		hist.WithLabelValues("deadline").Observe(0.5)
	}
	h.add(&control.Status{Uptime: 20}, nil)
	ok.Observe(3)
	h.add(&control.Status{Uptime: 30}, nil)
	all, _ := h.read()
	if !math.IsNaN(all[0].p99) || !math.IsNaN(all[1].p99) {
		t.Errorf("without calls: %v, %v", all[0].p99, all[1].p99)
	}
	if got := all[2].p99; math.Abs(got-0.55) > 1e-9 {
		t.Errorf("two of a hundred in the bucket up to 1 s: %v, want its middle", got)
	}
	if got := all[3].p99; got != 1 {
		t.Errorf("over the highest bound: %v", got)
	}
}

func TestAChartShowsGapsAndItsLimitWhenThatIsNear(t *testing.T) {
	c := chart{title: "Peers <x>", format: count, limit: 10, points: []point{{0, 1}, {10, 2}, {20, math.NaN()}, {30, 4}, {40, math.NaN()}, {50, 5}, {60, 6}}}
	svg := string(c.figure().SVG)
	if strings.Count(svg, "<polyline") != 2 || strings.Count(svg, "<circle") != 1 || strings.Count(svg, `class="cap"`) != 1 || strings.Contains(svg, "NaN") || strings.Contains(svg, "<x>") {
		t.Error(svg)
	}
	if !strings.Contains(svg, "over the last 1 min 0 s: from 1 to 6, now 6") {
		t.Errorf("its name does not say what it shows: %.300s", svg)
	}
	c.limit = 1000
	if f := c.figure(); strings.Contains(string(f.SVG), `class="cap"`) || f.Limit != "1,000" {
		t.Error("a limit far above makes the line flat")
	}
	for _, points := range [][]point{nil, {{5, 0}}, {{5, math.NaN()}}} {
		c := chart{title: "x", format: bytesText, unit: binary, points: points}
		if svg := string(c.figure().SVG); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%v: %s", points, svg)
		}
	}
}

func TestFiguresAreShort(t *testing.T) {
	for want, got := range map[string]string{
		"1,234,567": number(uint64(1234567)), "999": number(999), "-1,000": number(-1000),
		"412 MiB": bytesText(412 << 20), "1 GiB": bytesText(1 << 30), "0 B": bytesText(0), "1023 KiB": bytesText(1023 << 10),
		"3 d 1 h": span(3*86400 + 3700), "59 s": span(59.9), "2.5 s": span(2.5), "40 ms": span(0.04), "-1 min 0 s": span(-60),
		"–": perSecond(math.NaN()), "0.5": perSecond(0.5), "12,345": perSecond(12345.4), "< 0.01": perSecond(0.001), "10": perSecond(9.999),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestManyWhoLookCostNoMoreThanOne(t *testing.T) {
	w := serve(t, busy(), Config{Sample: time.Hour})
	first, err := w.server.current()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := w.server.current(); again != first && time.Since(first.made) < lasting {
		t.Error("the page was made twice within a moment")
	}
}
