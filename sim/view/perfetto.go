package view

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim"
)

// Threads of every process in the trace; those of the tasks follow.
const (
	threadMachine = iota + 1 // faults, log lines and notes
	threadSent
	threadReceived
	threadTasks // the first of them
)

// instant is how long what takes no virtual time is drawn: flows bind to
// slices, and a slice needs a length.
const instant = time.Nanosecond

// micros is a time as the format has it: microseconds, exact to the
// nanosecond.
type micros time.Duration

// MarshalJSON writes a decimal number.
func (m micros) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%03d", m/1000, m%1000), nil
}

// chromeEvent is an event of the Trace Event Format of Chrome.
type chromeEvent struct {
	Name  string         `json:"name"`
	Cat   string         `json:"cat,omitempty"`
	Phase string         `json:"ph"`
	At    micros         `json:"ts"`
	Dur   micros         `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	ID    string         `json:"id,omitempty"`
	Bind  string         `json:"bp,omitempty"`
	Scope string         `json:"s,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// Perfetto writes the run in the Trace Event Format of Chrome, which
// ui.perfetto.dev opens. Every machine is a process. Its threads are what it
// sent and received, with a flow for every message, and one for each name of a
// task: the steps of link/flush are on one thread, and the number of the task
// is among the arguments. Faults that last are asynchronous slices, gauges are
// counters. Random draws and ignored wakings are left out. It returns the
// first error of w.
func Perfetto(w io.Writer, run *Run) error {
	p := &perfetto{pids: map[string]int{"": 1}, tids: map[string]int{}, next: map[int]int{}}
	p.process("run", 1)
	for i, m := range run.lanes() {
		p.pids[m] = i + 2
		p.process(m, i+2)
	}
	for i := range run.Records {
		p.record(&run.Records[i])
	}
	for i, s := range Spans(run.Records, run.end()) {
		p.span(i, &s)
	}
	for i := range run.Gauges {
		p.gauge(&run.Gauges[i])
	}
	if f := run.Failure; f != nil {
		p.add(chromeEvent{Name: f.Property, Cat: "failure", Phase: "i", At: micros(f.At), PID: 1, TID: threadMachine, Scope: "g",
			Args: map[string]any{"saw": f.Saw, "event": f.Event}})
	}
	slices.SortStableFunc(p.events, func(a, b chromeEvent) int { return int(min(max(a.At-b.At, -1), 1)) })
	return p.write(w, run)
}

type perfetto struct {
	meta   []chromeEvent
	events []chromeEvent
	pids   map[string]int // by machine, for lookup only
	tids   map[string]int // by process and name, for lookup only
	next   map[int]int    // threads of a process so far, for lookup only
	flows  int
}

func (p *perfetto) add(e chromeEvent) { p.events = append(p.events, e) }

func (p *perfetto) process(name string, pid int) {
	p.meta = append(p.meta,
		chromeEvent{Name: "process_name", Phase: "M", PID: pid, Args: map[string]any{"name": name}},
		chromeEvent{Name: "process_sort_index", Phase: "M", PID: pid, Args: map[string]any{"sort_index": pid}})
	p.thread("events", pid, threadMachine)
	if pid > 1 {
		p.thread("sent", pid, threadSent)
		p.thread("received", pid, threadReceived)
	}
}

func (p *perfetto) thread(name string, pid, tid int) {
	p.meta = append(p.meta,
		chromeEvent{Name: "thread_name", Phase: "M", PID: pid, TID: tid, Args: map[string]any{"name": name}},
		chromeEvent{Name: "thread_sort_index", Phase: "M", PID: pid, TID: tid, Args: map[string]any{"sort_index": tid}})
}

// task is the thread of the tasks of a name.
func (p *perfetto) task(pid int, name string) int {
	key := strconv.Itoa(pid) + " " + name
	tid, ok := p.tids[key]
	if !ok {
		tid = threadTasks + p.next[pid]
		p.next[pid]++
		p.tids[key] = tid
		p.thread(name, pid, tid)
	}
	return tid
}

func (p *perfetto) record(r *sim.Record) {
	e := chromeEvent{Name: r.Text, Cat: r.Kind.String(), At: micros(r.At), PID: p.pids[r.Machine], TID: threadMachine, Args: map[string]any{"event": r.Event}}
	if r.Task != "" {
		e.Args["task"] = fmt.Sprintf("%s#%d", r.Task, r.TaskID)
	}
	switch r.Kind {
	case sim.KindRand, sim.KindIgnored:
		return
	case sim.KindDeliver, sim.KindDrop:
		p.message(r, e)
		return
	case sim.KindPick:
		e.Name, e.Phase, e.Dur, e.TID = r.Task, "X", micros(instant), p.task(e.PID, r.Task)
		e.Args["ready by"] = sim.Cause(r.B).String()
	case sim.KindSpawn:
		e.Name, e.Phase, e.Scope, e.TID = "start of "+r.Text, "i", "t", p.task(e.PID, r.Text)
	default:
		e.Phase, e.Scope = "i", "t"
		if rare(r.Kind) {
			e.Scope = "p"
		}
		if e.Name == "" {
			e.Name = r.Kind.String()
		}
	}
	p.add(e)
}

// message is a slice at the sender and one at the receiver, and the flow from
// one to the other. A lost one has only the first.
func (p *perfetto) message(r *sim.Record, e chromeEvent) {
	lost := r.Kind == sim.KindDrop
	if e.Name == "" {
		e.Name = "message"
	}
	e.Phase, e.Dur = "X", micros(instant)
	e.Args["from"], e.Args["to"], e.Args["took_ns"] = r.Peer, r.Machine, int64(r.Took)
	sent, got := e, e
	sent.At, sent.PID, sent.TID = micros(r.At-r.Took), p.pids[r.Peer], threadSent
	got.TID = threadReceived
	if r.Peer == "" {
		p.add(got)
		return
	}
	if lost {
		sent.Name += " (lost)"
		p.add(sent)
		return
	}
	p.flows++
	id := strconv.Itoa(p.flows)
	p.add(sent)
	p.add(chromeEvent{Name: "message", Cat: "message", Phase: "s", At: sent.At, PID: sent.PID, TID: sent.TID, ID: id})
	p.add(got)
	p.add(chromeEvent{Name: "message", Cat: "message", Phase: "f", Bind: "e", At: got.At, PID: got.PID, TID: got.TID, ID: id})
}

func (p *perfetto) span(i int, s *Span) {
	e := chromeEvent{Name: s.Text, Cat: "fault", Phase: "b", At: micros(s.From), PID: p.pids[s.Machine], TID: threadMachine, ID: "fault-" + strconv.Itoa(i)}
	p.add(e)
	e.Phase, e.At = "e", micros(s.To)
	p.add(e)
}

func (p *perfetto) gauge(s *Series) {
	pid, name := 1, s.Name
	if machine, rest, ok := strings.Cut(s.Name, " "); ok && p.pids[machine] > 0 && machine != "" {
		pid, name = p.pids[machine], rest
	}
	for _, x := range s.Points {
		args := map[string]any{"value": x.Value}
		if s.Limit >= 0 {
			args["limit"] = s.Limit
		}
		p.add(chromeEvent{Name: name, Cat: "gauge", Phase: "C", At: micros(x.At), PID: pid, Args: args})
	}
}

func (p *perfetto) write(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	other, err := json.Marshal(run.header())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "{\"displayTimeUnit\":\"ns\",\"otherData\":%s,\"traceEvents\":[", other)
	sep := "\n"
	for _, list := range [][]chromeEvent{p.meta, p.events} {
		for i := range list {
			line, err := json.Marshal(&list[i])
			if err != nil {
				return err
			}
			if _, err := out.WriteString(sep + string(line)); err != nil {
				return err
			}
			sep = ",\n"
		}
	}
	if _, err := out.WriteString("\n]}\n"); err != nil {
		return err
	}
	return out.Flush()
}
