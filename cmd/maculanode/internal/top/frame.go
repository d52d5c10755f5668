package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// The smallest terminal that the view is made for; on a smaller one it is cut.
const (
	minWidth  = 40
	minHeight = 12
)

// wide is the width from which on limits and rates stand side by side, and
// roomy that from which on ids are shown whole.
const (
	wide  = 72
	roomy = 120
)

// Frame draws the view: at most height lines of at most width columns. prev is
// the sample before cur, for the rates, and may be empty. It looks at nothing
// but its arguments, and changes nothing.
func Frame(cur, prev Sample, width, height int, st State) []string {
	width, height = max(width, minWidth), max(height, minHeight)
	p := &painter{width: width, color: st.Color}
	if cur.Status == nil {
		p.line().add(bold, "maculanode top")
		p.line().add(red, "no answer: "+st.Gone)
		p.line().add(faint, "it is asked again every second; q quits")
		return p.lines
	}
	p.header(cur.Status, st)
	p.line()
	p.limitsAndRates(cur.Status, prev.Status)
	p.line()
	p.tabs(cur, st)
	p.table(cur, prev, PageSize(len(p.lines), height, st), st)
	if !st.Once {
		for len(p.lines) < height-1 {
			p.line()
		}
		p.keys(cur, len(p.lines), st)
	}
	for i, l := range p.lines {
		p.lines[i] = strings.TrimRight(l, " ")
	}
	return p.lines[:min(len(p.lines), height)]
}

// PageSize is how many rows of a table there is room for, when that many lines
// stand above its title.
func PageSize(above, height int, st State) int {
	if st.Once {
		return max(1, height-above-1)
	}
	return max(1, height-above-2)
}

// Above is how many lines stand above the title of the table.
func Above(width int) int {
	n := max(len(limits(&control.Status{})), len(counters))
	if width < wide {
		n = len(limits(&control.Status{}))
	}
	return 2 + 1 + n + 1 + 1
}

// Rows is how many rows the table has that is chosen.
func Rows(s Sample, t Table) int {
	switch {
	case s.Status == nil:
		return 0
	case t == Peers:
		return len(s.Status.PeerList)
	case t == Clients:
		return len(s.Status.ClientList)
	case t == Services:
		return len(s.Status.ServiceList)
	}
	return len(s.Calls)
}

func (p *painter) header(s *control.Status, st State) {
	l := p.line()
	l.add(bold, "node "+short(s.ID, p.width))
	switch state, why := readiness(s); state {
	case "ready":
		l.add("", " is ").add(green, state)
	default:
		l.add("", " is ").add(red, strings.TrimSuffix(state+": "+why, ": "))
	}
	l.add("", fmt.Sprintf(", up %v", age(s.Uptime)))
	l.add(faint, "  "+s.Realm+"  "+s.Addr)

	l = p.line()
	if st.Gone != "" {
		l.add(red, "no answer, old figures: "+st.Gone)
		return
	}
	if st.Paused {
		l.add(yellow, "PAUSED").add("", "  ")
	}
	if level := s.Pressure.Level; level != "" {
		style := red
		switch level {
		case "normal":
			style = green
		case "elevated":
			style = yellow
		}
		l.add("", "pressure ").add(style, level).add("", "  ")
	}
	memory := size(float64(s.Process.Mapped))
	if s.Pressure.Limit > 0 {
		memory = size(float64(s.Pressure.Used)) + " of " + size(float64(s.Pressure.Limit))
	}
	l.add("", fmt.Sprintf("memory %s  goroutines %d", memory, s.Process.Goroutines))
	l.add(faint, fmt.Sprintf("  process %d  %s", s.PID, s.Version))
}

// limit is a row of the limits.
type limit struct {
	name  string
	now   float64
	limit float64 // that counts at the moment
	whole float64 // as configured; 0: the same
	bytes bool
}

func limits(s *control.Status) []limit {
	out := []limit{
		adapted("peers", s.Pool.Use, s.Acting.Peers),
		adapted("clients", s.Clients.Use, s.Acting.Clients),
		adapted("services", s.Registry.Use, s.Acting.Services),
		adapted("handlers", s.Server.Use, s.Acting.Handlers),
		{name: "connections", now: float64(s.Transport.Conns), limit: float64(s.Transport.Limit)},
	}
	for _, want := range []string{"call", "queue"} {
		row := limit{name: want + " bytes", bytes: true}
		for _, c := range s.Ledger.Classes {
			if c.Name == want {
				row.now, row.limit = float64(c.Bytes), float64(c.LimitBytes)
			}
		}
		out = append(out, row)
	}
	return out
}

// adapted is a limit that load adaptation changes.
func adapted(name string, u control.Use, now int) limit {
	l := limit{name: name, now: float64(u.Now), limit: float64(acting(now, u.Limit))}
	if l.limit != float64(u.Limit) {
		l.whole = float64(u.Limit)
	}
	return l
}

// counters are the rates that are shown.
var counters = []struct {
	name string
	of   func(*control.Status) uint64
	bad  bool
}{
	{"calls made", func(s *control.Status) uint64 { return s.Caller.OK + s.Caller.Failed }, false},
	{"of them failed", func(s *control.Status) uint64 { return s.Caller.Failed }, true},
	{"calls answered", func(s *control.Status) uint64 { return s.Server.Served }, false},
	{"refused", func(s *control.Status) uint64 {
		return s.Server.Refused + s.Clients.Refused + s.Pool.Refused + s.Registry.Refused
	}, true},
	{"failovers", func(s *control.Status) uint64 { return s.Caller.Failovers }, true},
	{"dials", func(s *control.Status) uint64 { return s.Pool.Dials }, false},
	{"evictions", func(s *control.Status) uint64 { return s.Pool.Evicted }, false},
}

func (p *painter) limitsAndRates(s, prev *control.Status) {
	bar := 16
	if p.width >= roomy {
		bar = 40
	}
	left := limits(s)
	for i := range max(len(left), len(counters)) {
		if p.width < wide && i >= len(left) {
			return
		}
		l := p.line()
		if i < len(left) {
			p.bar(l, left[i], bar)
		}
		if p.width < wide || i >= len(counters) {
			continue
		}
		l.to(13 + bar + 26)
		c := counters[i]
		rate, ok := perSecond(s, prev, c.of)
		style := ""
		if c.bad && rate > 0 {
			style = yellow
		}
		l.add("", fmt.Sprintf("%-15s", c.name)).add(style, fmt.Sprintf("%9s", rateText(rate, ok)))
	}
}

// bar draws a limit against its use.
func (p *painter) bar(l *line, r limit, width int) {
	share := 0.0
	if r.limit > 0 {
		share = min(1, r.now/r.limit)
	}
	full := int(share * float64(width))
	if full == 0 && r.now > 0 {
		full = 1
	}
	style := green
	switch {
	case share >= 0.9:
		style = red
	case share >= 0.7:
		style = yellow
	}
	text := fmt.Sprintf("%.0f/%.0f", r.now, r.limit)
	if r.bytes {
		text = size(r.now) + "/" + size(r.limit)
	}
	l.add("", fmt.Sprintf("%-12s[", r.name)).add(style, strings.Repeat("#", full))
	l.add("", strings.Repeat(" ", width-full)+"] "+text)
	if r.whole > 0 {
		l.add(yellow, fmt.Sprintf(" of %.0f", r.whole))
	}
}

func (p *painter) tabs(cur Sample, st State) {
	s := cur.Status
	l := p.line()
	for i, t := range []struct {
		name string
		n    int
	}{
		{"[p]eers", s.Pool.Now}, {"[c]lients", s.Clients.Now}, {"[s]ervices", s.Registry.Now}, {"[o]ldest calls", len(cur.Calls)},
	} {
		style := ""
		if Table(i) == st.Table {
			style = bold
			l.add(style, "> ")
		} else {
			l.add("", "  ")
		}
		l.add(style, fmt.Sprintf("%s %d", t.name, t.n)).add("", "  ")
	}
}

func (p *painter) keys(cur Sample, above int, st State) {
	text := "q quit  p c s o table  j k scroll  space pause"
	if st.Paused {
		text = "q quit  p c s o table  j k scroll  space go on"
	}
	l := p.line().add(faint, text)
	if rows := Rows(cur, st.Table); st.Scroll > 0 {
		l.add(faint, fmt.Sprintf("  row %d of %d", min(st.Scroll+1, rows), rows))
	}
}

// perSecond is the rate of a counter between two samples of one process.
func perSecond(s, prev *control.Status, of func(*control.Status) uint64) (float64, bool) {
	if prev == nil || prev.PID != s.PID || s.Uptime <= prev.Uptime || of(s) < of(prev) {
		return 0, false
	}
	return float64(of(s)-of(prev)) / (s.Uptime - prev.Uptime), true
}

func rateText(r float64, ok bool) string {
	switch {
	case !ok:
		return "-"
	case r >= 100_000:
		return fmt.Sprintf("%.0fk/s", r/1000)
	case r >= 100 || r == 0:
		return fmt.Sprintf("%.0f/s", r)
	}
	return fmt.Sprintf("%.1f/s", r)
}

// size is bytes in few characters.
func size(b float64) string {
	for _, u := range []string{"B", "KiB", "MiB"} {
		if b < 1024 {
			if b == float64(int(b)) || b >= 100 {
				return fmt.Sprintf("%.0f %s", b, u)
			}
			return fmt.Sprintf("%.1f %s", b, u)
		}
		b /= 1024
	}
	return fmt.Sprintf("%.1f GiB", b)
}

// age is a time in seconds for people.
func age(s float64) time.Duration {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// short is an id as far as there is room for it.
func short(id string, width int) string {
	if width >= roomy || len(id) <= 12 {
		return id
	}
	return id[:12]
}
