package node

import (
	"context"
	"time"

	"github.com/maculamesh/macula/rt"
)

// AuditCounts are the totals of the full audits of a running node.
type AuditCounts struct {
	Checks     uint64
	Violations uint64
	Drift      int // accounts of the ledger that differed from their leases at the last one
}

// auditEvery is after how many cleanups a full audit runs: it goes through all
// that the node holds.
const auditEvery = 10

// auditAgain is after how long an audit is repeated that has found something,
// each in its turn. Tables that belong together are read one after the other,
// so what is about to be taken out of both can look like a violation; a real
// one stays.
var auditAgain = [...]time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}

// Inspect runs a full audit, counts it, and logs what is wrong. It blocks for
// as long as that takes, and for some seconds more when something is wrong, or
// until ctx ends.
func (n *Node) Inspect(ctx context.Context) error {
	err := n.Audit()
	for _, wait := range auditAgain {
		if err == nil || rt.Sleep(ctx, n.r, wait) != nil {
			break
		}
		err = n.Audit()
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // it was not looked at for long enough
	}
	drift := n.ledger.Drift()
	n.mu.Lock()
	n.audits.Checks++
	n.audits.Drift = drift
	if err != nil {
		n.audits.Violations++
	}
	n.mu.Unlock()
	if err != nil {
		n.log.Error("macula bug: an invariant is violated", "err", err)
	}
	return err
}
