package admin

import (
	"fmt"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// maxRows is how many rows of a table the page shows; the rest is behind its
// link.
const maxRows = 20

// view is what the templates see.
type view struct {
	St      control.Status
	Ready   bool
	Why     string
	Uptime  string
	Facts   []fact
	Limits  []limit
	Tables  []limit // all of them
	Charts  []figure
	Rates   []rates
	Holders []holder
	Peers   []conn
	Clients []conn
	Serv    []service
	Calls   []call
	Callers int // calls in flight, all of them
}

// fact is a figure with its name.
type fact struct {
	Name, Value, Note string
	Level             string // a class: "", warn or bad
}

// limit is a table beside its limit.
type limit struct {
	Name             string
	Now, Limit, Peak string
	Refused          string
	Percent          string
	Fill, Mark       float64 // of 100; Mark is below 0 when no peak is kept
	Level            string  // a class: "", warn or bad
}

// rates are those of one counter.
type rates struct{ Name, Short, Minute, Hour, Total string }

// holder is a row of those that hold the most.
type holder struct {
	ID, Short, Kind, Leases, Bytes string
	Fill                           float64 // of what it may hold of the class that it is nearest to
	Near                           string  // that class
}

// conn is a row of peers or clients.
type conn struct {
	ID, Short, Addr, Who       string
	In, Out, Asked, Served, By string
}

type service struct{ Name, Provider, Short, Where, Left string }

type call struct {
	Service, Way, With, Short, Age, Left, Bytes string
	Late                                        bool
}

// viewOf puts together what the page shows.
func viewOf(st control.Status, ready bool, why string, calls []control.Call, all []sample, holders []control.Holder) *view {
	v := &view{St: st, Ready: ready, Why: oneLine(why), Uptime: span(st.Uptime), Callers: len(calls)}
	v.Limits, v.Tables = limits(&st), tables(&st)
	v.Facts = facts(&st)
	v.Charts = charts(all, map[string]int{"Peers": st.Pool.Limit, "Clients": st.Clients.Limit, "Services known": st.Registry.Limit})
	for i, c := range counters {
		v.Rates = append(v.Rates, rates{
			c.name, perSecond(rate(all, i, 10)), perSecond(rate(all, i, 60)), perSecond(rate(all, i, 3600)), number(c.of(&st)),
		})
	}
	for _, h := range holders[:min(len(holders), 10)] {
		v.Holders = append(v.Holders, holderOf(&h))
	}
	v.Peers, v.Clients = conns(st.PeerList), conns(st.ClientList)
	for _, s := range st.ServiceList[:min(len(st.ServiceList), maxRows)] {
		v.Serv = append(v.Serv, serviceOf(&s, st.ID))
	}
	for _, c := range calls[:min(len(calls), maxRows)] {
		v.Calls = append(v.Calls, callOf(&c))
	}
	return v
}

// level says how near a share of a limit is: at 90 % something will be refused
// or evicted soon.
func level(share float64) string {
	switch {
	case share >= 0.9:
		return "bad"
	case share >= 0.7:
		return "warn"
	}
	return ""
}

// limitOf is a row of the limits. A peak below 0 is not kept.
func limitOf(name string, now, most, peak float64, format func(float64) string) limit {
	l := limit{Name: name, Now: format(now), Limit: format(most), Mark: -1}
	if peak >= 0 {
		l.Peak = format(peak)
	}
	if most <= 0 {
		return l // the sum over no connections
	}
	l.Fill, l.Level = min(100, 100*now/most), level(now/most)
	if peak > 0 {
		l.Mark = min(99, 100*peak/most)
	}
	switch p := 100 * now / most; {
	case p == 0:
		l.Percent = "0 %"
	case p < 1:
		l.Percent = "< 1 %"
	default:
		l.Percent = fmt.Sprintf("%.0f %%", p)
	}
	return l
}

func holderOf(h *control.Holder) holder {
	out := holder{ID: h.ID, Short: short(h.ID), Kind: h.Kind, Leases: number(h.Leases), Bytes: bytesText(float64(h.Bytes))}
	if out.Kind == "" {
		out.Kind = "not admitted"
	}
	for _, c := range h.Classes {
		share := 0.0
		if c.Limit > 0 {
			share = float64(c.Count) / float64(c.Limit)
		}
		if c.LimitBytes > 0 {
			share = max(share, float64(c.Bytes)/float64(c.LimitBytes))
		}
		if 100*share > out.Fill {
			out.Fill, out.Near = min(100, 100*share), fmt.Sprintf("%.0f %% of %s", 100*share, c.Name)
		}
	}
	return out
}

func conns(list []control.Conn) []conn {
	var out []conn
	for _, c := range list[:min(len(list), maxRows)] {
		d := conn{
			ID: c.ID, Short: short(c.ID), Addr: c.Addr, By: "they",
			In: number(c.CallsIn), Out: number(c.CallsOut), Asked: number(c.Asked), Served: number(c.Served),
		}
		if c.Dialled {
			d.By = "we"
		}
		out = append(out, d)
	}
	return out
}

func serviceOf(s *control.Service, self string) service {
	d := service{Name: s.Name, Provider: s.Provider, Short: short(s.Provider), Where: s.Addr, Left: span(s.Left)}
	switch {
	case s.Local && s.Provider == self:
		d.Where = "here"
	case s.Local:
		d.Where = "a client"
	}
	return d
}

func callOf(c *control.Call) call {
	d := call{Service: c.Service, Way: "in", With: c.With, Short: short(c.With), Age: span(c.Age), Left: span(c.Deadline), Bytes: bytesText(float64(c.Bytes)), Late: c.Deadline < 0}
	if c.Out {
		d.Way = "out"
	}
	return d
}
