package daemon

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// live is the configuration of a running node, and how it changes.
type live struct {
	d *running

	mu       sync.Mutex
	cfg      config.Config      // in force; what needs a restart is as it was at the start
	read     config.Config      // as it was read last
	timed    map[string]*timed  // by key; bound: the limits of the table
	services map[string]*advert // of the configuration; bound: the configuration
	closed   bool
	reloads  Reloads
}

// timed is a limit that has a value for a time.
type timed struct {
	was   *config.Config // has the value from before
	until time.Time
	timer *time.Timer
}

// Reloads counts how often the configuration was read again.
type Reloads struct {
	Changed uint64 // and taken, also when nothing was different
	Refused uint64
	Last    time.Time // of those that were taken; zero for none
	Failed  bool      // the last one was refused
}

func newLive(d *running) *live {
	return &live{d: d, cfg: d.cfg.Clone(), read: d.cfg.Clone(), timed: map[string]*timed{}, services: map[string]*advert{}}
}

// start provides the services of the configuration.
func (l *live) start() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range servicesOf(&l.cfg) {
		if err := l.provide(&l.cfg, s); err != nil {
			return err
		}
	}
	return nil
}

// close ends what is timed; nothing changes any more.
func (l *live) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for key := range l.timed {
		l.forget(key)
	}
}

// forget ends the time of a limit, which stays as it is.
func (l *live) forget(key string) {
	if t := l.timed[key]; t != nil {
		t.timer.Stop()
		delete(l.timed, key)
	}
}

// reload reads the configuration again and takes what can be changed while the
// node runs, or changes nothing.
func (l *live) reload() (control.Reload, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.tryReload()
	if err != nil {
		l.reloads.Refused++
		l.reloads.Failed = l.reloads.Failed || fault.KindOf(err) != fault.Draining // that is not about the file
		l.d.opt.Log.Warn("configuration not reloaded, nothing was changed", "err", err)
		return control.Reload{Changed: []control.Change{}, Restart: []control.Change{}}, err
	}
	l.reloads.Changed++
	l.reloads.Failed = false
	l.reloads.Last = time.Now()
	for _, c := range r.Changed {
		l.d.opt.Log.Info("setting changed", "key", c.Key, "old", c.Old, "new", c.New)
	}
	for _, c := range r.Restart {
		l.d.opt.Log.Warn("setting needs a restart", "key", c.Key, "now", c.Old, "then", c.New)
	}
	for _, w := range r.Warnings {
		l.d.opt.Log.Warn(w)
	}
	l.d.opt.Log.Info("configuration reloaded", "changed", len(r.Changed), "need_restart", len(r.Restart))
	return r, nil
}

func (l *live) tryReload() (control.Reload, error) {
	r := control.Reload{Changed: []control.Change{}, Restart: []control.Change{}}
	if l.closed {
		return r, errStopping()
	}
	next, err := l.d.opt.Load()
	if err == nil && l.read.FromFile() && !next.FromFile() {
		what := "is empty"
		if next.File == "" {
			what = "has gone"
		}
		err = fmt.Errorf("the configuration file %s %s: every setting in it would be as by default", l.read.File, what)
	}
	if err == nil {
		err = next.CheckRun()
	}
	if err != nil {
		return r, invalid(err)
	}
	want := l.cfg.Clone()
	if err := want.Adopt(&next); err != nil {
		return r, invalid(err)
	}
	changes := l.cfg.Changes(&want)
	again := l.withdrawn(&want)
	if err := l.become(&want, again); err != nil {
		return r, err
	}
	for key := range l.timed {
		l.forget(key)
	}
	l.read = next
	for _, c := range changes {
		r.Changed = append(r.Changed, control.Change{Key: c.Key, Old: c.Old, New: c.New})
	}
	for _, c := range l.cfg.Changes(&next) {
		r.Restart = append(r.Restart, control.Change{Key: c.Key, Old: c.Old, New: c.New})
	}
	for _, s := range again {
		if l.services[s.name].over() {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: %s was withdrawn by hand, and another command provides it now", s.key, s.name))
			continue
		}
		r.Changed = append(r.Changed, control.Change{Key: s.key, Old: s.name + " withdrawn by hand", New: s.name})
	}
	tokens, warnings := l.readTokens(&next)
	r.Changed = append(r.Changed, tokens...)
	r.Warnings = append(append(r.Warnings, warnings...), next.Warnings...)
	return r, nil
}

// set changes limits, for a time when lasts is not zero.
func (l *live) set(pairs []string, lasts time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errStopping()
	}
	if lasts < 0 || lasts > 0 && lasts < 100*time.Millisecond || lasts > maxLasts {
		return fault.New("", fault.Invalid, "%v is out of range: a limit lasts 100ms to %v", lasts, maxLasts)
	}
	want := l.cfg.Clone()
	keys, err := want.Set(pairs)
	if err != nil {
		return invalid(err)
	}
	was := l.cfg.Clone()
	after := map[string]*config.Config{}
	for key, t := range l.timed {
		after[key] = t.was
	}
	for _, key := range keys {
		if lasts == 0 {
			delete(after, key)
		} else if after[key] == nil {
			after[key] = &was
		}
	}
	then := want.Clone()
	if err := then.Restore(after); err != nil {
		return fault.New("", fault.Invalid, "when the limits that were set for a time are as before, they do not go together with these: %v", err)
	}
	if err := l.become(&want, nil); err != nil {
		return err
	}
	for _, key := range keys {
		l.forget(key)
		if lasts > 0 {
			l.timed[key] = &timed{was: after[key], until: time.Now().Add(lasts), timer: time.AfterFunc(lasts, l.expire)}
		}
	}
	l.d.opt.Log.Info("limits set", "values", pairs, "lasts", lasts)
	return nil
}

// maxLasts is the longest time for which a limit is set; what is to last
// longer belongs into the file.
const maxLasts = 7 * 24 * time.Hour

// expire gives the limits whose time is over their values from before. When
// those do not go together with others that are set for a time, they wait for
// them.
func (l *live) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	now, over := time.Now(), map[string]*config.Config{}
	for key, t := range l.timed {
		if !t.until.After(now) {
			over[key] = t.was
		}
	}
	want := l.cfg.Clone()
	err := want.Restore(over)
	if err == nil {
		err = l.become(&want, nil)
	}
	if err != nil {
		l.d.opt.Log.Warn("the time of limits is over, and they cannot be as before yet", "err", err)
		return
	}
	for key := range over {
		l.forget(key)
	}
	for _, s := range l.cfg.List() {
		if over[s.Key] != nil {
			l.d.opt.Log.Info("limit is as before", "key", s.Key, "value", s.Value)
		}
	}
}

// become makes the node work as want says, which differs from cfg in live
// settings only. It changes everything or nothing, so what can be refused comes
// first and what cannot comes last. Of the services that were withdrawn by hand it
// provides those of again, but for names that somebody else has taken.
func (l *live) become(want *config.Config, again []service) error {
	if err := want.CheckSelf(l.d.node.ID()); err != nil {
		return invalid(err)
	}
	old, now := servicesOf(&l.cfg), servicesOf(want)
	var added []*advert
	acting := l.cfg.Limits()
	limit := func(is node.Limits) error {
		if reflect.DeepEqual(is, acting) {
			return nil
		}
		err := l.d.node.SetLimits(is)
		if err == nil {
			acting = is
		}
		return err
	}
	undo := func(err error) error {
		for _, a := range added {
			a.end(nil)
		}
		limit(l.cfg.Limits())
		return err
	}
	room := acting // for services that come with a higher limit
	room.Services = max(room.Services, want.Limits().Services)
	if err := limit(room); err != nil {
		return err
	}
	for _, s := range now {
		if a := l.services[s.name]; a != nil && !a.over() {
			continue
		} else if _, was := find(old, s.name); was && (!slices.Contains(again, s) || l.d.host.provides(s.name)) {
			continue // somebody has withdrawn it
		}
		if err := l.provide(want, s); err != nil {
			return undo(err)
		}
		added = append(added, l.services[s.name])
	}
	if err := limit(want.Limits()); err != nil {
		return undo(err)
	}
	if err := l.setPeers(want); err != nil {
		return undo(err)
	}
	for _, s := range old {
		is, stays := find(now, s.name)
		switch a := l.services[s.name]; {
		case a == nil:
		case !stays:
			a.end(nil)
			delete(l.services, s.name)
		case is.url != s.url && !a.over():
			a.swap(is.handler(l.d.cfg.Local.Backend))
		}
	}
	l.d.opt.Log.SetLevel(want.LogLevel)
	l.cfg = *want
	return nil
}

func (l *live) setPeers(want *config.Config) error {
	if c := &l.cfg; reflect.DeepEqual(c.Peers, want.Peers) && reflect.DeepEqual(c.AllowPeers, want.AllowPeers) && c.OpenPeers == want.OpenPeers {
		return nil
	}
	list := l.d.bootstrap(want.Peers)
	err := l.d.node.SetPeers(list, want.AllowPeers, want.OpenPeers)
	if err == nil {
		l.d.opt.Names.Keep(addrsOf(list))
	}
	return err
}

func addrsOf(list []node.Peer) []transport.Addr {
	var out []transport.Addr
	for _, p := range list {
		out = append(out, p.Addr)
	}
	return out
}

// service is one that the configuration names.
type service struct {
	key, name string
	url       string // empty: echo
}

func servicesOf(c *config.Config) []service {
	var out []service
	for _, name := range c.Echo {
		out = append(out, service{"echo", name, ""})
	}
	for _, b := range c.HTTP {
		out = append(out, service{"http", b.Name, b.URL})
	}
	return out
}

// withdrawn lists the services of want that are in force and were withdrawn by
// hand.
func (l *live) withdrawn(want *config.Config) (out []service) {
	for _, s := range servicesOf(want) {
		if a := l.services[s.name]; a != nil && a.over() {
			out = append(out, s)
		}
	}
	return out
}

func find(list []service, name string) (service, bool) {
	for _, s := range list {
		if s.name == name {
			return s, true
		}
	}
	return service{}, false
}

// handler is what answers the service, and what frees it, which may be nil.
func (s service) handler(lim backend.Limits) (node.Handler, func()) {
	if s.url == "" {
		return backend.Echo, nil
	}
	b, err := backend.NewHTTP(s.url, lim)
	if err != nil {
		panic("macula bug: " + err.Error()) // the configuration was checked
	}
	return b.Handle, b.Close
}

func (l *live) provide(c *config.Config, s service) error {
	h, free := s.handler(l.d.cfg.Local.Backend)
	a, err := l.d.host.add(s.name, h, free, 0)
	if err != nil {
		return fault.New("", fault.KindOf(err), "%s: %v", c.Place(s.key), err)
	}
	l.services[s.name] = a
	return nil
}

func errStopping() error { return fault.New("", fault.Draining, "the node is shutting down") }

// invalid marks a mistake in a configuration.
func invalid(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.New("", fault.Invalid, "%v", err)
}
