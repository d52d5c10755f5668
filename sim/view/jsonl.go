package view

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/maculamesh/macula/sim"
)

// jsonlFormat names the format in its first line.
const (
	jsonlFormat  = "macula-trace"
	jsonlVersion = 1
)

const (
	maxLine  = 16 << 20  // bytes of one line that ReadJSONL takes
	maxLines = 4_000_000 // records that it takes, about 500 MB of memory
)

// ErrFormat is what ReadJSONL returns for something that JSONL has not written.
var ErrFormat = errors.New("no trace in JSON lines")

// headerLine is the first line. Hash is in hexadecimal; the seed, like A and B
// of a record, is a string, because many readers of JSON round large numbers.
type headerLine struct {
	Format    string   `json:"format"`
	V         int      `json:"format_version"`
	Title     string   `json:"title,omitempty"`
	Scenario  string   `json:"scenario"`
	Seed      uint64   `json:"seed,string"`
	Strategy  string   `json:"strategy"`
	Params    []string `json:"params,omitempty"`
	Hash      string   `json:"hash"`
	Version   string   `json:"version,omitempty"`
	Again     string   `json:"again,omitempty"`
	Plan      []string `json:"plan,omitempty"`
	Facts     []string `json:"facts,omitempty"`
	Machines  []string `json:"machines,omitempty"`
	Events    uint64   `json:"events"`
	Simulated int64    `json:"simulated_ns"`
	Cut       uint64   `json:"cut,omitempty"`
	Since     uint64   `json:"since,omitempty"`
	Failure   *Failure `json:"failure,omitempty"`
}

// recordLine is a line for each record.
type recordLine struct {
	Decision uint64 `json:"decision"`
	Event    uint64 `json:"event"`
	At       int64  `json:"at_ns"`
	Kind     string `json:"kind"`
	Machine  string `json:"machine,omitempty"`
	Task     string `json:"task,omitempty"`
	TaskID   uint64 `json:"task_id,omitempty"`
	A        uint64 `json:"a,string,omitempty"`
	B        uint64 `json:"b,string,omitempty"`
	Text     string `json:"text,omitempty"`
	Peer     string `json:"peer,omitempty"`
	Took     int64  `json:"took_ns,omitempty"`
}

// gaugeLine is a line for each gauge, after the records. A point is time in
// nanoseconds, event, value.
type gaugeLine struct {
	Kind    string     `json:"kind"` // "gauge"
	Name    string     `json:"name"`
	Limit   int        `json:"limit"`
	Thinned bool       `json:"thinned,omitempty"`
	Points  [][3]int64 `json:"points"`
}

// JSONL writes the run as lines of JSON: a header, one object for each record
// in order, and one for each gauge with the kind "gauge". ReadJSONL reads it.
// It returns the first error of w.
func JSONL(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(run.header()); err != nil {
		return err
	}
	for i := range run.Records {
		r := &run.Records[i]
		err := enc.Encode(recordLine{
			r.Decision, r.Event, int64(r.At), r.Kind.String(), r.Machine, r.Task, r.TaskID, r.A, r.B, r.Text, r.Peer, int64(r.Took),
		})
		if err != nil {
			return err
		}
	}
	for _, s := range run.Gauges {
		g := gaugeLine{Kind: "gauge", Name: s.Name, Limit: s.Limit, Thinned: s.Thinned}
		for _, p := range s.Points {
			g.Points = append(g.Points, [3]int64{int64(p.At), int64(p.Event), int64(p.Value)})
		}
		if err := enc.Encode(g); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (run *Run) header() headerLine {
	return headerLine{
		Format: jsonlFormat, V: jsonlVersion, Title: run.Title, Scenario: run.Scenario, Seed: run.Seed, Strategy: run.Strategy,
		Params: run.Params, Hash: hex(run.Hash), Version: run.Version, Again: run.Again, Plan: run.Plan, Facts: run.Facts,
		Machines: run.lanes(), Events: run.Events, Simulated: int64(run.Simulated), Cut: run.Cut, Since: run.Since, Failure: run.Failure,
	}
}

// ReadJSONL reads what JSONL has written, until the end of r. An error names
// the line; it is ErrFormat when the first line is no header of ours. It takes
// lines of up to 16 MiB and four million records.
func ReadJSONL(r io.Reader) (*Run, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	run, err := readHeader(in)
	if err != nil {
		return nil, err
	}
	for line := 2; in.Scan(); line++ {
		if len(in.Bytes()) == 0 {
			continue
		}
		if line > maxLines {
			return nil, fmt.Errorf("view.ReadJSONL: more than %d lines", maxLines)
		}
		if err := run.readLine(in.Bytes()); err != nil {
			return nil, fmt.Errorf("view.ReadJSONL: line %d: %w", line, err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("view.ReadJSONL: %w", err)
	}
	return run, nil
}

func readHeader(in *bufio.Scanner) (*Run, error) {
	if !in.Scan() {
		if err := in.Err(); err != nil {
			return nil, fmt.Errorf("view.ReadJSONL: line 1: %w", err)
		}
		return nil, fmt.Errorf("view.ReadJSONL: %w: it is empty", ErrFormat)
	}
	var h headerLine
	if err := json.Unmarshal(in.Bytes(), &h); err != nil || h.Format != jsonlFormat {
		return nil, fmt.Errorf("view.ReadJSONL: line 1: %w: want {\"format\":%q, ...}", ErrFormat, jsonlFormat)
	}
	if h.V != jsonlVersion {
		return nil, fmt.Errorf("view.ReadJSONL: line 1: %w: format version %d, this program reads %d", ErrFormat, h.V, jsonlVersion)
	}
	hash, err := strconv.ParseUint(h.Hash, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("view.ReadJSONL: line 1: the hash %.40q is no hexadecimal number", h.Hash)
	}
	return &Run{
		Title: h.Title, Scenario: h.Scenario, Seed: h.Seed, Strategy: h.Strategy, Params: h.Params, Hash: hash,
		Version: h.Version, Again: h.Again, Plan: h.Plan, Facts: h.Facts, Machines: h.Machines, Events: h.Events,
		Simulated: time.Duration(h.Simulated), Cut: h.Cut, Since: h.Since, Failure: h.Failure,
	}, nil
}

// readLine takes a record or a gauge.
func (run *Run) readLine(data []byte) error {
	var l recordLine
	if err := json.Unmarshal(data, &l); err != nil {
		return err
	}
	if l.Kind == "gauge" {
		return run.readGauge(data)
	}
	kind, ok := sim.KindByName(l.Kind)
	if !ok {
		return fmt.Errorf("there is no kind of decision %.100q", l.Kind)
	}
	run.Records = append(run.Records, sim.Record{
		Decision: l.Decision, Event: l.Event, At: time.Duration(l.At), Kind: kind, Machine: l.Machine, Task: l.Task, TaskID: l.TaskID,
		A: l.A, B: l.B, Text: l.Text, Peer: l.Peer, Took: time.Duration(l.Took),
	})
	return nil
}

func (run *Run) readGauge(data []byte) error {
	var g gaugeLine
	if err := json.Unmarshal(data, &g); err != nil {
		return err
	}
	s := Series{Name: g.Name, Limit: g.Limit, Thinned: g.Thinned}
	for _, p := range g.Points {
		s.Points = append(s.Points, Point{time.Duration(p[0]), uint64(p[1]), int(p[2])})
	}
	run.Gauges = append(run.Gauges, s)
	return nil
}
