package registry

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
)

// NameTTL is the time to live of the services of some names, for
// advertisements that name none.
type NameTTL struct {
	Pattern string // a name, or a prefix and "**": "demo.**" is every name that begins with "demo."
	TTL     time.Duration
}

// Limits are what can be changed while a registry is in use.
type Limits struct {
	Entries             int // as in Config; zero fields have no default here
	TTL, MinTTL, MaxTTL time.Duration
	TTLs                []NameTTL // at most MaxTTLs
}

// MaxTTLs is how many names and prefixes may have a time to live of their own.
const MaxTTLs = 1000

// Check says which limit cannot be: Invalid.
func (l Limits) Check() error {
	bad := func(format string, args ...any) error { return fault.New("registry", fault.Invalid, format, args...) }
	switch {
	case l.Entries < 1:
		return bad("Services is %d, at least 1", l.Entries)
	case l.MinTTL <= 0 || l.TTL < l.MinTTL || l.MaxTTL < l.TTL:
		return bad("TTL is %v: it is not between MinTTL, %v, which is more than 0, and MaxTTL, %v", l.TTL, l.MinTTL, l.MaxTTL)
	case len(l.TTLs) > MaxTTLs:
		return bad("TTLs has %d patterns, at most %d", len(l.TTLs), MaxTTLs)
	}
	seen := make(map[string]bool, len(l.TTLs))
	for _, t := range l.TTLs {
		name := t.Pattern
		if prefix, ok := strings.CutSuffix(name, "**"); ok {
			name = prefix + "x" // what follows the prefix is up to the provider
		}
		if err := wire.ValidName(name); err != nil {
			return bad("TTLs: the pattern %q is neither a name nor a prefix and **: %v", t.Pattern, err)
		}
		switch {
		case seen[t.Pattern]:
			return bad("TTLs: the pattern %q is there twice", t.Pattern)
		case t.TTL < l.MinTTL || t.TTL > l.MaxTTL:
			return bad("TTLs: %v for %q is not between MinTTL, %v, and MaxTTL, %v", t.TTL, t.Pattern, l.MinTTL, l.MaxTTL)
		}
		seen[t.Pattern] = true
	}
	return nil
}

// SetLimits changes the limits. What is over the new limit of entries goes in
// the same step and is returned: what other nodes provide, the earliest to
// expire first, and then what clients provide, in the same order. Times to live
// count from the next advertisement on. Errors, with nothing changed: Invalid,
// also when this node itself provides more than there may be. It does not
// block.
func (g *Registry[L]) SetLimits(l Limits) (shed []Entry[L], err error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	l.TTLs = slices.Clone(l.TTLs)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.entries.Len() > l.Entries {
		g.expire(g.now(), g.entries.Len())
	}
	over := g.entries.Len() - l.Entries
	if over > 0 {
		list := g.shedOrder()
		if over > len(list) {
			return nil, fault.New("registry", fault.Invalid, "Services is %d: this node itself provides %d", l.Entries, g.entries.Len()-len(list))
		}
		for _, rec := range list[:over] {
			g.entries.Delete(key{rec.Name, rec.Provider}, rec.ref)
			g.unlink(rec)
			g.counts.Removed++
			shed = append(shed, rec.Entry)
		}
	}
	g.entries.SetCap(l.Entries)
	g.cfg.Entries, g.cfg.TTL, g.cfg.MinTTL, g.cfg.MaxTTL, g.cfg.TTLs = l.Entries, l.TTL, l.MinTTL, l.MaxTTL, l.TTLs
	return shed, nil
}

// shedOrder is what may go when there is too much, the first to go first.
func (g *Registry[L]) shedOrder() (list []*record[L]) {
	for _, rec := range g.entries.All() {
		if !rec.IsLocal || rec.Owner.Session != 0 {
			list = append(list, rec)
		}
	}
	slices.SortStableFunc(list, func(a, b *record[L]) int {
		if a.IsLocal != b.IsLocal {
			if a.IsLocal {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.Expires, b.Expires)
	})
	return list
}

// Shorten lets what other nodes provide count for half as long from now on, or
// not any more. Providers renew when a third of the time has passed, so none is
// lost. What is provided here is not affected: its end comes with its owner,
// and peers that are told of it may be short of memory too.
func (g *Registry[L]) Shorten(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.short = on
}

// TTL is how long an advertisement of name counts that is made here and asks
// for so long; 0 leaves it to the configuration.
func (g *Registry[L]) TTL(name string, asked time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grant(name, asked, true)
}

// grant is TTL with the lock held, for what is provided here or elsewhere.
func (g *Registry[L]) grant(name string, ttl time.Duration, local bool) time.Duration {
	if ttl == 0 {
		ttl = g.usual(name)
	}
	if g.short && !local {
		ttl /= 2
	}
	return min(max(ttl, g.cfg.MinTTL), g.cfg.MaxTTL)
}

// usual is the time to live for an advertisement that names none: that of the
// name, of its longest prefix, or of all.
func (g *Registry[L]) usual(name string) time.Duration {
	ttl, longest := g.cfg.TTL, -1
	for _, t := range g.cfg.TTLs {
		if t.Pattern == name {
			return t.TTL
		}
		prefix, ok := strings.CutSuffix(t.Pattern, "**")
		if ok && len(prefix) > longest && strings.HasPrefix(name, prefix) {
			ttl, longest = t.TTL, len(prefix)
		}
	}
	return ttl
}

// DropUnless removes what other nodes provide and keep does not allow, in one
// step, and returns how much it was. keep must not block.
func (g *Registry[L]) DropUnless(keep func(*Entry[L]) bool) (dropped int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, rec := range g.entries.All() {
		if !rec.IsLocal && !keep(&rec.Entry) {
			g.entries.Delete(k, rec.ref)
			g.unlink(rec)
			dropped++
		}
	}
	g.counts.Removed += uint64(dropped)
	return dropped
}
