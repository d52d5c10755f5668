package scenario

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim/plan"
)

// System is what plans are written for: what a node is, what can be asked of
// it, and what must hold.
type System struct {
	Name   string
	Shows  string       // what it is, in one line
	Params []Param      // what "set" can set
	Kinds  []string     // kinds of node, the usual one first; may be empty
	Nodes  []plan.Field // what a "node" line can say besides the name
	// Requests are the verbs that ask something of the system.
	Requests []plan.Verb
	// Demands are the properties that a plan can demand in its second phase.
	Demands []plan.Verb
	Disks   bool          // its nodes use Place.Disk, so that plans can say what disks do
	Example string        // lines of a first plan, behind those with its names; may be empty
	Limit   time.Duration // as in Scenario
	Valid   func(number func(name string) int) error
	// Check says what of a plan makes no sense for the system, such as nodes
	// that are too many of a kind; a *plan.Error names the place. May be nil.
	Check func(sc *plan.Script) error
	// Open begins a run.
	Open func(s *Stage) *Subject
}

// Subject is a system in one run. Every function is called by tasks of the
// story and may wait; those that are nil do nothing.
type Subject struct {
	// Start starts what runs at the nodes. They all have their places then.
	Start func(nodes []*Node)
	// Crashed says that a node has crashed, Restarted that its machine is back,
	// without what ran there.
	Crashed, Restarted func(n *Node)
	// Says describes a node in a line, for reports of failures. It must not
	// wait.
	Says func(n *Node) string
	// Requests carries out each verb of System.Requests, and returns when it is
	// over.
	Requests map[string]func(r *Request)
	// Holds says of each verb of System.Demands what keeps it from holding now;
	// nil when it holds.
	Holds map[string]func(r *Request) error
}

// Node is a node of a plan.
type Node struct {
	*Place
	Kind string
	Line *plan.Statement // that declares it
}

// Request is a line of a plan as it is carried out.
type Request struct {
	*plan.Statement
	Stage *Stage
	Rand  *rand.Rand // of the line; another line that is taken out does not change it
	nodes map[string]*Node
}

// At returns the node of a field, or nil.
func (r *Request) At(field string) *Node { return r.nodes[r.Node(field)] }

// Each returns the nodes of a field.
func (r *Request) Each(field string) []*Node {
	var out []*Node
	for _, name := range r.Nodes(field) {
		out = append(out, r.nodes[name])
	}
	return out
}

// Vocabulary is what plans for the system may say.
func (y *System) Vocabulary() *plan.Vocabulary {
	v := &plan.Vocabulary{Kinds: y.Kinds}
	v.Verbs = append(v.Verbs, plan.Core...)
	v.Verbs = append(v.Verbs, worldVerbs...)
	i := slices.IndexFunc(v.Verbs, func(x plan.Verb) bool { return x.Name == "node" })
	v.Verbs[i].Pairs = slices.Concat(v.Verbs[i].Pairs, y.Nodes)
	all := faults
	if y.Disks {
		v.Verbs = append(v.Verbs, diskVerbs...)
		all = slices.Concat(faults, storeFaults)
	}
	for _, f := range all {
		v.Verbs = append(v.Verbs, f.Verb)
	}
	for _, r := range y.Requests {
		r.Use = plan.Request
		v.Verbs = append(v.Verbs, r)
	}
	for _, d := range append([]plan.Verb{answered}, y.Demands...) {
		d.Use = plan.Demand
		v.Verbs = append(v.Verbs, d)
	}
	return v
}

// answered is the demand that every system has.
var answered = plan.Verb{Name: "answered", Doc: "every request of the plan is over"}

// FromPlan makes a scenario of a plan for one of the systems. The error is a
// *plan.Error, with the place.
func FromPlan(p *plan.Plan, systems ...*System) (*Scenario, error) {
	name, err := plan.SystemOf(p)
	if err != nil {
		return nil, err
	}
	var names []string
	var sys *System
	for _, y := range systems {
		names = append(names, y.Name)
		if y.Name == name {
			sys = y
		}
	}
	if sys == nil {
		return nil, &plan.Error{File: p.File, Msg: fmt.Sprintf("there is no system %q here; there are %s", name, strings.Join(names, ", "))}
	}
	sc, err := plan.Check(p, sys.Vocabulary())
	if err != nil {
		return nil, err
	}
	if sys.Check != nil {
		if err := sys.Check(sc); err != nil {
			return nil, err
		}
	}
	out := &Scenario{
		Name: sc.Name, Shows: sc.Shows, Limit: sys.Limit, Valid: sys.Valid, Plan: p, System: sys,
		Params: slices.Clone(sys.Params), Trigger: sc.Trigger, Invariant: sc.Invariant, Sources: sc.Sources,
	}
	if out.Name == "" {
		return nil, &plan.Error{File: p.File, Msg: "no line names the plan: \"plan NAME\""}
	}
	for _, d := range sc.Nodes {
		if d.Name == directorName || d.Name == networkName {
			return nil, &plan.Error{File: p.File, Pos: d.Line.Line.Pos(), Msg: fmt.Sprintf("a node cannot be called %s: the simulator has a machine of that name", d.Name)}
		}
	}
	for _, m := range sc.Sometimes {
		out.Sometimes = append(out.Sometimes, m.Text)
	}
	for _, x := range sc.Set {
		q := out.param(x.Name.Text)
		if q == nil {
			return nil, &plan.Error{File: p.File, Pos: x.Name.Pos, Msg: fmt.Sprintf("the system %s has no parameter %.100q; it has %s", sys.Name, x.Name.Text, out.paramNames())}
		}
		if err := q.checkRange(x.Value.Text); err != nil {
			return nil, &plan.Error{File: p.File, Pos: x.Value.Pos, Msg: fmt.Sprintf("%s=%s: %v", q.Name, shown(x.Value.Text), err)}
		}
		q.Default = x.Value.Text
	}
	return out, nil
}

// Draw returns the plan that a seed plays: with the parameters of set, and
// everything drawn that the plan leaves open.
func (s *Scenario) Draw(seed uint64, set map[string]string) (*plan.Plan, error) {
	if _, err := s.Settings(set); err != nil {
		return nil, err
	}
	p := s.Plan.Clone()
	for _, name := range sortedKeys(set) {
		p.Set(name, set[name])
	}
	return plan.Expand(p, s.System.Vocabulary(), plan.Seeded(seed))
}

// Names of the machines that are no places: that of the story, and that of the
// network.
const (
	directorName = "director"
	networkName  = "network"
)
