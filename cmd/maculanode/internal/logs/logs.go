// Package logs makes the log of a node: slog in text or JSON, with a limit on
// lines that others can cause.
package logs

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Config is how the log looks. Zero fields take the default beside them.
type Config struct {
	Level  slog.Level
	JSON   bool
	Rename func(slog.Attr) slog.Attr // may be nil; sees every attribute

	Every      time.Duration    // the limit's period; 1 min
	Warns      int              // lines of one key in a period at WARN and above; 1: the first says it all
	Infos      int              // at INFO; 10
	PerMessage int              // lines of one message with whatever keys in a period; 200: many ids are no way around
	Keys       int              // keys remembered; 1,024: with more, each is forgotten sooner
	Now        func() time.Time // time.Now
}

// Log is a logger whose level can be changed. All methods are safe for
// concurrent use.
type Log struct {
	*slog.Logger
	level *slog.LevelVar
	lim   *limit
}

// New returns a log that writes to w.
//
// A line about somebody else (it has one of the attributes peer, client, addr,
// service, caller, remote or name) is limited by its message and that
// attribute: what a remote side repeats cannot fill the disk. Lines of one
// message are limited besides, whatever they are about. The next line after a
// gap says how many were left out. As long as the level is DEBUG nothing is.
func New(w io.Writer, cfg Config) *Log {
	level := &slog.LevelVar{}
	level.Set(cfg.Level)
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if cfg.Rename != nil {
			a = cfg.Rename(a)
		}
		return a
	}}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if cfg.JSON {
		h = slog.NewJSONHandler(w, opts)
	}
	lim := newLimit(cfg)
	return &Log{slog.New(&limited{Handler: h, level: level, lim: lim}), level, lim}
}

// Level is the lowest level that is written.
func (l *Log) Level() slog.Level { return l.level.Level() }

// SetLevel changes it, from the next line on. What was counted against the
// limits still is.
func (l *Log) SetLevel(level slog.Level) { l.level.Set(level) }

// Dropped is how many lines were left out since the start.
func (l *Log) Dropped() uint64 { return l.lim.dropped.Load() }

// limited is a handler that leaves lines out.
type limited struct {
	slog.Handler
	level *slog.LevelVar
	lim   *limit
	who   string // what With has said of whom the lines are about
}

// who returns whom an attribute names, or nothing.
func who(a slog.Attr) string {
	switch a.Key {
	case "peer", "client", "addr", "service", "caller", "remote", "name":
		return a.Value.String()
	}
	return ""
}

// Handle implements slog.Handler.
func (h *limited) Handle(ctx context.Context, r slog.Record) error {
	if h.level.Level() <= slog.LevelDebug {
		return h.Handler.Handle(ctx, r)
	}
	about := h.who
	r.Attrs(func(a slog.Attr) bool {
		if about == "" {
			about = who(a)
		}
		return about == ""
	})
	left, ok := h.lim.pass(r.Level, r.Message, about)
	if !ok {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", left))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		if next.who == "" {
			next.who = who(a)
		}
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *limited) WithGroup(name string) slog.Handler {
	next := *h
	next.Handler = h.Handler.WithGroup(name)
	return &next
}

// limit counts the lines of every key, and of every message with whatever key,
// in the period that began with its first line.
type limit struct {
	cfg     Config
	dropped atomic.Uint64

	mu       sync.Mutex
	keys     map[string]*count // bound: cfg.Keys
	past     []string          // a ring of the keys in the order of their coming; bound: cfg.Keys
	oldest   int               // in past, once it is full
	messages map[string]*count // bound: the messages of the program, which are constants
}

type count struct {
	since time.Time
	lines int // passed in this period
	left  int // left out since the last that passed
}

// room reports whether another line fits, and begins a new period in time.
func (c *count) room(now time.Time, every time.Duration, most int) bool {
	if now.Sub(c.since) >= every {
		c.since, c.lines = now, 0
	}
	return c.lines < most
}

// WithDefaults returns c with every zero field set.
func (c Config) WithDefaults() Config {
	c.Every = cmp.Or(c.Every, time.Minute)
	c.Warns = cmp.Or(c.Warns, 1)
	c.Infos = cmp.Or(c.Infos, 10)
	c.PerMessage = cmp.Or(c.PerMessage, 200)
	c.Keys = cmp.Or(c.Keys, 1024)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func newLimit(cfg Config) *limit {
	cfg = cfg.WithDefaults()
	return &limit{cfg: cfg, keys: map[string]*count{}, messages: map[string]*count{}}
}

// pass reports whether a line may be written, and how many like it were not.
func (l *limit) pass(level slog.Level, message, who string) (left int, ok bool) {
	most := l.cfg.Infos
	switch {
	case who == "":
		most = l.cfg.PerMessage
	case level >= slog.LevelWarn:
		most = l.cfg.Warns
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.cfg.Now()
	m := l.messages[message]
	if m == nil {
		m = &count{since: now}
		l.messages[message] = m
	}
	c := l.key(message+"\x00"+who, now)
	if !c.room(now, l.cfg.Every, most) || !m.room(now, l.cfg.Every, l.cfg.PerMessage) {
		c.left++
		l.dropped.Add(1)
		return 0, false
	}
	c.lines++
	m.lines++
	left, c.left = c.left, 0
	return left, true
}

// key returns the count of a key; the oldest key makes room for a new one.
func (l *limit) key(key string, now time.Time) *count {
	c := l.keys[key]
	if c != nil {
		return c
	}
	c = &count{since: now}
	l.keys[key] = c
	if len(l.past) < l.cfg.Keys {
		l.past = append(l.past, key)
		return c
	}
	delete(l.keys, l.past[l.oldest])
	l.past[l.oldest] = key
	l.oldest = (l.oldest + 1) % len(l.past)
	return c
}
