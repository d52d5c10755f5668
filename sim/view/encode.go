package view

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/bits"
	"strconv"
	"time"

	"github.com/maculamesh/macula/sim"
)

// The data of a page is one gzipped block: a JSON head and then columns, each
// with its length in front as a varint. A column holds one field of all
// records, as varints of differences where neighbours are alike; strings are
// indices into the table of the head. page/data.js reads it.

// head is what the page knows beside the records. 64-bit numbers that are not
// times are strings: JavaScript would round them.
type head struct {
	Title     string       `json:"title"`
	Scenario  string       `json:"scenario"`
	Seed      string       `json:"seed"`
	Strategy  string       `json:"strategy"`
	Params    []string     `json:"params"`
	Hash      string       `json:"hash"`
	Version   string       `json:"version"`
	Again     string       `json:"again"`
	Plan      []string     `json:"plan"`
	Facts     []string     `json:"facts"`
	Machines  []string     `json:"machines"`
	Framework []string     `json:"framework"`
	Events    uint64       `json:"events"`
	Simulated int64        `json:"simulated"`
	Failure   *Failure     `json:"failure"`
	Count     int          `json:"count"`
	Cut       uint64       `json:"cut"`
	Since     string       `json:"since"`
	Kinds     []string     `json:"kinds"`
	Spans     []Span       `json:"spans"`
	Gauges    []gaugeHead  `json:"gauges"`
	Strings   []string     `json:"strings"`
	Columns   []columnName `json:"columns"`
}

type columnName string

// gaugeHead is a series without its points, which are columns.
type gaugeHead struct {
	Name    string `json:"name"`
	Limit   int    `json:"limit"`
	Count   int    `json:"count"`
	Thinned bool   `json:"thinned"`
}

// column grows by varints.
type column struct{ buf []byte }

func (c *column) uint(v uint64) { c.buf = binary.AppendUvarint(c.buf, v) }
func (c *column) int(v int64)   { c.buf = binary.AppendVarint(c.buf, v) }

// table gives strings numbers in the order in which they come; 0 is the empty
// one.
type table struct {
	list  []string
	index map[string]int // for lookup only
}

func (t *table) add(s string) uint64 {
	i, ok := t.index[s]
	if !ok {
		i = len(t.list)
		t.list = append(t.list, s)
		t.index[s] = i
	}
	return uint64(i)
}

// encode writes the block of a run.
func encode(w io.Writer, run *Run) error {
	strings := &table{list: []string{""}, index: map[string]int{"": 0}}
	names, columns := recordColumns(run.Records, strings)
	columns = append(columns, gaugeColumns(run.Gauges)...)
	h := run.head()
	h.Strings, h.Columns = strings.list, names
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(w)
	for _, c := range append([][]byte{text}, columns...) {
		if _, err := z.Write(binary.AppendUvarint(nil, uint64(len(c)))); err != nil {
			return err
		}
		if _, err := io.Copy(z, bytes.NewReader(c)); err != nil {
			return err
		}
	}
	return z.Close()
}

func (run *Run) head() *head {
	h := &head{
		Title: run.title(), Scenario: run.Scenario, Seed: strconv.FormatUint(run.Seed, 10), Strategy: run.Strategy,
		Params: run.Params, Hash: hex(run.Hash), Version: run.Version, Again: run.Again, Plan: run.Plan, Facts: run.Facts,
		Machines: run.lanes(), Framework: framework, Events: run.Events, Simulated: int64(run.Simulated),
		Failure: run.Failure, Count: len(run.Records), Cut: run.Cut, Since: strconv.FormatUint(run.Since, 10),
		Spans: Spans(run.Records, run.end()),
	}
	for k := sim.Kind(0); k <= sim.KindIgnored; k++ {
		h.Kinds = append(h.Kinds, k.String())
	}
	for _, s := range run.Gauges {
		h.Gauges = append(h.Gauges, gaugeHead{s.Name, s.Limit, len(s.Points), s.Thinned})
	}
	return h
}

// end is the last instant that there is anything of.
func (run *Run) end() time.Duration {
	end := run.Simulated
	if n := len(run.Records); n > 0 {
		end = max(end, run.Records[n-1].At)
	}
	return end
}

// lanes is Machines, with whoever is missing there.
func (run *Run) lanes() []string {
	known := map[string]bool{}
	lanes := append([]string{}, run.Machines...)
	for _, m := range lanes {
		known[m] = true
	}
	for _, m := range machines(run.Records) {
		if !known[m] {
			lanes = append(lanes, m)
		}
	}
	return lanes
}

func (run *Run) title() string {
	if run.Title != "" {
		return run.Title
	}
	return run.Scenario + ", seed " + strconv.FormatUint(run.Seed, 10)
}

func hex(v uint64) string {
	s := strconv.FormatUint(v, 16)
	return "0000000000000000"[len(s):] + s
}

func recordColumns(records []sim.Record, strings *table) ([]columnName, [][]byte) {
	names := []columnName{"decision", "event", "at", "kind", "machine", "task", "taskid", "a", "b", "text", "peer", "took"}
	c := make([]column, len(names))
	var last sim.Record
	for i := range records {
		r := &records[i]
		c[0].int(int64(r.Decision - last.Decision))
		c[1].int(int64(r.Event - last.Event))
		c[2].int(int64(r.At - last.At))
		c[3].uint(uint64(r.Kind))
		c[4].uint(strings.add(r.Machine))
		c[5].uint(strings.add(r.Task))
		c[6].int(int64(r.TaskID - last.TaskID))
		c[7].uint(r.A)
		// The upper eight bits of B say what the rest means, and the middle
		// ones are mostly empty.
		c[8].uint(bits.RotateLeft64(r.B, 8))
		c[9].uint(strings.add(r.Text))
		c[10].uint(strings.add(r.Peer))
		c[11].uint(uint64(r.Took))
		last = *r
	}
	out := make([][]byte, len(c))
	for i := range c {
		out[i] = c[i].buf
	}
	return names, out
}

// gaugeColumns are three for all gauges together.
func gaugeColumns(gauges []Series) [][]byte {
	var at, event, value column
	for _, s := range gauges {
		var last Point
		for _, p := range s.Points {
			at.int(int64(p.At - last.At))
			event.int(int64(p.Event - last.Event))
			value.int(int64(p.Value - last.Value))
			last = p
		}
	}
	return [][]byte{at.buf, event.buf, value.buf}
}
