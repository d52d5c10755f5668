package pool

import (
	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
)

// Sweep forgets up to max backoffs that are long over, and returns how many.
func (p *Pool[C]) Sweep(max int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retry.Expire(p.r.Now(), max, nil)
}

// NextExpiry is when Sweep will have something to forget, or 0.
func (p *Pool[C]) NextExpiry() mono.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retry.NextExpiry()
}

// Tables returns the books of the pool's tables. Newcomers that found no room
// are counted as refused where they wait.
func (p *Pool[C]) Tables() []bounded.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	closing := p.cfg.Closing + p.shedding
	if p.closed {
		closing = max(closing, p.closing) // all of them
	}
	return []bounded.Stats{
		p.lru.Stats(), p.dials.Stats(), p.retry.Stats(),
		{Name: "inbound connections", Entries: p.lru.Marked(), Limit: p.inboundLimit(), Peak: p.mostInbound},
		{Name: "waiting newcomers", Entries: p.waiting.len(), Limit: p.cfg.Waiting, Peak: p.mostWaiting, Refused: p.counts.Refused},
		{Name: "closing connections", Entries: p.closing, Limit: closing, Peak: p.mostClosing},
	}
}
