package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
)

// performance is a plan as it is played.
type performance struct {
	s       *Stage
	sub     *Subject
	sc      *plan.Script
	nodes   []*Node
	by      map[string]*Node // for lookup only
	begun   mono.Time
	open    int                    // requests that are not over
	lasts   []*activeFault         // faults that have not ended, in the order in which they began
	cuts    map[[2]*Place]int      // faults that cut a link; for lookup only
	weather map[[2]*Place]*weather // links that were changed; for lookup only
	held    map[[2]*Place]int      // faults that hold a link; for lookup only
}

// activeFault is one that has begun. It ends once.
type activeFault struct {
	r   *Request
	end func()
}

// perform plays a plan from the first line to the last demand.
func (s *Stage) perform(sys *System, sc *plan.Script) {
	p := &performance{s: s, sc: sc, by: map[string]*Node{}, cuts: map[[2]*Place]int{}, weather: map[[2]*Place]*weather{}, held: map[[2]*Place]int{}, begun: s.director.Now()}
	for _, d := range sc.Nodes {
		n := &Node{Place: s.Place(d.Name), Kind: d.Kind, Line: d.Line}
		p.nodes, p.by[d.Name] = append(p.nodes, n), n
	}
	for _, h := range sc.Heads {
		worldLines[h.Verb.Name](p, p.request(h))
	}
	s.active = p.active
	p.sub = sys.Open(s)
	p.complete(sys)
	if p.sub.Says != nil {
		s.says = p.says
	}
	if p.sub.Start != nil {
		p.sub.Start(p.nodes)
	}
	var jobs []*Job
	for _, st := range sc.Timed {
		jobs = append(jobs, s.Go("plan line", func() { p.timed(st) }))
	}
	for _, st := range sc.Then {
		p.now(st)
	}
	if sc.Calm > 0 {
		p.until(sc.Calm)
	}
	for _, j := range jobs {
		j.Wait()
	}
	p.calm()
	for _, st := range sc.Demands {
		p.demand(st)
	}
	p.over()
	// What is asked ends before what it is asked of.
	for p.open > 0 {
		s.Sleep(100 * time.Millisecond)
	}
}

// complete panics when the system does not do what it declares: that is a
// mistake in its code, not in a plan.
func (p *performance) complete(sys *System) {
	for _, v := range sys.Requests {
		if p.sub.Requests[v.Name] == nil {
			panic("scenario: the system " + sys.Name + " declares the request " + v.Name + " and does not carry it out")
		}
	}
	for _, v := range sys.Demands {
		if p.sub.Holds[v.Name] == nil {
			panic("scenario: the system " + sys.Name + " declares the demand " + v.Name + " and does not say whether it holds")
		}
	}
}

func (p *performance) request(st *plan.Statement) *Request {
	return &Request{Statement: st, Stage: p.s, Rand: p.s.Rand("plan: " + st.Key()), nodes: p.by}
}

// active are the lines whose faults have not ended.
func (p *performance) active() []string {
	var out []string
	for _, f := range p.lasts {
		if f.end != nil {
			out = append(out, f.r.Line.Statement())
		}
	}
	return out
}

// says asks the system about a node. The run has failed, perhaps in the middle
// of what the node did, so the answer may be a panic.
func (p *performance) says(name string) (text string) {
	defer func() {
		if e := recover(); e != nil {
			text = fmt.Sprintf("cannot say: %v", e)
		}
	}()
	if n := p.by[name]; n != nil && n.machine.Up() {
		return p.sub.Says(n)
	}
	return ""
}

// until waits for a time of the plan.
func (p *performance) until(t time.Duration) {
	if d := p.begun.Add(t).Sub(p.s.director.Now()); d > 0 {
		p.s.Sleep(d)
	}
}

// timed lets a line happen whenever its time has come.
func (p *performance) timed(st *plan.Statement) {
	r := p.request(st)
	var faults []*Job // one that lasts does not hold up the next
	for t := range st.Times {
		p.until(t)
		if st.Verb.Use == plan.Fault {
			faults = append(faults, p.s.Go(st.Verb.Name, func() { p.fault(r) }))
			continue
		}
		p.open++
		p.s.Go(st.Verb.Name, func() {
			p.sub.Requests[st.Verb.Name](r)
			p.open--
		})
	}
	for _, j := range faults {
		j.Wait()
	}
}

// now lets a line of "then" happen and waits until it is over.
func (p *performance) now(st *plan.Statement) {
	switch r := p.request(st); st.Verb.Use {
	case plan.Fault:
		p.fault(r)
	case plan.Demand:
		p.demand(st)
	default:
		p.sub.Requests[st.Verb.Name](r)
	}
}

// fault begins a fault, and ends it when it says how long it lasts.
func (p *performance) fault(r *Request) {
	p.s.w.Note(sim.KindFault, nil, r.Line.Statement())
	end := faultNamed(r.Verb.Name).begin(p, r)
	if end == nil {
		return
	}
	f := &activeFault{r, end}
	p.lasts = append(p.lasts, f)
	if d, ok := r.Lasting(); ok {
		p.s.Sleep(d)
		p.finish(f)
	}
}

func (p *performance) finish(f *activeFault) {
	if f.end != nil {
		end := f.end
		f.end = nil
		end()
	}
}

// calm is the border of the phases: whatever has not ended does, but for what
// concerns only nodes outside of the core.
func (p *performance) calm() {
	p.s.w.Note(sim.KindFault, nil, "calm")
	p.s.core = p.sc.Core
	for _, f := range p.lasts {
		if p.concernsCore(f.r) {
			p.finish(f)
		}
	}
	if len(p.sc.Core) == 0 {
		p.s.HealAll()
	}
}

// concernsCore reports whether a line names a node that must live.
func (p *performance) concernsCore(r *Request) bool {
	named := 0
	for _, n := range p.nodes {
		if r.Names(n.Name()) {
			named++
			if p.s.Core(n) {
				return true
			}
		}
	}
	return named == 0
}

// over ends what is left of the faults, so that everything can be closed. A
// machine that is down stays so.
func (p *performance) over() {
	for _, f := range p.lasts {
		if f.r.Verb.Name != "crash" {
			p.finish(f)
		}
	}
	p.s.HealAll()
}

// Core reports whether a node must live in the second phase of the plan.
func (s *Stage) Core(n *Node) bool {
	return len(s.core) == 0 || slices.Contains(s.core, n.Name())
}

// demand waits until a property holds.
func (p *performance) demand(st *plan.Statement) {
	holds := p.sub.Holds[st.Verb.Name]
	if st.Verb.Name == answered.Name {
		holds = p.answered
	}
	r := p.request(st)
	name := st.Verb.Name
	for _, a := range st.Line.Args {
		name += " " + a.Text
	}
	p.s.eventually(time.Duration(st.End.Lo), name, func() error { return holds(r) })
}

func (p *performance) answered(*Request) error {
	if p.open > 0 {
		return fmt.Errorf("%d requests are not over", p.open)
	}
	return nil
}
