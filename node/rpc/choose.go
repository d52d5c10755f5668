package rpc

import (
	"slices"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/transport"
)

// choose takes a local provider if there is one, else any that is not left out:
// callers that start at the same time spread over the providers. When more than
// half of them would be left out, none is: then it is not the providers.
func (c *Caller) choose(provs []Provider) Provider {
	for _, p := range provs {
		if p.Local != nil {
			return p
		}
	}
	if len(provs) == 1 {
		return provs[0]
	}
	provs = c.preferred(provs)
	return provs[c.r.Rand("rpc/provider").IntN(len(provs))]
}

// preferred takes those out of provs that are left out, unless they are more
// than half of them.
func (c *Caller) preferred(provs []Provider) []Provider {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.health.table.Len() == 0 {
		return provs
	}
	out, now := 0, c.r.Now()
	for _, p := range provs {
		if c.health.ejected(p.ID, now) {
			out++
		}
	}
	if out == 0 || 2*out > len(provs) {
		return provs
	}
	return slices.DeleteFunc(provs, func(p Provider) bool { return c.health.ejected(p.ID, now) })
}

// judge remembers whether a provider has answered.
func (c *Caller) judge(id transport.PeerID, begun mono.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil || remote(err) {
		c.health.answered(id)
		return
	}
	if now := c.r.Now(); c.health.blames(err, now.Sub(begun)) && c.health.letDown(id, begun, now) {
		c.counts.Ejections++
		c.mark("provider left out")
	}
}

// failOver counts an attempt after the first, or reports that the budget has
// none left.
func (c *Caller) failOver(costly bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if costly && !c.budget.spend() {
		c.counts.NoBudget++
		return false
	}
	c.counts.Failovers++
	return true
}
