package scenario

import (
	"slices"
	"time"

	"github.com/maculamesh/macula/sim/plan"
)

// fault is a verb that does something to the world. begin returns how it ends,
// or nil when it is over at once.
type fault struct {
	plan.Verb
	begin func(p *performance, r *Request) (end func())
}

func faultNamed(name string) fault {
	all := slices.Concat(faults, storeFaults)
	return all[slices.IndexFunc(all, func(f fault) bool { return f.Name == name })]
}

// Fields that several faults have.
var (
	aNode  = plan.Field{Name: "node", Kind: plan.Node}
	from   = plan.Field{Name: "from", Kind: plan.Node}
	to     = plan.Field{Name: "to", Kind: plan.Node}
	some   = plan.Field{Name: "nodes", Kind: plan.Nodes}
	groups = plan.Field{Name: "group", Kind: plan.Nodes, Many: true, Least: 2}
)

// lasting is a fault that goes on for a time, instant one that is over at
// once.
func lasting(name, doc string, args ...plan.Field) plan.Verb {
	return plan.Verb{Name: name, Doc: doc, Use: plan.Fault, Lasts: true, Args: args}
}

func instant(name, doc string, args ...plan.Field) plan.Verb {
	return plan.Verb{Name: name, Doc: doc, Use: plan.Fault, Args: args}
}

// with gives a verb pairs.
func with(v plan.Verb, pairs ...plan.Field) plan.Verb {
	v.Pairs = pairs
	return v
}

// undrawn keeps a verb out of what "draw fault" chooses from.
func undrawn(v plan.Verb) plan.Verb {
	v.Undrawn = true
	return v
}

// faults are what a plan can do to the world, in every system.
var faults = slices.Concat(networkFaults, machineFaults)

var networkFaults = []fault{
	{lasting("cut", "drops whatever one node sends to another; the other direction is not touched", from, to), beginCut},
	{lasting("partition", "divides nodes into groups: nothing passes between two of them", groups), beginPartition},
	{lasting("isolate", "cuts a node off from all others, both ways", aNode), beginIsolate},
	{lasting("ring", "lets each of the nodes talk to its two neighbours only", some), beginRing},
	{instant("kill", "breaks the connections between two nodes, with an error at both ends", from, to), beginKill},
	{with(instant("break", "breaks the connection between two nodes that delivers so many more bytes from the first to the second, right behind the last of them", from, to),
		plan.Field{Name: "after", Kind: plan.Bytes, Default: "1KiB", Draw: "1..64KiB", Least: 1, Doc: "how many bytes still arrive"}), beginBreak},
	{instant("forget", "makes the second node forget its connections with the first, which takes them for living: half-open peers", from, to), beginForget},
	{lasting("stall", "lets handshakes with the node get no further than their first packet", aNode), beginStall},
	{lasting("refuse", "refuses handshakes with the node late, as with a rejected certificate", aNode), beginRefuse},
	{lasting("hold", "lets packets from one node to another wait; none is lost, and at the end they arrive in their order", from, to), beginHold},
	{lasting("swizzle", "holds some of the links between the nodes, one after another, and releases them in another order", some), beginSwizzle},
	{undrawn(instant("rebind", "gives a node another address in the eyes of the others, as a NAT does that has restarted: what it has dialled lives on, what others have dialled dies, and nobody finds it at its old address", aNode)), beginRebind},
	{lasting("exhaust", "leaves a node without free ports: each of its dials fails at once", aNode), beginExhaust},
	{with(lasting("slowread", "lets what runs at a node read its streams slowly", aNode),
		plan.Field{Name: "rate", Kind: plan.Speed, Default: "16KiB/s", Draw: "512/s..256KiB/s", Least: 1, Doc: "bytes a second, of all its streams together"}), beginSlowRead},
	{with(lasting("weather", "changes the links between nodes, both ways", some), linkFields...), beginWeather},
}

var machineFaults = []fault{
	{lasting("crash", "ends everything that runs on a machine, in the middle of what it does; at the end it comes back", aNode), beginCrash},
	{lasting("pause", "makes a machine stand still, as a virtual machine that is suspended", aNode), beginPause},
	{with(lasting("slow", "makes each task of a machine wait before it runs", aNode),
		plan.Field{Name: "by", Kind: plan.Duration, Default: "20ms", Draw: "1ms..100ms", Least: 1, Doc: "the longest wait; each is drawn"}), beginSlow},
	{with(instant("wall", "steps the calendar clock of a machine", aNode),
		plan.Field{Name: "by", Kind: plan.Duration, Default: "1h", Draw: "-24h..24h", Least: -int64(8760 * time.Hour), Doc: "how far, forward or back"}), beginWall},
	{with(undrawn(instant("jump", "steps the monotonic clock of a machine forward, as after a sleep that nobody noticed", aNode)),
		plan.Field{Name: "by", Kind: plan.Duration, Default: "10s", Draw: "10ms..1m", Least: 1, Doc: "how far"}), beginJump},
	{with(lasting("drift", "lets the clocks of a machine run fast", aNode),
		plan.Field{Name: "by", Kind: plan.Ratio, Default: "1%", Draw: "10ppm..5%", Doc: "by how much"}), beginDrift},
}

// linkFields describe a link; what is not said is perfect.
var linkFields = []plan.Field{
	{Name: "latency", Kind: plan.Duration, Default: "0s", Draw: "0s..200ms", Doc: "what every packet takes"},
	{Name: "jitter", Kind: plan.Duration, Default: "0s", Draw: "0s..50ms", Doc: "the most that is added to it"},
	{Name: "loss", Kind: plan.Ratio, Default: "0%", Draw: "0%..20%", Doc: "the share of packets that is lost and sent again"},
	{Name: "reorder", Kind: plan.Ratio, Default: "0%", Draw: "0%..10%", Doc: "the share of packets that others overtake"},
	{Name: "tail", Kind: plan.Ratio, Default: "0%", Doc: "the share of packets that take longer by tail-latency, half of them twice as long, and so on"},
	{Name: "tail-latency", Kind: plan.Duration, Default: "0s", Doc: "of the tail"},
	{Name: "bandwidth", Kind: plan.Speed, Default: "0/s", Doc: "bytes a second; 0/s is no limit"},
	{Name: "queue", Kind: plan.Bytes, Default: "0", Doc: "bytes that wait for the bandwidth at most, the rest is lost; 0 is no limit"},
	{Name: "mtu", Kind: plan.Bytes, Default: "0", Doc: "bytes of a packet; 0 is no limit"},
	{Name: "duplicate", Kind: plan.Ratio, Default: "0%", Doc: "the share of datagrams that arrive twice"},
}

// worldVerbs say what the world is like from the start.
var worldVerbs = []plan.Verb{
	{Name: "link", Doc: "says what the links between nodes are like; without it they are perfect", Use: plan.Head,
		Args:  []plan.Field{{Name: "nodes", Kind: plan.Nodes, Optional: true, Doc: "all nodes when they are not named"}},
		Pairs: linkFields},
	buggifyVerb,
}
