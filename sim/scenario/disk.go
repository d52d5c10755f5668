package scenario

import (
	"slices"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
	simstore "github.com/maculamesh/macula/sim/store"
	"github.com/maculamesh/macula/store"
)

// Disk is what the place keeps its values on: it stays when the machine
// crashes and restarts, and the lines of a plan for a system with Disks say
// what it does meanwhile. There is one for each place, and only in simulation:
// in another world it panics.
func (p *Place) Disk() store.Store { return p.simulatedDisk() }

func (p *Place) simulatedDisk() *simstore.Disk {
	if p.disk == nil {
		m, ok := p.machine.(*sim.Machine)
		if !ok {
			panic("scenario: " + p.Name() + " is not simulated, so it has no simulated disk")
		}
		p.disk = simstore.New(m, p.diskFaults)
	}
	return p.disk
}

// diskFields describe a disk; what is not said is perfect.
var diskFields = []plan.Field{
	{Name: "latency", Kind: plan.Duration, Default: "0s", Doc: "of every operation"},
	{Name: "jitter", Kind: plan.Duration, Default: "0s", Doc: "the most that is added to it"},
	{Name: "slow", Kind: plan.Ratio, Default: "0%", Doc: "the share of operations that take slow-by longer"},
	{Name: "slow-by", Kind: plan.Duration, Default: "0s", Doc: "of the slow ones"},
	{Name: "capacity", Kind: plan.Bytes, Default: "0", Doc: "bytes that there is room for; 0 is no limit"},
	{Name: "read-error", Kind: plan.Ratio, Default: "0%", Doc: "the share of reads that fail"},
	{Name: "write-error", Kind: plan.Ratio, Default: "0%", Doc: "the share of writes that fail"},
	{Name: "sync-error", Kind: plan.Ratio, Default: "0%", Doc: "the share of syncs that fail"},
	{Name: "lost", Kind: plan.Ratio, Default: "0%", Doc: "the share of unsynced writes that a crash loses"},
	{Name: "torn", Kind: plan.Ratio, Default: "0%", Doc: "the share of unsynced writes of which a crash leaves a first part"},
	{Name: "reordered", Kind: plan.Ratio, Default: "0%", Doc: "the share of unsynced writes that come after later ones at a crash"},
}

// diskVerbs are those that only a system with Disks has.
var diskVerbs = []plan.Verb{
	{Name: "disk", Doc: "says what the disks of nodes are like; without it they are perfect", Use: plan.Head,
		Args:  []plan.Field{{Name: "nodes", Kind: plan.Nodes, Optional: true, Doc: "all nodes when they are not named"}},
		Pairs: diskFields},
}

// diskFaults are those of a line.
func diskFaults(r *Request) simstore.Faults {
	return simstore.Faults{
		Latency: r.Duration("latency"), Jitter: r.Duration("jitter"), Slow: int(r.Int("slow")), SlowBy: r.Duration("slow-by"),
		Capacity:  r.Int("capacity"),
		ReadError: int(r.Int("read-error")), WriteError: int(r.Int("write-error")), SyncError: int(r.Int("sync-error")),
		Lost: int(r.Int("lost")), Torn: int(r.Int("torn")), Reordered: int(r.Int("reordered")),
	}
}

// setDisks is the line "disk".
func setDisks(p *performance, r *Request) {
	for _, n := range p.chosen(r) {
		n.diskFaults = diskFaults(r)
		if n.disk != nil {
			n.disk.SetFaults(n.diskFaults)
		}
	}
}

// storeFaults are what a plan can do to the disks of a system that has them.
var storeFaults = []fault{
	{lasting("full", "leaves no room on the disk of a node", aNode), func(p *performance, r *Request) func() {
		return p.diskIs(r, func(f *simstore.Faults) { f.Capacity = 1 })
	}},
	{with(lasting("sluggish", "makes every operation of the disk of a node slow", aNode),
		plan.Field{Name: "by", Kind: plan.Duration, Default: "100ms", Draw: "1ms..2s", Least: 1, Doc: "how much longer each takes at most"}), func(p *performance, r *Request) func() {
		return p.diskIs(r, func(f *simstore.Faults) { f.Jitter += r.Duration("by") })
	}},
	{with(lasting("failing", "makes some operations of the disk of a node fail", aNode),
		plan.Field{Name: "share", Kind: plan.Ratio, Default: "10%", Draw: "1%..50%", Doc: "of them"}), func(p *performance, r *Request) func() {
		return p.diskIs(r, func(f *simstore.Faults) {
			f.ReadError, f.WriteError, f.SyncError = int(r.Int("share")), int(r.Int("share")), int(r.Int("share"))
		})
	}},
	{undrawn(instant("wipe", "gives a node an empty disk", aNode)), func(_ *performance, r *Request) func() {
		r.At("node").simulatedDisk().Wipe()
		return nil
	}},
}

// diskIs changes what a disk does for a while. Of several changes that overlap
// each is undone for itself, in any order.
func (p *performance) diskIs(r *Request, change func(*simstore.Faults)) (end func()) {
	n := r.At("node")
	d := n.simulatedDisk()
	n.changes = append(n.changes, &change)
	apply := func() {
		f := n.diskFaults
		for _, c := range n.changes {
			(*c)(&f)
		}
		d.SetFaults(f)
	}
	mine := n.changes[len(n.changes)-1]
	apply()
	return func() {
		n.changes = slices.DeleteFunc(n.changes, func(c *func(*simstore.Faults)) bool { return c == mine })
		apply()
	}
}

// buggifyVerb turns the rare behaviour of the code on.
var buggifyVerb = plan.Verb{
	Name: "buggify", Doc: "lets some places in the code do what is legal and rare", Use: plan.Head,
	Pairs: []plan.Field{
		{Name: "active", Kind: plan.Ratio, Default: "25%", Doc: "the share of places that do it in a run"},
		{Name: "fire", Kind: plan.Ratio, Default: "5%", Doc: "how often they do"},
	},
}

// buggify is what a plan says of it.
func buggify(sc *plan.Script) sim.Buggify {
	if sc != nil {
		for _, h := range sc.Heads {
			if h.Verb.Name == buggifyVerb.Name {
				return sim.Buggify{Active: int(h.Int("active")), Fire: int(h.Int("fire"))}
			}
		}
	}
	return sim.Buggify{}
}

// rare are the places that did something rare, as marks.
func rare(points []sim.BuggifyPoint) []Count {
	var out []Count
	for _, p := range points {
		if p.Fired > 0 {
			out = append(out, Count{"buggify: " + p.Name, p.Fired})
		}
	}
	return out
}
