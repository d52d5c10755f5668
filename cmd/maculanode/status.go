package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
)

type statusCmd struct {
	place
	JSON  bool `help:"Print JSON." name:"json"`
	Ready bool `help:"Only whether the node takes part in the mesh: the exit code is 0 if it does, 4 if not; one line says why not."`
}

// Help is the second part of --help.
func (c *statusCmd) Help() string {
	return `What the node holds stands beside its limit and the most that it ever held; then what it has done;
then its peers, clients and services, at most 1000 of each.

Examples:
  maculanode status
  maculanode status --json | jq .pool
  maculanode status --ready && echo it is`
}

// Run implements the command.
func (c *statusCmd) Run(m *Main) error {
	s, err := m.status(c.place)
	if err != nil {
		return err
	}
	if c.Ready && !s.Ready {
		return fault.New("", fault.Draining, "the node is not ready: %s", s.NotReady)
	}
	if c.JSON {
		m.json(s)
		return nil
	}
	if c.Ready {
		fmt.Fprintln(m.Stdout, "ready")
		return nil
	}
	show(m.Stdout, s)
	return nil
}

// show prints a status for people.
func show(out io.Writer, s *control.Status) {
	state := "ready"
	switch {
	case s.Draining:
		state = "draining"
	case !s.Ready:
		state = "not ready (" + s.NotReady + ")"
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "node\t%s\n", s.ID)
	fmt.Fprintf(w, "realm\t%s\n", s.Realm)
	fmt.Fprintf(w, "address\t%s\n", s.Addr)
	for _, x := range [][2]string{{"admin", s.Admin}, {"api", s.API}} {
		if x[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", x[0], x[1])
		}
	}
	fmt.Fprintf(w, "state\t%s, up %v, process %d, version %s\n", state, seconds(s.Uptime), s.PID, s.Version)
	fmt.Fprintf(w, "pressure\t%s\n", pressureText(&s.Pressure))
	w.Flush()
	tables(out, s)
	done(out, s)
	conns(out, "PEER", s.PeerList, s.Pool.Now)
	conns(out, "CLIENT", s.ClientList, s.Clients.Now)
	services(out, s)
}

// pressureText is how short the node is of memory and processor time.
func pressureText(p *control.Pressure) string {
	memory := "no limit on memory"
	if p.Limit > 0 {
		memory = fmt.Sprintf("%d of %d MiB of memory", p.Used>>20, p.Limit>>20)
	}
	return fmt.Sprintf("%s, %s, tasks wait %v for a processor", p.Level, memory, seconds(p.Latency))
}

func tables(out io.Writer, s *control.Status) {
	w := tabwriter.NewWriter(out, 8, 8, 2, ' ', tabwriter.AlignRight)
	row := func(name string, now int, limit, peak string) {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t\n", name, now, limit, peak)
	}
	use := func(name string, u control.Use) { row(name, u.Now, strconv.Itoa(u.Limit), strconv.Itoa(u.Peak)) }
	// Load adaptation may have lowered a limit for the moment.
	adapted := func(name string, u control.Use, acting int) {
		if limit := strconv.Itoa(u.Limit); acting > 0 && acting < u.Limit {
			row(name, u.Now, fmt.Sprintf("%d of %s", acting, limit), strconv.Itoa(u.Peak))
			return
		}
		use(name, u)
	}
	fmt.Fprintf(w, "\nHOLDS\tNOW\tLIMIT\tPEAK\t\n")
	adapted("peers", s.Pool.Use, s.Acting.Peers)
	row("in use", s.Pool.InUse, "", "")
	row("inbound", s.Pool.Inbound, strconv.Itoa(s.Pool.InLimit), "")
	row("dialling", s.Pool.Dialling, "", "")
	row("waiting", s.Pool.Waiting, "", "")
	row("closing", s.Pool.Closing, "", "")
	adapted("clients", s.Clients.Use, s.Acting.Clients)
	adapted("services known", s.Registry.Use, s.Acting.Services)
	row("services here", s.Services.Now, strconv.Itoa(s.Services.Limit), "")
	adapted("handlers", s.Server.Use, s.Acting.Handlers)
	row("calls out", s.Caller.InFlight, "", strconv.Itoa(s.Caller.Peak))
	row("connections", s.Transport.Conns, strconv.Itoa(s.Transport.Limit), "")
	row("handshakes", s.Transport.Handshaking, "", "")
	row("streams", s.Transport.Streams, "", "")
	row("leases", s.Leases, "", "")
	w.Flush()
	if s.Oldest != (control.Oldest{}) {
		fmt.Fprintf(out, "\noldest: call %v, handshake %v, half-closed stream %v\n", seconds(s.Oldest.Call), seconds(s.Oldest.Handshake), seconds(s.Oldest.HalfClosed))
	}
}

func done(out io.Writer, s *control.Status) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	p, c, g, r, d := &s.Pool, &s.Clients, &s.Registry, &s.Caller, &s.Discovery
	fmt.Fprintf(w, "\nHAS DONE\t\n")
	fmt.Fprintf(w, "pool\thits %d, misses %d, dials %d (%d failed), admitted %d, evicted %d (limit lowered %d, pressure %d, policy %d), reaped %d, superseded %d, refused %d\n",
		p.Hits, p.Misses, p.Dials, p.DialErrors, p.Admitted, p.Evicted, p.Lowered, p.Pressure, p.Policy, p.Reaped, p.Superseded, p.Refused)
	fmt.Fprintf(w, "clients\tadmitted %d, refused %d, superseded %d, shed %d, left %d\n", c.Admitted, c.Refused, c.Superseded, c.Shed, c.Left)
	fmt.Fprintf(w, "registry\tnames %d, owners %d; added %d, refreshed %d, stale %d, refused %d, removed %d, expired %d\n",
		g.Names, g.Owners, g.Added, g.Refreshed, g.Stale, g.Refused, g.Removed, g.Expired)
	fmt.Fprintf(w, "answered\tserved %d, refused %d, panics %d\n", s.Server.Served, s.Server.Refused, s.Server.Panics)
	fmt.Fprintf(w, "called\tok %d, failed %d (deadline %d, cancelled %d, not found %d), failovers %d (%d without a budget), lookups %d (%d shared), providers left out %d times\n",
		r.OK, r.Failed, r.Deadline, r.Cancelled, r.NotFound, r.Failovers, r.NoBudget, r.Lookups, r.Shared, r.Ejections)
	fmt.Fprintf(w, "discovery\tnames %d, peers %d, asking %d; sent %d, heard %d, questions %d\n",
		d.Names, d.Peers, d.Asks, d.Sent, d.Heard, d.Questions)
	fmt.Fprintf(w, "cleanup\truns %d, removed %d, the last one %d in %v\n", s.Cleanup.Runs, s.Cleanup.Removed, s.Cleanup.LastRemoved, seconds(s.Cleanup.Last))
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", v.Name, v.Provider, where(v, s.ID), seconds(v.Left).Round(time.Second))
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
