package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
)

// listing are the flags of every command that lists something.
type listing struct {
	place
	Limit int  `help:"Rows at most, 1 to 1000." default:"1000" placeholder:"N"`
	JSON  bool `help:"Print JSON: the rows, and how many there are in all." name:"json"`
}

// check is about the flags.
func (l *listing) check() error {
	if l.Limit < 1 || l.Limit > control.MaxListed {
		return usage(fmt.Errorf("--limit: %d is out of range: 1 to %d", l.Limit, control.MaxListed))
	}
	return nil
}

// status asks the running node for its status.
func (l *listing) status(m *Main) (*control.Status, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return m.status(l.place)
}

// status asks the running node for its status.
func (m *Main) status(p place) (*control.Status, error) {
	cfg, err := m.load(p, "control")
	if err != nil {
		return nil, err
	}
	resp, err := ask(m.ctx, cfg.Control, &control.Request{Verb: control.VerbStatus})
	if err != nil {
		return nil, err
	}
	if resp.Status == nil {
		return nil, errors.New("the node answered without a status: is it another version?")
	}
	return resp.Status, nil
}

// rows are what a list prints in JSON: Total counts those that are not listed
// too.
type rows[T any] struct {
	Total int `json:"total"`
	Rows  []T `json:"rows"`
}

func rowsOf[T any](total int, list []T) rows[T] {
	return rows[T]{max(total, len(list)), append([]T{}, list...)}
}

// print shows a list by show, or as JSON.
func print[T any](m *Main, l *listing, all []T, total int, show func(io.Writer, []T)) {
	shown := all[:min(len(all), l.Limit)]
	if l.JSON {
		m.json(rowsOf(max(total, len(all)), shown))
		return
	}
	w := tabwriter.NewWriter(m.Stdout, 0, 8, 2, ' ', 0)
	show(w, shown)
	w.Flush()
	if left := max(total, len(all)) - len(shown); left > 0 {
		fmt.Fprintf(m.Stdout, "... and %d more\n", left)
	}
}

type peersCmd struct{ listing }

// Help is the second part of --help.
func (c *peersCmd) Help() string {
	return `The peers with the most calls in progress come first, then those that have asked and answered most.
CALLS are in progress: OUT from here, IN from there.

Examples:
  maculanode peers
  maculanode peers --limit 10
  maculanode peers --json | jq -r '.rows[].id'`
}

// Run implements the command.
func (c *peersCmd) Run(m *Main) error {
	s, err := c.status(m)
	if err != nil {
		return err
	}
	print(m, &c.listing, busiest(s.PeerList), s.Pool.Now, connRows("PEER"))
	return nil
}

type clientsCmd struct{ listing }

// Help is the second part of --help.
func (c *clientsCmd) Help() string {
	return `The clients with the most calls in progress come first, then those that have asked and answered most.
CALLS are in progress: OUT from here, IN from there.

Examples:
  maculanode clients
  maculanode clients --limit 10
  maculanode clients --json | jq .total`
}

// Run implements the command.
func (c *clientsCmd) Run(m *Main) error {
	s, err := c.status(m)
	if err != nil {
		return err
	}
	print(m, &c.listing, busiest(s.ClientList), s.Clients.Now, connRows("CLIENT"))
	return nil
}

// busiest puts the connections with the most calls first.
func busiest(list []control.Conn) []control.Conn {
	slices.SortStableFunc(list, func(a, b control.Conn) int {
		return cmp.Or(cmp.Compare(b.CallsOut+b.CallsIn, a.CallsOut+a.CallsIn), cmp.Compare(b.Asked+b.Served, a.Asked+a.Served))
	})
	return list
}

func connRows(title string) func(io.Writer, []control.Conn) {
	return func(w io.Writer, list []control.Conn) {
		fmt.Fprintf(w, "%s\tADDRESS\tWHO DIALLED\tCALLS OUT\tIN\tASKED\tSERVED\n", title)
		for _, c := range list {
			by := "they"
			if c.Dialled {
				by = "we"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n", c.ID, c.Addr, by, c.CallsOut, c.CallsIn, c.Asked, c.Served)
		}
	}
}

type servicesCmd struct {
	listing
	Local bool `help:"Only those that this node and its clients provide."`
}

// Help is the second part of --help.
func (c *servicesCmd) Help() string {
	return `One row for each provider of each name, by name. A node knows what it and its clients provide, and
what it has heard of other nodes; "maculanode lookup NAME" asks the mesh as well.

Examples:
  maculanode services
  maculanode services --local
  maculanode services --json | jq -r '.rows[].name' | sort -u`
}

// Run implements the command.
func (c *servicesCmd) Run(m *Main) error {
	s, err := c.status(m)
	if err != nil {
		return err
	}
	list, total := s.ServiceList, s.Registry.Now
	if c.Local {
		list = slices.DeleteFunc(list, func(v control.Service) bool { return !v.Local })
		total = len(list)
	}
	slices.SortStableFunc(list, func(a, b control.Service) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Provider, b.Provider))
	})
	print(m, &c.listing, list, total, serviceRows(s.ID))
	return nil
}

func serviceRows(self string) func(io.Writer, []control.Service) {
	return func(w io.Writer, list []control.Service) {
		fmt.Fprintf(w, "SERVICE\tPROVIDER\tWHERE\tEXPIRES IN\n")
		for _, v := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", v.Name, v.Provider, where(v, self), seconds(v.Left).Round(time.Second))
		}
	}
}

// where is a provider as the node with the id self sees it.
func where(v control.Service, self string) string {
	switch {
	case v.Local && v.Provider == self:
		return "here"
	case v.Local:
		return "a client"
	}
	return v.Addr
}

type callsCmd struct{ listing }

// Help is the second part of --help.
func (c *callsCmd) Help() string {
	return `The oldest calls come first. WAY is out for a call that was made from here, in for one that is
answered here. LEFT is the rest of its deadline.

Examples:
  maculanode calls
  maculanode calls --limit 20
  maculanode calls --json | jq '.rows[] | select(.age_seconds > 10)'`
}

// Run implements the command.
func (c *callsCmd) Run(m *Main) error {
	if err := c.check(); err != nil {
		return err
	}
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	resp, err := ask(m.ctx, cfg.Control, &control.Request{Verb: control.VerbCalls})
	if err != nil {
		return err
	}
	slices.SortStableFunc(resp.Calls, func(a, b control.Call) int { return cmp.Compare(b.Age, a.Age) })
	print(m, &c.listing, resp.Calls, len(resp.Calls), callRows)
	return nil
}

func callRows(w io.Writer, list []control.Call) {
	fmt.Fprintf(w, "SERVICE\tWAY\tAGE\tLEFT\tBYTES\tWITH\n")
	for _, v := range list {
		way := "in"
		if v.Out {
			way = "out"
		}
		fmt.Fprintf(w, "%s\t%s\t%v\t%v\t%d\t%s\n", v.Service, way, seconds(v.Age), seconds(v.Deadline), v.Bytes, v.With)
	}
}

type lookupCmd struct {
	place
	Name    string        `arg:"" help:"The service." complete:"service"`
	Timeout time.Duration `help:"When to give up." default:"5s" placeholder:"D"`
	JSON    bool          `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *lookupCmd) Help() string {
	return `The running node answers from what it knows, and asks the mesh when it knows nobody. The exit code
is 1 when nobody provides the service.

Examples:
  maculanode lookup demo.echo
  maculanode lookup demo.echo --json | jq -r '.rows[].provider'
  maculanode lookup demo.echo >/dev/null || echo nobody`
}

// Run implements the command.
func (c *lookupCmd) Run(m *Main) error {
	if err := wire.ValidName(c.Name); err != nil {
		return usage(err)
	}
	if c.Timeout <= 0 {
		return usage(fmt.Errorf("--timeout: %v is out of range: more than 0s", c.Timeout))
	}
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(m.ctx, c.Timeout, fault.New("", fault.Deadline, "nobody was found within %v", c.Timeout))
	defer cancel()
	resp, err := control.Do(ctx, cfg.Control, &control.Request{Verb: control.VerbLookup, Name: c.Name, Timeout: c.Timeout})
	var list []control.Service
	switch {
	case fault.KindOf(err) == fault.NotFound:
	case err != nil:
		return err
	default:
		list = resp.Services
	}
	l := listing{Limit: control.MaxListed, JSON: c.JSON}
	if c.JSON || len(list) > 0 {
		self := ""
		if !c.JSON && slices.ContainsFunc(list, func(v control.Service) bool { return v.Local }) {
			// Which of them is this node is known to its status.
			s, err := m.status(c.place)
			if err != nil {
				return err
			}
			self = s.ID
		}
		print(m, &l, list, len(list), serviceRows(self))
	}
	if len(list) == 0 {
		return fault.New("", fault.NotFound, "nobody provides %s", c.Name)
	}
	return nil
}
