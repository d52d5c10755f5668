package view

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"math/bits"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim"
)

// sample is a run with something of everything, and with extreme values.
func sample() *Run {
	records := []sim.Record{
		{Decision: 1, Kind: sim.KindMachine, Machine: "director", A: math.MaxUint64},
		{Decision: 2, Kind: sim.KindMachine, Machine: "n0", A: 1 << 63},
		{Decision: 3, Kind: sim.KindMachine, Machine: "n1", A: 7},
		{Decision: 4, Event: 1, Kind: sim.KindPick, Machine: "n0", Task: "link/flush", TaskID: 12, A: 12, B: uint64(sim.KindTimer)<<56 | 9},
		{Decision: 5, Event: 1, Kind: sim.KindRand, Machine: "n0", Task: "link/flush", TaskID: 12, A: math.MaxUint64, B: math.MaxUint64},
		{Decision: 6, Event: 2, At: 1500, Kind: sim.KindTimer, Machine: "n1", A: 3},
		{Decision: 6, Event: 2, At: 1500, Kind: sim.KindLog, Machine: "n1", Text: `level=WARN msg="</script><b>no</b>" to=` + "http" + `://example.org/`},
		{Decision: 7, Event: 3, At: 20 * time.Millisecond, Kind: sim.KindDeliver, Machine: "n1", Peer: "n0", Took: 19_999_000, A: 1 << 32, B: 1<<56 | 500, Text: "data to 500, stream 4 of #1"},
		{Decision: 8, Event: 3, At: 20 * time.Millisecond, Kind: sim.KindDrop, Machine: "n0", Peer: "n1", A: 1 << 32, B: 1 << 56},
		{Decision: 9, Event: 4, At: 30 * time.Hour, Kind: sim.KindCrash, Machine: "n1", Task: "scenario", TaskID: 1, A: 1},
		{Decision: 10, Event: 4, At: 30 * time.Hour, Kind: sim.KindFault, Text: "heal all"},
	}
	return &Run{
		Scenario: "mesh-4", Seed: math.MaxUint64, Strategy: "random", Params: []string{"nodes=2"}, Hash: 0xabc, Version: "v1",
		Again: "simrun run mesh-4", Plan: []string{"plan mesh-4", "  at 4s crash n1"}, Facts: []string{"3 calls"},
		Machines: []string{"n0", "n1", "director"}, Events: 4, Simulated: 30 * time.Hour, Records: records,
		Failure: &Failure{Property: "pool", Saw: "9 > 8", Event: 4, At: 30 * time.Hour, Waiting: []string{"n0 waits"}, Leaks: []string{"task at a.go:1"}},
		Gauges: []Series{
			{Name: "n0 pool", Limit: 8, Points: []Point{{0, 0, 1}, {1500, 2, 9}, {1600, 2, 0}}},
			{Name: "calls", Limit: -1, Thinned: true, Points: []Point{{10, 1, -4}}},
		},
	}
}

// decoder reads what encode has written, as page/data.js does.
type decoder struct {
	t    *testing.T
	data []byte
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		d.t.Fatal("a varint is cut off")
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.data)
	if n <= 0 {
		d.t.Fatal("a varint is cut off")
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) block() *decoder {
	n := d.uint()
	b := d.data[:n]
	d.data = d.data[n:]
	return &decoder{d.t, b}
}

func decode(t *testing.T, packed []byte) (head, []sim.Record, []Series) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	all := &decoder{t, data}
	var h head
	if err := json.Unmarshal(all.block().data, &h); err != nil {
		t.Fatal(err)
	}
	cols := map[columnName]*decoder{}
	for _, name := range h.Columns {
		cols[name] = all.block()
	}
	var records []sim.Record
	var last sim.Record
	for range h.Count {
		last = sim.Record{
			Decision: last.Decision + uint64(cols["decision"].int()), Event: last.Event + uint64(cols["event"].int()),
			At: last.At + time.Duration(cols["at"].int()), Kind: sim.Kind(cols["kind"].uint()), Machine: h.Strings[cols["machine"].uint()],
			Task: h.Strings[cols["task"].uint()], TaskID: last.TaskID + uint64(cols["taskid"].int()), A: cols["a"].uint(),
			B: bits.RotateLeft64(cols["b"].uint(), -8), Text: h.Strings[cols["text"].uint()], Peer: h.Strings[cols["peer"].uint()],
			Took: time.Duration(cols["took"].uint()),
		}
		records = append(records, last)
	}
	at, event, value := all.block(), all.block(), all.block()
	var gauges []Series
	for _, g := range h.Gauges {
		s := Series{Name: g.Name, Limit: g.Limit, Thinned: g.Thinned}
		var p Point
		for range g.Count {
			p = Point{p.At + time.Duration(at.int()), p.Event + uint64(event.int()), p.Value + int(value.int())}
			s.Points = append(s.Points, p)
		}
		gauges = append(gauges, s)
	}
	return h, records, gauges
}

func TestThePageHoldsEveryRecordAndGaugeExactly(t *testing.T) {
	run := sample()
	var out bytes.Buffer
	if err := encode(&out, run); err != nil {
		t.Fatal(err)
	}
	h, records, gauges := decode(t, out.Bytes())
	sameRecords(t, records, run.Records)
	sameGauges(t, gauges, run.Gauges)
	if h.Seed != "18446744073709551615" || h.Hash != "0000000000000abc" {
		t.Errorf("seed %s, hash %s", h.Seed, h.Hash)
	}
	if len(h.Spans) != 1 || h.Spans[0].What != "down" {
		t.Errorf("the spans are %+v", h.Spans)
	}
	if got := strings.Join(h.Machines, " "); got != "n0 n1 director" {
		t.Errorf("the lanes are %s", got)
	}
}

func sameRecords(t *testing.T, got, want []sim.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("record %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func sameGauges(t *testing.T, got, want []Series) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d gauges, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.Limit != w.Limit || g.Thinned != w.Thinned || len(g.Points) != len(w.Points) {
			t.Errorf("gauge %d: got %+v, want %+v", i, g, w)
			continue
		}
		for j := range w.Points {
			if g.Points[j] != w.Points[j] {
				t.Errorf("gauge %d, point %d: got %v, want %v", i, j, g.Points[j], w.Points[j])
			}
		}
	}
}

func TestMachinesThatTheRunDoesNotNameGetALaneToo(t *testing.T) {
	run := sample()
	run.Machines = nil
	if got := strings.Join(run.head().Machines, " "); got != "n0 n1 director" {
		t.Errorf("the lanes are %s", got)
	}
}

func pageOf(t *testing.T, run *Run) string {
	t.Helper()
	var out bytes.Buffer
	if err := HTML(&out, run); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestThePageNamesNothingOutsideOfItself(t *testing.T) {
	page := pageOf(t, sample())
	for _, bad := range []string{"://", `src="`, "@import", "url(", "import("} {
		if i := strings.Index(page, bad); i >= 0 {
			t.Errorf("the page has %q: %s", bad, page[max(0, i-40):min(len(page), i+60)])
		}
	}
	if n := len(regexp.MustCompile(`<(link|base|iframe|object|embed)\b`).FindAllString(page, -1)); n != 1 {
		t.Errorf("%d elements that load, want one: the empty icon", n)
	}
	if !strings.Contains(page, `default-src 'none'`) {
		t.Error("the page does not forbid itself to load")
	}
}

func TestThePageIsPutTogetherFromAllItsParts(t *testing.T) {
	run := sample()
	run.Title = `<b>"title"</b>`
	page := pageOf(t, run)
	if strings.Contains(page, "{{") {
		t.Error("a mark of the template is left")
	}
	if !strings.Contains(page, "<title>&lt;b&gt;") {
		t.Error("the title is not escaped")
	}
	for _, part := range []string{pageCSS, dataJS, drawJS, uiJS} {
		if !strings.Contains(page, part) {
			t.Error("a part is missing")
		}
	}
	data := regexp.MustCompile(`(?s)type="text/plain">(.*?)</script>`).FindStringSubmatch(page)
	packed, err := base64.StdEncoding.DecodeString(data[1])
	if err != nil {
		t.Fatal(err)
	}
	_, records, _ := decode(t, packed)
	sameRecords(t, records, run.Records)
}

func TestTheSameRunGivesTheSamePage(t *testing.T) {
	if pageOf(t, sample()) != pageOf(t, sample()) {
		t.Error("two pages of the same run differ")
	}
}

func TestAnEmptyRunHasAPage(t *testing.T) {
	pageOf(t, &Run{Scenario: "nothing"})
}

func TestAnErrorOfTheWriterIsReturned(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *Run) error{"html": HTML, "perfetto": Perfetto, "jsonl": JSONL} {
		if err := write(fullDisk{}, sample()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
