package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

type statusCmd struct {
	place
	JSON bool `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *statusCmd) Help() string {
	return `What the node holds stands beside its limit and the most that it ever held; then what it has done;
then its peers, clients and services, at most 1000 of each.

Examples:
  maculanode status
  maculanode status --json | jq .pool`
}

// Run implements the command.
func (c *statusCmd) Run(m *Main) error {
	cfg, err := m.load(c.place, "control")
	if err != nil {
		return err
	}
	resp, err := ask(m.ctx, cfg.Control, &control.Request{Verb: control.VerbStatus})
	if err != nil {
		return err
	}
	if resp.Status == nil {
		return errors.New("the node answered without a status: is it another version?")
	}
	if c.JSON {
		m.json(resp.Status)
		return nil
	}
	show(m.Stdout, resp.Status)
	return nil
}

// show prints a status for people.
func show(out io.Writer, s *control.Status) {
	state := "serving"
	if s.Draining {
		state = "draining"
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "node\t%s\n", s.ID)
	fmt.Fprintf(w, "realm\t%s\n", s.Realm)
	fmt.Fprintf(w, "address\t%s\n", s.Addr)
	fmt.Fprintf(w, "state\t%s for %v, process %d, version %s\n", state, seconds(s.Uptime), s.PID, s.Version)
	w.Flush()
	tables(out, s)
	done(out, s)
	conns(out, "PEER", s.PeerList, s.Pool.Now)
	conns(out, "CLIENT", s.ClientList, s.Clients.Now)
	services(out, s)
}

func tables(out io.Writer, s *control.Status) {
	w := tabwriter.NewWriter(out, 8, 8, 2, ' ', tabwriter.AlignRight)
	row := func(name string, now int, limit, peak string) {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t\n", name, now, limit, peak)
	}
	use := func(name string, u control.Use) { row(name, u.Now, strconv.Itoa(u.Limit), strconv.Itoa(u.Peak)) }
	fmt.Fprintf(w, "\nHOLDS\tNOW\tLIMIT\tPEAK\t\n")
	use("peers", s.Pool.Use)
	row("in use", s.Pool.InUse, "", "")
	row("dialling", s.Pool.Dialling, "", "")
	row("waiting", s.Pool.Waiting, "", "")
	row("closing", s.Pool.Closing, "", "")
	use("clients", s.Clients.Use)
	use("services known", s.Registry.Use)
	row("services here", s.Services.Now, strconv.Itoa(s.Services.Limit), "")
	use("handlers", s.Server.Use)
	row("calls out", s.Caller.InFlight, "", strconv.Itoa(s.Caller.Peak))
	row("connections", s.Transport.Conns, strconv.Itoa(s.Transport.Limit), "")
	row("handshakes", s.Transport.Handshaking, "", "")
	row("streams", s.Transport.Streams, "", "")
	row("leases", s.Leases, "", "")
	w.Flush()
}

func done(out io.Writer, s *control.Status) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	p, c, g, r, d := &s.Pool, &s.Clients, &s.Registry, &s.Caller, &s.Discovery
	fmt.Fprintf(w, "\nHAS DONE\t\n")
	fmt.Fprintf(w, "pool\thits %d, misses %d, dials %d (%d failed), admitted %d, evicted %d, reaped %d, superseded %d, refused %d\n",
		p.Hits, p.Misses, p.Dials, p.DialErrors, p.Admitted, p.Evicted, p.Reaped, p.Superseded, p.Refused)
	fmt.Fprintf(w, "clients\tadmitted %d, refused %d, superseded %d, left %d\n", c.Admitted, c.Refused, c.Superseded, c.Left)
	fmt.Fprintf(w, "registry\tnames %d, owners %d; added %d, refreshed %d, stale %d, refused %d, removed %d, expired %d\n",
		g.Names, g.Owners, g.Added, g.Refreshed, g.Stale, g.Refused, g.Removed, g.Expired)
	fmt.Fprintf(w, "answered\tserved %d, refused %d, panics %d\n", s.Server.Served, s.Server.Refused, s.Server.Panics)
	fmt.Fprintf(w, "called\tok %d, failed %d (deadline %d, cancelled %d, not found %d), failovers %d (%d without a budget), lookups %d (%d shared), providers left out %d times\n",
		r.OK, r.Failed, r.Deadline, r.Cancelled, r.NotFound, r.Failovers, r.NoBudget, r.Lookups, r.Shared, r.Ejections)
	fmt.Fprintf(w, "discovery\tnames %d, peers %d, asking %d; sent %d, heard %d, questions %d\n",
		d.Names, d.Peers, d.Asks, d.Sent, d.Heard, d.Questions)
	fmt.Fprintf(w, "cleanup\truns %d, removed %d, last took %v\n", s.Cleanup.Runs, s.Cleanup.Removed, seconds(s.Cleanup.Last))
	w.Flush()
}

func conns(out io.Writer, title string, list []control.Conn, total int) {
	if len(list) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "\n%s\tADDRESS\tWHO DIALLED\tCALLS OUT/IN\tASKED/SERVED\n", title)
	for _, c := range list {
		dialled := "they"
		if c.Dialled {
			dialled = "we"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d/%d\t%d/%d\n", c.ID, c.Addr, dialled, c.CallsOut, c.CallsIn, c.Asked, c.Served)
	}
	w.Flush()
	more(out, len(list), total)
}

func services(out io.Writer, s *control.Status) {
	if len(s.ServiceList) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "\nSERVICE\tPROVIDER\tWHERE\tEXPIRES IN\n")
	for _, v := range s.ServiceList {
		where := v.Addr
		switch {
		case v.Local && v.Provider == s.ID:
			where = "here"
		case v.Local:
			where = "a client"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", v.Name, v.Provider, where, seconds(v.Left).Round(time.Second))
	}
	w.Flush()
	more(out, len(s.ServiceList), s.Registry.Now)
}

// more says that a list was cut. A table may have changed by a few entries
// while it was read.
func more(out io.Writer, listed, total int) {
	if listed >= control.MaxListed && total > listed {
		fmt.Fprintf(out, "... and %d more\n", total-listed)
	}
}

func seconds(s float64) time.Duration {
	d := time.Duration(s * float64(time.Second))
	if d > time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Microsecond)
}
