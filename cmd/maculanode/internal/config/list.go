package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maculamesh/macula/node"
)

// Setting is one value with where it comes from.
type Setting struct {
	Key     string
	Value   string // a list with commas; without secrets
	Source  string
	Default bool // Value is the default, whoever has set it
	Live    bool // a reload applies it
	Limit   bool // "limits set" changes it
}

// List returns every setting in the order of the reference.
func (c *Config) List() []Setting {
	usual := defaults(c.Dir)
	usual.finish()
	var out []Setting
	for i := range settings {
		s := &settings[i]
		v := s.text(c)
		out = append(out, Setting{
			Key: s.key, Value: s.shown(c), Source: c.Origin(s.key), Live: s.live, Limit: s.limit,
			Default: c.origin[s.key] == "" || v == s.text(&usual),
		})
	}
	return out
}

// Change is a setting that differs between two configurations.
type Change struct {
	Key      string
	Old, New string // without secrets, so they may look the same
	Live     bool
}

// Changes says what next has otherwise than c. A default that follows from
// another setting is no change of its own.
func (c *Config) Changes(next *Config) []Change {
	var out []Change
	for i := range settings {
		s := &settings[i]
		was, is := s.text(c), s.text(next)
		if was == is || c.origin[s.key] == "" && next.origin[s.key] == "" {
			continue
		}
		out = append(out, Change{s.key, s.shown(c), s.shown(next), s.live})
	}
	return out
}

// Adopt takes the live settings of next, and says what does not go together
// with the others, which stay. c is changed in any case: give it a clone.
func (c *Config) Adopt(next *Config) error {
	for i := range settings {
		if s := &settings[i]; s.live {
			c.copy(s, next)
		}
	}
	return c.goesTogether()
}

// copy takes one value and its origin.
func (c *Config) copy(s *setting, from *Config) {
	if err := s.set(c, s.get(from)); err != nil {
		panic("macula bug: " + s.key + ": " + err.Error()) // it was taken before
	}
	if c.origin[s.key] = from.origin[s.key]; c.origin[s.key] == "" {
		delete(c.origin, s.key)
	}
}

func (c *Config) goesTogether() error {
	if err := c.conflict(); err != nil {
		return err
	}
	return c.CheckRun()
}

// conflict is all that a limit can get wrong: that a token file has gone, say,
// must not keep a limit from being set, or from being as before.
func (c *Config) conflict() error {
	if errs := c.conflicts(); len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// SourceSet is the origin of what "limits set" has changed.
const SourceSet = "limits set"

// Set changes limits, given as KEY=VALUE, and returns their keys. The error
// says what is no limit, what is no value of it, or what does not go together.
// c is changed in any case: give it a clone.
func (c *Config) Set(pairs []string) (keys []string, err error) {
	for _, p := range pairs {
		key, value, ok := cutPair(p)
		if !ok {
			return nil, fmt.Errorf("%.100q is not KEY=VALUE, for example max_clients=500", p)
		}
		s, err := limitOf(key)
		if err != nil {
			return nil, err
		}
		if contains(keys, s.key) {
			return nil, fmt.Errorf("%s is set twice", s.key)
		}
		if err := c.apply(s, SourceSet, "", s.split(value)); err != nil {
			return nil, err
		}
		keys = append(keys, s.key)
	}
	return keys, c.conflict()
}

// Restore takes the value of each key from the configuration beside it, and
// says what does not go together then.
func (c *Config) Restore(from map[string]*Config) error {
	for i := range settings {
		if s := &settings[i]; from[s.key] != nil {
			c.copy(s, from[s.key])
		}
	}
	return c.conflict()
}

// Limits are those that a node can change while it runs.
func (c *Config) Limits() node.Limits {
	n := &c.Node
	return node.Limits{
		Peers: n.Pool.Cap, Inbound: n.Pool.MaxInbound, Clients: n.Clients.Limit, Services: n.Registry.Entries, Handlers: n.Server.MaxHandlers,
		TTL: n.Registry.TTL, MinTTL: n.Registry.MinTTL, MaxTTL: n.Registry.MaxTTL, TTLs: slices.Clone(n.Registry.TTLs),
		CleanupInterval: n.CleanupInterval, IdleAfter: n.IdleAfter, DrainTimeout: n.DrainTimeout, CallTimeout: n.Caller.Timeout,
	}
}

// WithLimits returns a copy with those limits.
func (c *Config) WithLimits(l node.Limits) Config {
	d := c.Clone()
	n := &d.Node
	n.Pool.Cap, n.Pool.MaxInbound, n.Clients.Limit, n.Registry.Entries, n.Server.MaxHandlers = l.Peers, l.Inbound, l.Clients, l.Services, l.Handlers
	n.Registry.TTL, n.Registry.MinTTL, n.Registry.MaxTTL, n.Registry.TTLs = l.TTL, l.MinTTL, l.MaxTTL, l.TTLs
	n.CleanupInterval, n.IdleAfter, n.DrainTimeout, n.Caller.Timeout = l.CleanupInterval, l.IdleAfter, l.DrainTimeout, l.CallTimeout
	return d
}

// LimitKeys are those that "limits get" and "limits set" know.
func LimitKeys() (keys []string) {
	for i := range settings {
		if settings[i].limit {
			keys = append(keys, settings[i].key)
		}
	}
	return keys
}

// Items takes the value of a Setting apart; what is no list is one item.
func Items(key, value string) []string {
	if s := byKey(key); s != nil && s.list && value != "" {
		return strings.Split(value, ", ")
	}
	return []string{value}
}

// IsLimit says whether "limits get" and "limits set" know the key; the error
// says what it is otherwise, or which one is near.
func IsLimit(key string) error {
	_, err := limitOf(key)
	return err
}

func limitOf(key string) (*setting, error) {
	s := byKey(key)
	switch {
	case s == nil:
		return nil, fmt.Errorf("there is no limit %.100q%s: \"maculanode limits get\" lists them", key, didYouMean(strings.ReplaceAll(key, "-", "_"), LimitKeys()))
	case s.limit:
		return s, nil
	case s.live:
		return nil, fmt.Errorf("%s is no limit: change it in the configuration file, then run \"maculanode reload\"", key)
	}
	return nil, fmt.Errorf("%s cannot be changed while the node runs: change it in the configuration file, then start the node anew", key)
}

// cutPair takes KEY=VALUE apart; a value may have = in it.
func cutPair(text string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(text, "=")
	return strings.TrimSpace(key), strings.TrimSpace(value), ok
}
