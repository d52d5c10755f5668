package node

import (
	"fmt"
	"time"

	"github.com/maculamesh/macula/mono"
)

// CleanupStats are the totals of the periodic cleanup.
type CleanupStats struct {
	Runs    uint64
	Removed uint64        // entries of all tables
	Expired RemovedCounts // the same by table

	LastRemoved int           // by the last run
	Last        time.Duration // how long the last run took
	LastAt      time.Duration // when it ended, since the start of the node
}

// RemovedCounts is what the cleanup has removed, by table.
type RemovedCounts struct {
	Services        uint64
	Lookups         uint64 // names that nobody provided, and providers that were silent
	Names           uint64 // that peers are told, or that were withdrawn
	Backoffs        uint64 // of peers that could not be reached
	IdleConnections uint64
}

// cleanupLoop runs the cleanup at its interval until the node stops, and tells
// the registry more often than that that the node runs.
func (n *Node) cleanupLoop() {
	runs := 0
	n.registry.Beat()
	beat := n.cfg.Registry.Pause / 2
	last := n.r.Now()
	for {
		next := last.Add(n.acting().CleanupInterval)
		wait, cancel := n.r.WithTimeout(n.ctx, min(beat, next.Sub(n.r.Now())))
		n.recheck.Get(wait)
		cancel()
		if n.ctx.Err() != nil {
			return
		}
		n.registry.Beat()
		if last.Add(n.acting().CleanupInterval).Reached(n.r.Now()) {
			n.Cleanup()
			if runs++; runs%auditEvery == 0 {
				n.Inspect(n.ctx)
			}
			last = n.r.Now()
		}
	}
}

// Cleanup removes what has expired from every table that has a time to live,
// and returns how much it was. Its work is in proportion to that. It runs by
// itself; to call it is harmless.
func (n *Node) Cleanup() int {
	begun := n.r.Now()
	services := n.inBatches(n.registry.Expire)
	lookups := n.inBatches(n.caller.Sweep)
	told := n.inBatches(n.discovery.Sweep)
	backoffs := n.inBatches(n.pool.Sweep)
	idleSince := begun.Add(-n.acting().IdleAfter)
	idle := n.inBatches(func(max int) int { return n.pool.Reap(n.r.Now(), idleSince, max) })
	removed := services + lookups + told + backoffs + idle
	took := n.r.Now().Sub(begun)
	n.mu.Lock()
	n.cleanup.Runs++
	n.cleanup.Removed += uint64(removed)
	n.cleanup.Expired.Services += uint64(services)
	n.cleanup.Expired.Lookups += uint64(lookups)
	n.cleanup.Expired.Names += uint64(told)
	n.cleanup.Expired.Backoffs += uint64(backoffs)
	n.cleanup.Expired.IdleConnections += uint64(idle)
	n.cleanup.LastRemoved = removed
	n.cleanup.Last = took
	n.cleanup.LastAt = n.r.Now().Sub(n.started)
	n.swept = max(n.swept, begun)
	n.mu.Unlock()
	if removed > 0 {
		n.log.Info("cleanup", "removed", removed, "services", services, "lookups", lookups, "names", told, "backoffs", backoffs, "idle_connections", idle, "took", took)
	} else {
		n.log.Debug("cleanup", "removed", 0, "took", took)
	}
	return removed
}

// overdue says what is held that had expired before the last cleanup began. The
// registry, which stands still while the node does, and the calls of each link
// look after themselves.
func (n *Node) overdue() error {
	n.mu.Lock()
	swept := n.swept
	n.mu.Unlock()
	for _, table := range []struct {
		name string
		next mono.Time
	}{{"names", n.discovery.NextExpiry()}, {"backoffs", n.pool.NextExpiry()}, {"silent providers and names that nobody provides", n.caller.NextExpiry()}} {
		if table.next.Add(auditSlack).Reached(swept) { // it may have been put late
			return fmt.Errorf("%s: an entry that had expired %v before the last cleanup is still held", table.name, swept.Sub(table.next))
		}
	}
	return nil
}

// inBatches calls expire until nothing is left, and lets others work in
// between.
func (n *Node) inBatches(expire func(max int) int) (total int) {
	for {
		k := expire(n.cfg.CleanupBatch)
		total += k
		if k < n.cfg.CleanupBatch {
			return total
		}
		n.r.Yield()
	}
}
