package ledger

import (
	"cmp"
	"fmt"
	"slices"
)

// Usage is what one scope holds of one class.
type Usage struct {
	Class Class
	Count int
	Bytes int64
	Limit Limit
}

// ScopeUsage is what one realm or peer holds.
type ScopeUsage struct {
	Scope  Scope
	Leases int
	Usage  []Usage // all classes
}

// Held is one live lease.
type Held struct {
	Scope  Scope
	Name   string
	Claims []Claim
}

// Stats is what a ledger holds. It takes constant time.
type Stats struct {
	Leases         int
	Peak           int // most leases at a time
	Realms         int // with a lease
	Peers          int // with a lease
	Acquired       uint64
	Refused        uint64
	DoubleReleases uint64
	Usage          []Usage // of the node, all classes
}

// Leases is how many leases are live.
func (l *Ledger) Leases() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.node.leases
}

// Stats returns the books at this moment.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Leases: l.node.leases, Peak: l.peak, Realms: len(l.realms), Peers: len(l.peers),
		Acquired: l.acquired, Refused: l.refused, DoubleReleases: l.doubles, Usage: l.node.usage(),
	}
}

// Usage returns what a scope holds: with a zero Peer its realm.
func (l *Ledger) Usage(s Scope) []Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.peers[s]
	if s.Peer == (Scope{}).Peer {
		a = l.realms[s.Realm]
	}
	if a == nil {
		return nil
	}
	return a.usage()
}

// Peers returns the peers that hold something, up to max of them, in the order
// of their oldest lease. It goes through all leases.
func (l *Ledger) Peers(max int) []ScopeUsage {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []ScopeUsage
	seen := map[*account]bool{}
	for r := l.oldest; r != nil && len(out) < max; r = r.next {
		if a := r.peer; !seen[a] {
			seen[a] = true
			out = append(out, ScopeUsage{Scope: a.scope, Leases: a.leases, Usage: a.usage()})
		}
	}
	return out
}

// Most returns the peers that hold the most bytes, up to max of them, the
// largest first; of equal ones the one with more leases, then the one with the
// older lease. It goes through all leases.
func (l *Ledger) Most(max int) []ScopeUsage {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*account
	seen := map[*account]bool{} // bound: those with a lease, as l.peers
	for r := l.oldest; r != nil; r = r.next {
		if a := r.peer; !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b *account) int {
		return cmp.Or(cmp.Compare(b.bytes(), a.bytes()), cmp.Compare(b.leases, a.leases))
	})
	var out []ScopeUsage
	for _, a := range all[:min(max, len(all))] {
		out = append(out, ScopeUsage{Scope: a.scope, Leases: a.leases, Usage: a.usage()})
	}
	return out
}

func (a *account) bytes() (sum int64) {
	for _, u := range a.held {
		sum += u.bytes
	}
	return sum
}

// Oldest returns up to max live leases, the oldest first: what is found there
// after a shutdown was not given back.
func (l *Ledger) Oldest(max int) []Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Held
	for r := l.oldest; r != nil && len(out) < max; r = r.next {
		h := Held{Scope: r.peer.scope, Name: r.name}
		for c, u := range r.held {
			if u != (usage{}) {
				h.Claims = append(h.Claims, Claim{Class: Class(c), Count: u.count, Bytes: u.bytes})
			}
		}
		out = append(out, h)
	}
	return out
}

func (a *account) usage() []Usage {
	out := make([]Usage, classes)
	for c := range out {
		out[c] = Usage{Class: Class(c), Count: a.held[c].count, Bytes: a.held[c].bytes, Limit: a.limits[c]}
	}
	return out
}

// Audit recounts the live leases and compares every account with them: what
// differs is an error, as is an account over its limits or one that nothing is
// held of. It takes time in proportion to the leases.
func (l *Ledger) Audit() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	sums, order, err := l.recount()
	if err != nil {
		return err
	}
	for _, a := range append(order, l.node) {
		if err := l.compare(a, sums[a]); err != nil {
			return err
		}
	}
	return nil
}

// Drift is how many accounts differ from the leases that are charged to them:
// zero, or it is a bug. It takes time in proportion to the leases.
func (l *Ledger) Drift() (wrong int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sums, order, err := l.recount()
	if err != nil {
		return 1
	}
	for _, a := range append(order, l.node) {
		if l.compare(a, sums[a]) != nil {
			wrong++
		}
	}
	return wrong
}

// recount adds up the leases of every account, and returns the accounts but
// the node's in the order in which it met them.
func (l *Ledger) recount() (sums map[*account]*account, order []*account, err error) {
	sums = map[*account]*account{l.node: {}}
	var prev *record
	for r := l.oldest; r != nil; prev, r = r, r.next {
		if r.prev != prev || r.peer == nil || l.peers[r.peer.scope] != r.peer || l.realms[r.peer.scope.Realm] != r.peer.above {
			return nil, nil, fmt.Errorf("ledger: the lease of a %s is charged to an account that is not there", r.name)
		}
		for a := r.peer; a != nil; a = a.above {
			if sums[a] == nil {
				sums[a] = &account{}
				order = append(order, a)
			}
			sums[a].add(&r.held)
		}
	}
	if prev != l.newest {
		return nil, nil, fmt.Errorf("ledger: the list of the leases ends elsewhere")
	}
	if have, want := len(l.realms)+len(l.peers), len(order); have != want {
		return nil, nil, fmt.Errorf("ledger: %d accounts, %d of them with a lease", have, want)
	}
	return sums, order, nil
}

func (l *Ledger) compare(a, sum *account) error {
	if a.leases != sum.leases {
		return fmt.Errorf("ledger: %s counts %d leases, there are %d", l.level(a), a.leases, sum.leases)
	}
	for c := range a.held {
		if a.held[c] != sum.held[c] {
			return fmt.Errorf("ledger: %s counts %d and %d bytes of class %s, held are %d and %d", l.level(a), a.held[c].count, a.held[c].bytes, Class(c), sum.held[c].count, sum.held[c].bytes)
		}
		if limit := a.limits[c]; a.held[c].count > limit.Count || a.held[c].bytes > limit.Bytes {
			return fmt.Errorf("ledger: %s holds %d and %d bytes of class %s, the limit is %d and %d", l.level(a), a.held[c].count, a.held[c].bytes, Class(c), limit.Count, limit.Bytes)
		}
	}
	return nil
}
