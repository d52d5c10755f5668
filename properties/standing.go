package properties

// Property is something that a run demands by name.
type Property struct {
	Name    string
	Says    string
	Checker string // who looks at it, and when
}

// Standing returns the properties that hold in every scenario, or in every
// mesh, in the order in which they are documented.
func Standing() []Property {
	return []Property{
		{"every table stays within its limit", "Connections, newcomers, dials, closing connections, clients, services and running handlers are within their limits.", "`node.Node.Check`, after every event of every node"},
		{"every table and the ledger equal their recount", "Every table is what its indices and counters say, every entry has a living owner and no deadline that has long passed, and the ledger is the sum of its leases.", "`node.Node.Audit`, at a stride and whenever nothing is left to happen"},
		{"connections of the node, at its own end", "The network counts no more open connections than the node may have.", "`netsim`, which remembers the peak, at a stride"},
		{"connections of the node, at the other ends", "Nor do those at the other ends.", "`netsim`, which remembers the peak, at a stride"},
		{"no stream is orphaned", "A stream that is open at one end only is so for no longer than the news can take.", "`netsim.Net.Orphans`, at a stride"},
		{"nothing is in use when no call is in flight", "A node without calls uses no connection, and no link holds a call.", "before a node closes"},
		{"the open connections are those in the tables", "A node that is left alone has the connections of its pool and of its clients, and no other.", "before a node closes"},
		{"a closed node leaves nothing behind", "No lease, connection, stream, task, timer or context is left.", "`node.Node.Leftovers` and the simulator, when a node has closed"},
		{"no service outlives its time to live", "What nobody provides any more is taken for provided for no longer than its time to live and the news of it.", "the system `mesh`, at a stride"},
		{"nothing crosses from one realm into another", "No table of a node has a peer, a client or a service of another realm, and no handler runs a call of one.", "the system `mesh`, at a stride and in every handler"},
		{"log lines are of few kinds", "The messages and keys of a node's log lines are few, and have no number in them: what differs is in the values.", "every log line, and at a stride"},
		{"the network is sound", "The simulated network keeps its own invariants.", "`netsim.Net.Check`, after every event"},
		{"the network's books agree", "Its counters equal their recount.", "`netsim.Net.Audit`, at a stride"},
		{EveryLooked, "A property that was never evaluated shows nothing.", "`make mutants`, after every run"},
		{"panic", "What checks itself panics: a lock taken twice, a use that is ended twice, a table that is full.", "the simulator"},
		{"leak", "Nothing is left of any machine when the story is over.", "the simulator, at the end"},
	}
}

// EveryLooked is the property of a run that it has evaluated all of them.
const EveryLooked = "every property is looked at"

// Invariant is one that holds whatever a mesh goes through, and the properties
// of a run that stand for it: the names under which they are counted.
type Invariant struct {
	Name string
	Says string
	By   []string
}

// Invariants returns them in their order.
func Invariants() []Invariant {
	const audit = "every table and the ledger equal their recount"
	return []Invariant{
		{"I1", "Each container is within its cap.", []string{"every table stays within its limit", "connections of the node, at its own end", "connections of the node, at the other ends"}},
		{"I2", "The bytes of the ledger are the sum of a recount, and everything is released exactly once.", []string{audit}},
		{"I3", "Indices are the inverse of each other.", []string{audit}},
		{"I4", "Every timer, task and stream has a living owner.", []string{audit, "no stream is orphaned", "nothing is in use when no call is in flight", "the open connections are those in the tables"}},
		{"I5", "Every call is answered exactly once, by its deadline.", []string{"every call ends by its deadline", "an answer is the answer to its call", "a call that is not idempotent runs at most once", "answered"}},
		{"I6", "After the end nothing is left: no task, no timer, no lease.", []string{"a closed node leaves nothing behind"}},
		{"I7", "No entry outlives its time to live and the time to sweep it.", []string{audit, "no service outlives its time to live"}},
		{"I8", "Realms are isolated.", []string{"nothing crosses from one realm into another"}},
		{"I9", "The number of kinds of log lines and of series is constant.", []string{"log lines are of few kinds"}},
		{"I10", "The mesh recovers in a stated time once the faults end.", []string{"answered", "converged", "known", "reachable"}},
	}
}
