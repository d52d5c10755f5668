package shrink

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim/host"
	"github.com/maculamesh/macula/sim/plan"
)

// after begins with what cannot matter: comments, what the plan says of
// itself, and what happens after the failure. Then each node has a line of its
// own.
func (x *shrinker) after() {
	failed := x.result.Failure.At
	p := x.best.Plan.Clone()
	p.Lines = slices.DeleteFunc(p.Lines, func(l plan.Line) bool {
		return slices.Contains([]string{"", "shows", "trigger", "invariant", "source", "sometimes"}, l.Verb.Text)
	})
	for i := range p.Lines {
		p.Lines[i].Comment = ""
	}
	late := p.Clone()
	late.Lines = slices.DeleteFunc(late.Lines, func(l plan.Line) bool {
		at, ok := when(&l)
		return ok && at > failed
	})
	x.first([]*plan.Plan{late, p})
	x.first([]*plan.Plan{single(x.best.Plan)})
}

// when is the time of a line.
func when(l *plan.Line) (time.Duration, bool) {
	for _, c := range l.Clauses {
		if c.Key.Text == "at" || c.Key.Text == "from" {
			d, err := time.ParseDuration(c.Value.Text)
			return d, err == nil
		}
	}
	return 0, false
}

// single gives each node a line of its own.
func single(p *plan.Plan) *plan.Plan {
	out := &plan.Plan{File: p.File}
	for _, l := range p.Clone().Lines {
		if l.Verb.Text != "node" {
			out.Lines = append(out.Lines, l)
			continue
		}
		count := 0
		pairs := slices.DeleteFunc(l.Pairs, func(x plan.Pair) bool {
			if x.Key.Text == "count" {
				count, _ = strconv.Atoi(x.Value.Text)
			}
			return x.Key.Text == "count"
		})
		for _, name := range l.Args {
			names := []string{name.Text}
			if count > 0 {
				names = nil
				for i := range count {
					names = append(names, fmt.Sprintf("%s%d", name.Text, i))
				}
			}
			for _, n := range names {
				out.Lines = append(out.Lines, plan.Line{Verb: l.Verb, Args: []plan.Word{{Text: n}}, Pairs: slices.Clone(pairs)})
			}
		}
	}
	return out
}

// pass makes one round over everything that can be smaller and reports
// whether something was.
func (x *shrinker) pass() bool {
	before := x.best.Plan.String()
	x.dropVerbs()
	x.dropNodes()
	x.dropLines()
	x.simplify()
	return x.best.Plan.String() != before && !x.over()
}

// kept are the lines without which there is no plan.
func kept(l *plan.Line) bool { return l.Verb.Text == "plan" || l.Verb.Text == "system" }

// dropVerbs takes out all lines that say the same kind of thing.
func (x *shrinker) dropVerbs() {
	var verbs []string
	for i := range x.best.Plan.Lines {
		if v := x.best.Plan.Lines[i].Verb.Text; !slices.Contains(verbs, v) {
			verbs = append(verbs, v)
		}
	}
	for len(verbs) > 0 && !x.over() {
		var plans []*plan.Plan
		for _, v := range verbs {
			p := x.best.Plan.Clone()
			p.Lines = slices.DeleteFunc(p.Lines, func(l plan.Line) bool { return l.Verb.Text == v && !kept(&l) })
			plans = append(plans, p)
		}
		i := x.first(plans)
		if i < 0 {
			return
		}
		verbs = verbs[i+1:]
	}
}

// dropLines takes out lines, half of them at a time, then a quarter, down to
// one.
func (x *shrinker) dropLines() {
	for size := len(x.best.Plan.Lines) / 2; size >= 1 && !x.over(); size /= 2 {
		for at := 0; at < len(x.best.Plan.Lines); {
			// A few next to each other, of which the first that goes is taken.
			var plans []*plan.Plan
			for k := at; k < len(x.best.Plan.Lines) && len(plans) < 8; k += size {
				plans = append(plans, without(x.best.Plan, k, min(len(x.best.Plan.Lines), k+size)))
			}
			i := x.first(plans)
			switch {
			case i >= 0:
				at += i * size
			case x.over():
				return
			default:
				at += len(plans) * size
			}
		}
	}
}

// without returns the plan without the lines from i to j.
func without(p *plan.Plan, i, j int) *plan.Plan {
	out := &plan.Plan{File: p.File}
	for k := range p.Lines {
		if k < i || k >= j || kept(&p.Lines[k]) {
			out.Lines = append(out.Lines, p.Lines[k])
		}
	}
	return out.Clone()
}

// minimal plays the plan once more without each of its lines, and says whether
// it holds then, or is none. Those without which it fails in another way come
// back with what that is.
func (x *shrinker) minimal() (bool, []Otherwise) {
	p := x.best.Plan
	signatures := make([]string, len(p.Lines)*x.seeds)
	host.Each(x.cfg.Jobs, len(signatures), func(i int) bool {
		if x.over() {
			return false
		}
		line := i / x.seeds
		less := p.Clone()
		less.Lines = slices.Delete(less.Lines, line, line+1)
		c := x.best
		c.Plan, c.Seed = less, x.seed(i%x.seeds)
		if r, err := x.play(c); err == nil && !r.Held() {
			signatures[i] = r.Failure.Signature()
		}
		return true
	})
	var others []Otherwise
	for i, text := range signatures {
		line := p.Lines[i/x.seeds].Statement()
		if text != "" && (len(others) == 0 || others[len(others)-1].Line != line) {
			others = append(others, Otherwise{line, text})
		}
	}
	x.runs += len(signatures)
	if x.over() {
		return false, nil // not every line was tried
	}
	return len(others) == 0, others
}

// dropNodes takes out nodes, each with what is said of it.
func (x *shrinker) dropNodes() {
	for i := 0; !x.over(); {
		names := nodeNames(x.best.Plan)
		if i >= len(names) {
			return
		}
		var plans []*plan.Plan
		for _, n := range names[i:] {
			plans = append(plans, withoutNode(x.best.Plan, n))
		}
		k := x.first(plans)
		if k < 0 {
			return
		}
		i += k
	}
}

func nodeNames(p *plan.Plan) []string {
	var out []string
	for i := range p.Lines {
		if l := &p.Lines[i]; l.Verb.Text == "node" {
			for _, a := range l.Args {
				out = append(out, a.Text)
			}
		}
	}
	return out
}

// withoutNode takes a node out of every list, and the lines that need it.
func withoutNode(p *plan.Plan, node string) *plan.Plan {
	out := &plan.Plan{File: p.File}
lines:
	for _, l := range p.Clone().Lines {
		var args []plan.Word
		for _, a := range l.Args {
			rest, had := withoutName(a.Text, node)
			if rest == "" && had {
				if l.Verb.Text == "node" {
					continue
				}
				continue lines
			}
			a.Text = rest
			args = append(args, a)
		}
		if len(args) == 0 && len(l.Args) > 0 {
			continue
		}
		l.Args = args
		var pairs []plan.Pair
		for _, y := range l.Pairs {
			rest, had := withoutName(y.Value.Text, node)
			if rest == "" && had {
				continue
			}
			y.Value.Text = rest
			pairs = append(pairs, y)
		}
		l.Pairs = pairs
		out.Lines = append(out.Lines, l)
	}
	return out
}

// withoutName takes a name out of a list.
func withoutName(list, name string) (rest string, had bool) {
	names := strings.Split(list, ",")
	left := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	return strings.Join(left, ","), len(left) < len(names)
}
