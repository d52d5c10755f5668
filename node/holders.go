package node

import "github.com/maculamesh/macula/node/ledger"

// Holders returns the peers and clients that make this node hold the most by
// the books, up to max of them, the largest first. It goes through all leases.
func (n *Node) Holders(max int) []ledger.ScopeUsage { return n.ledger.Most(max) }
