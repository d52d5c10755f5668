package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/maculamesh/macula/load/churn"
)

func madeReport() *report {
	nodes := madeRun(1800, nil)
	r := &report{Nodes: nodes, Verdict: judge(nodes), Load: churn.Counts{Calls: 17}, Ends: []ending{{Name: "n0", Served: 4711}}}
	r.Config.For = "30m0s"
	return r
}

// wellFormed reads all of the markup.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%v near %q", err, text[max(0, d.InputOffset()-80):d.InputOffset()])
		}
	}
}

func TestThePictureIsWellFormedAndSmall(t *testing.T) {
	text := madeReport().svg()
	wellFormed(t, text)
	for _, want := range []string{"live heap", "resident memory", "cap 50", "cap 8", "MiB", "min<"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := len(text); n > 40_000 { // one node of four
		t.Errorf("%d bytes", n)
	}
}

func TestThePageNeedsNothingButItself(t *testing.T) {
	var b bytes.Buffer
	if err := madeReport().html(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"flat", "4711", "prefers-color-scheme: dark", "goroutines", "<svg", "30m0s", "live heap at rest is what it was before"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, other := range []string{"http://", "https://", "<script", "src=", "@import"} {
		if strings.Contains(text, other) {
			t.Errorf("%q is in the page", other)
		}
	}
	bad := madeReport()
	bad.Verdict.add(false, "n<1>", "a thing & another", "it is \"so\"")
	b.Reset()
	if err := bad.html(&b); err != nil || strings.Contains(b.String(), "n<1>") || !strings.Contains(b.String(), "Not as it should be") {
		t.Errorf("a red report: %v", err)
	}
}

func TestAReportOfNothingCanBeDrawn(t *testing.T) {
	r := &report{Nodes: []*watched{{Name: "n0"}}}
	r.Verdict = judge(r.Nodes)
	wellFormed(t, r.svg())
	var b bytes.Buffer
	if err := r.html(&b); err != nil || r.Verdict.Flat {
		t.Errorf("flat %v, %v", r.Verdict.Flat, err)
	}
	r.summary(&b, "out")
}

func TestThinningKeepsPeaksAndDips(t *testing.T) {
	p := make([]point, 10_000)
	for i := range p {
		p[i] = point{float64(i), 5}
	}
	p[4321].value, p[7777].value = 99, -3
	out := thin(p, 240)
	high, low := false, false
	for i, q := range out {
		high, low = high || q.value == 99, low || q.value == -3
		if i > 0 && q.at <= out[i-1].at {
			t.Fatalf("out of order at %d", i)
		}
	}
	if !high || !low || len(out) > 240 {
		t.Errorf("peak %v, dip %v, %d points", high, low, len(out))
	}
	if got := thin(p[:100], 240); len(got) != 100 {
		t.Errorf("few points: %d", len(got))
	}
}

func TestAxesHaveRoundNumbers(t *testing.T) {
	for _, top := range []float64{0.5, 1, 3, 8.4, 13, 340, 105_000, 5 << 20, 31 << 20} {
		for _, binary := range []bool{false, true} {
			v := ticks(top, 4, binary)
			if len(v) < 1 || len(v) > 6 || v[0] != 0 || v[len(v)-1] >= top {
				t.Errorf("up to %v (%v): %v", top, binary, v)
			}
		}
	}
	for _, last := range []float64{45, 252, 420, 2200, 10_000, 90_000, 180_000} {
		if n := last / timeStep(last); n > 5 || n < 1 && last > 60 {
			t.Errorf("%v s: %v steps", last, n)
		}
	}
}
