package shrink

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/sim/plan"
)

// simplify makes what is left of the lines simpler, one thing at a time, as
// long as something can be.
func (x *shrinker) simplify() {
	for !x.over() {
		plans := earlier(x.best.Plan)
		if x.first(plans) < 0 {
			break
		}
	}
	for i := 0; i < len(x.best.Plan.Lines) && !x.over(); i++ {
		for range 40 { // a value is halved at most so often
			lines := simpler(&x.best.Plan.Lines[i])
			var plans []*plan.Plan
			for _, l := range lines {
				p := x.best.Plan.Clone()
				p.Lines[i] = l
				plans = append(plans, p)
			}
			if x.first(plans) < 0 {
				break
			}
		}
	}
}

// simpler returns lines that say less, or the same with smaller numbers, the
// smallest first. The time within which something must come to hold stays: in
// less time even what is right may fail.
func simpler(l *plan.Line) []plan.Line {
	var out []plan.Line
	if kept(l) || l.Verb.Text == "calm" {
		return nil
	}
	add := func(edit func(*plan.Line)) {
		c := plan.Plan{Lines: []plan.Line{*l}}
		q := c.Clone().Lines[0]
		edit(&q)
		out = append(out, q)
	}
	if len(l.Pairs) > 1 {
		add(func(q *plan.Line) { q.Pairs = nil })
	}
	for i := range l.Pairs {
		add(func(q *plan.Line) { q.Pairs = slices.Delete(q.Pairs, i, i+1) })
	}
	for i, a := range l.Args {
		names := strings.Split(a.Text, ",")
		for k := range names {
			if len(names) > 1 {
				add(func(q *plan.Line) {
					q.Args[i].Text = strings.Join(slices.Delete(slices.Clone(names), k, k+1), ",")
				})
			}
		}
	}
	out = append(out, once(l)...)
	for i, c := range l.Clauses {
		if half, ok := halve(c.Value.Text); ok && c.Key.Text != "every" && c.Key.Text != "to" && c.Key.Text != "within" {
			add(func(q *plan.Line) { q.Clauses[i].Value.Text = half })
		}
	}
	for i, y := range l.Pairs {
		if half, ok := halve(y.Value.Text); ok {
			add(func(q *plan.Line) { q.Pairs[i].Value.Text = half })
		}
	}
	return out
}

// once turns a line that repeats into one that happens once, half as often, or
// once less.
func once(l *plan.Line) []plan.Line {
	var from, to, every time.Duration
	for _, c := range l.Clauses {
		d, _ := time.ParseDuration(c.Value.Text)
		switch c.Key.Text {
		case "from":
			from = d
		case "to":
			to = d
		case "every":
			every = d
		}
	}
	if every == 0 {
		return nil
	}
	single := *l
	single.Clauses = []plan.Clause{{Key: plan.Word{Text: "at"}, Value: plan.Word{Text: plan.FormatDuration(from)}}}
	out := []plan.Line{single}
	middle := from + (to-from)/2
	for _, span := range [][2]time.Duration{{from, middle}, {middle, to}, {from, to - every}} {
		if span[0] < span[1] {
			out = append(out, repeated(l, span[0], span[1], every))
		}
	}
	return out
}

// repeated is the line with other times.
func repeated(l *plan.Line, from, to, every time.Duration) plan.Line {
	out := *l
	out.Clauses = nil
	for _, c := range []struct {
		key string
		d   time.Duration
	}{{"from", from}, {"to", to}, {"every", every}} {
		out.Clauses = append(out.Clauses, plan.Clause{Key: plan.Word{Text: c.key}, Value: plan.Word{Text: plan.FormatDuration(c.d)}})
	}
	return out
}

// halve returns the half of a number or duration, as it is written. What is
// small enough already stays.
func halve(text string) (string, bool) {
	if d, err := time.ParseDuration(text); err == nil && d > 2*time.Millisecond {
		return plan.FormatDuration(round(d / 2)), true
	} else if err == nil && d < -2*time.Millisecond {
		return plan.FormatDuration(-round(-d / 2)), true
	}
	if n, err := strconv.Atoi(text); err == nil && n > 1 {
		return strconv.Itoa(n / 2), true
	}
	return "", false
}

// round makes a duration short to read.
func round(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{10 * time.Second, time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond} {
		if d >= 3*unit {
			return d.Truncate(unit)
		}
	}
	return d
}

// earlier returns plans in which everything happens sooner: at half the time,
// without one of the pauses between two lines, or with an earlier border of
// the phases.
func earlier(p *plan.Plan) []*plan.Plan {
	var times []time.Duration
	for i := range p.Lines {
		if at, ok := moment(&p.Lines[i]); ok {
			times = append(times, at)
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	var out []*plan.Plan
	move := func(f func(time.Duration) time.Duration) {
		q := p.Clone()
		for i := range q.Lines {
			shift(&q.Lines[i], f)
		}
		if q.String() != p.String() {
			out = append(out, q)
		}
	}
	move(func(d time.Duration) time.Duration { return round(d / 2) })
	for _, rest := range []time.Duration{0, 100 * time.Millisecond, time.Second} {
		last := time.Duration(0)
		for _, t := range times {
			if gap := t - last - rest; gap > 0 && gap > (t-last)/4 {
				move(func(d time.Duration) time.Duration {
					if d >= t {
						return d - gap
					}
					return d
				})
			}
			last = t
		}
	}
	return out
}

// moment is when a line happens, or the border of the phases is.
func moment(l *plan.Line) (time.Duration, bool) {
	if l.Verb.Text == "calm" && len(l.Args) == 1 {
		d, err := time.ParseDuration(l.Args[0].Text)
		return d, err == nil
	}
	return when(l)
}

// shift moves a line in time.
func shift(l *plan.Line, f func(time.Duration) time.Duration) {
	words := []*plan.Word{}
	for i := range l.Clauses {
		switch l.Clauses[i].Key.Text {
		case "at", "from", "to":
			words = append(words, &l.Clauses[i].Value)
		}
	}
	if l.Verb.Text == "calm" && len(l.Args) == 1 {
		words = append(words, &l.Args[0])
	}
	for _, w := range words {
		if d, err := time.ParseDuration(w.Text); err == nil {
			w.Text = plan.FormatDuration(f(d))
		}
	}
}
