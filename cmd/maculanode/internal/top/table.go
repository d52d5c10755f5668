package top

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// column is one of a table. Numbers stand to the right.
type column struct {
	title string
	right bool
}

// table draws the table that is chosen: its title and page rows of it.
func (p *painter) table(cur, prev Sample, page int, st State) {
	columns, rows := p.content(cur, prev, st.Table)
	from := max(0, min(st.Scroll, len(rows)-page))
	rows = rows[from:min(len(rows), from+page)]
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = len(c.title)
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	show := func(style string, cells []string) {
		l := p.line()
		for i, text := range cells {
			if i > 0 {
				l.add("", "  ")
			}
			if columns[i].right {
				l.add(style, fmt.Sprintf("%*s", widths[i], text))
			} else {
				l.add(style, fmt.Sprintf("%-*s", widths[i], text))
			}
		}
	}
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	show(bold, titles)
	for _, r := range rows {
		show("", r)
	}
	if len(rows) == 0 {
		p.line().add(faint, "none")
	}
}

func (p *painter) content(cur, prev Sample, t Table) ([]column, [][]string) {
	var before *control.Status
	if prev.Status != nil && prev.Status.PID == cur.Status.PID {
		before = prev.Status
	}
	switch t {
	case Peers:
		return p.conns("PEER", cur.Status.PeerList, list(before, func(s *control.Status) []control.Conn { return s.PeerList }), cur.Status, before)
	case Clients:
		return p.conns("CLIENT", cur.Status.ClientList, list(before, func(s *control.Status) []control.Conn { return s.ClientList }), cur.Status, before)
	case Services:
		return p.services(cur.Status)
	}
	return p.calls(cur.Calls)
}

func list(s *control.Status, of func(*control.Status) []control.Conn) []control.Conn {
	if s == nil {
		return nil
	}
	return of(s)
}

// conns are the connections, the busiest first: by what has happened on them
// since the last sample, then by what is in progress, then by the totals.
func (p *painter) conns(title string, now, then []control.Conn, s, before *control.Status) ([]column, [][]string) {
	was := make(map[string]control.Conn, len(then)) // bound: control.MaxListed
	for _, c := range then {
		was[c.ID] = c
	}
	type busy struct {
		control.Conn
		asked, served float64 // per second
		known         bool
	}
	var all []busy
	for _, c := range now {
		b := busy{Conn: c}
		if old, ok := was[c.ID]; ok && before != nil && s.Uptime > before.Uptime && c.Asked >= old.Asked && c.Served >= old.Served {
			took := s.Uptime - before.Uptime
			b.asked, b.served, b.known = float64(c.Asked-old.Asked)/took, float64(c.Served-old.Served)/took, true
		}
		all = append(all, b)
	}
	slices.SortStableFunc(all, func(a, b busy) int {
		return cmp.Or(cmp.Compare(b.asked+b.served, a.asked+a.served),
			cmp.Compare(b.CallsOut+b.CallsIn, a.CallsOut+a.CallsIn), cmp.Compare(b.Asked+b.Served, a.Asked+a.Served))
	})
	columns := []column{{title, false}, {"ADDRESS", false}, {"OUT", true}, {"IN", true}, {"ASKED", true}, {"SERVED", true}}
	var rows [][]string
	for _, b := range all {
		rows = append(rows, []string{
			short(b.ID, p.width), b.Addr, fmt.Sprint(b.CallsOut), fmt.Sprint(b.CallsIn), rateText(b.asked, b.known), rateText(b.served, b.known),
		})
	}
	return columns, rows
}

// services are the providers by name.
func (p *painter) services(s *control.Status) ([]column, [][]string) {
	sorted := slices.SortedStableFunc(slices.Values(s.ServiceList), func(a, b control.Service) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Provider, b.Provider))
	})
	var rows [][]string
	for _, v := range sorted {
		where := v.Addr
		switch {
		case v.Local && v.Provider == s.ID:
			where = "here"
		case v.Local:
			where = "a client"
		}
		rows = append(rows, []string{v.Name, short(v.Provider, p.width), where, age(v.Left).String()})
	}
	return []column{{"SERVICE", false}, {"PROVIDER", false}, {"WHERE", false}, {"EXPIRES IN", true}}, rows
}

// calls are those in flight, the oldest first.
func (p *painter) calls(list []control.Call) ([]column, [][]string) {
	sorted := slices.SortedStableFunc(slices.Values(list), func(a, b control.Call) int { return cmp.Compare(b.Age, a.Age) })
	var rows [][]string
	for _, v := range sorted {
		way := "in"
		if v.Out {
			way = "out"
		}
		rows = append(rows, []string{v.Service, way, age(v.Age).String(), age(v.Deadline).String(), size(float64(v.Bytes)), short(v.With, p.width)})
	}
	return []column{{"SERVICE", false}, {"WAY", false}, {"AGE", true}, {"LEFT", true}, {"REQUEST", true}, {"WITH", false}}, rows
}
