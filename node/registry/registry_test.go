package registry_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

type entry = registry.Entry[int]

func peer(n byte) transport.PeerID { return transport.PeerID{n} }

// itself is the owner of what another node advertises itself.
func itself(n byte) registry.Owner { return registry.Owner{ID: peer(n)} }

func session(n byte, ref bounded.Ref) registry.Owner {
	return registry.Owner{ID: peer(n), Session: ref}
}

// stage is a registry on a machine whose clock the test moves.
type stage struct {
	w *sim.World
	g *registry.Registry[int]
}

func newStage(cfg registry.Config) *stage {
	w := sim.New(sim.Config{})
	return &stage{w, registry.New[int](w.Machine("n"), cfg, nil)}
}

func (s *stage) now() mono.Time          { return s.w.Machine("n").Now() }
func (s *stage) pass(d time.Duration)    { s.w.RunFor(d) }
func (s *stage) lookup(n string) []entry { return values(s.g.Lookup(n, s.w.Machine("n").Now(), nil)) }

func values(ptrs []*entry) (out []entry) {
	for _, e := range ptrs {
		out = append(out, *e)
	}
	return out
}

// machine is the registry beside its plain model: a slice of the live entries
// in the order in which they were last put.
type machine struct {
	*stage
	cfg  registry.Config
	live []entry
	next int
}

func newMachine(t *rapid.T) *machine {
	cfg := registry.Config{
		Entries: rapid.IntRange(1, 12).Draw(t, "entries"), PerOwner: rapid.IntRange(1, 6).Draw(t, "per owner"),
		Providers: rapid.IntRange(1, 4).Draw(t, "providers"),
		TTL:       5 * time.Second, MinTTL: 2 * time.Second, MaxTTL: 10 * time.Second,
	}
	return &machine{stage: newStage(cfg), cfg: cfg}
}

func drawName(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name") }

func drawOwner(t *rapid.T) registry.Owner {
	return session(rapid.ByteRange(1, 4).Draw(t, "owner"), bounded.Ref(rapid.IntRange(0, 1).Draw(t, "session")))
}

func (x *machine) age() {
	x.live = slices.DeleteFunc(x.live, func(e entry) bool { return e.Expires.Reached(x.now()) })
}

func (x *machine) count(f func(entry) bool) (n int) {
	for _, e := range x.live {
		if f(e) {
			n++
		}
	}
	return n
}

// accept says what Put must do with e: the kind of the error, or Other.
func (x *machine) accept(e entry) fault.Kind {
	i := slices.IndexFunc(x.live, func(o entry) bool { return o.Name == e.Name && o.Provider == e.Provider })
	if i >= 0 {
		old := x.live[i]
		if old.Epoch == e.Epoch && e.Version < old.Version || old.Owner.ID == old.Provider && e.Owner.ID != e.Provider {
			return fault.Superseded
		}
		x.live = slices.Delete(x.live, i, i+1)
		if old.Owner == e.Owner {
			x.live = append(x.live, e)
			return fault.Other
		}
	}
	if x.count(func(o entry) bool { return o.Owner == e.Owner }) >= x.cfg.PerOwner ||
		x.count(func(o entry) bool { return o.Name == e.Name }) >= x.cfg.Providers || len(x.live) >= x.cfg.Entries {
		return fault.Overload
	}
	x.live = append(x.live, e)
	return fault.Other
}

func (x *machine) Put(t *rapid.T) {
	owner := drawOwner(t)
	provider := owner.ID
	if owner.Session == 0 && rapid.Bool().Draw(t, "hearsay") {
		provider = peer(rapid.ByteRange(1, 5).Draw(t, "provider"))
	}
	x.next++
	e := entry{
		Name: drawName(t), Provider: provider, Owner: owner, Epoch: uint64(rapid.IntRange(1, 2).Draw(t, "epoch")),
		Version: uint64(rapid.IntRange(1, 4).Draw(t, "version")), Local: x.next,
		TTL: rapid.SampledFrom([]time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, time.Hour}).Draw(t, "ttl"),
	}
	err := x.g.Put(e)
	if e.TTL == 0 {
		e.TTL = x.cfg.TTL
	}
	e.TTL = min(max(e.TTL, x.cfg.MinTTL), x.cfg.MaxTTL)
	e.Expires = x.now().Add(e.TTL)
	if want := x.accept(e); fault.KindOf(err) != want || (err == nil) != (want == fault.Other) {
		t.Fatalf("Put(%+v): %v, want %s", e, err, want)
	}
}

func (x *machine) Remove(t *rapid.T) {
	name, owner := drawName(t), drawOwner(t)
	provider := peer(rapid.ByteRange(1, 5).Draw(t, "provider"))
	version := uint64(rapid.IntRange(0, 4).Draw(t, "version"))
	epoch := uint64(rapid.IntRange(1, 2).Draw(t, "epoch"))
	removed := x.g.Remove(name, provider, owner, epoch, version)
	i := slices.IndexFunc(x.live, func(e entry) bool { return e.Name == name && e.Provider == provider })
	if i < 0 {
		return // one that has expired may be there or not
	}
	want := x.live[i].Owner == owner && (x.live[i].Epoch != epoch || x.live[i].Version <= version)
	if removed != want {
		t.Fatalf("Remove(%s, %d, %+v, %d, %d) of %+v: %v", name, provider[0], owner, epoch, version, x.live[i], removed)
	}
	if want {
		x.live = slices.Delete(x.live, i, i+1)
	}
}

func (x *machine) Drop(t *rapid.T) {
	owner := drawOwner(t)
	dropped := x.g.Drop(owner)
	for _, e := range dropped {
		if e.Owner != owner {
			t.Fatalf("Drop(%+v) took %+v", owner, e)
		}
	}
	for _, e := range x.live {
		if e.Owner == owner && !slices.Contains(dropped, e) {
			t.Fatalf("Drop(%+v) left or did not tell of %+v", owner, e)
		}
	}
	x.live = slices.DeleteFunc(x.live, func(e entry) bool { return e.Owner == owner })
	if slices.Contains(x.g.Owners(), owner) {
		t.Fatalf("Drop(%+v) left something", owner)
	}
}

func (x *machine) Expire(t *rapid.T) {
	limit := rapid.IntRange(0, 4).Draw(t, "max")
	before := x.g.Stats().Entries
	dead := before - len(x.live)
	if n := x.g.Expire(limit); n != min(limit, dead) || x.g.Stats().Entries != before-n {
		t.Fatalf("Expire(%d) removed %d of %d that are expired", limit, n, dead)
	}
}

func (x *machine) Pass(t *rapid.T) {
	x.pass(time.Duration(rapid.IntRange(1, 4000).Draw(t, "ms")) * time.Millisecond)
	x.age()
}

func (x *machine) Check(t *rapid.T) {
	if err := errors.Join(x.g.Audit(), x.g.Check()); err != nil {
		t.Fatal(err)
	}
	if got := x.g.Entries(); !slices.Equal(got, x.live) {
		t.Fatalf("live are %+v, want %+v", got, x.live)
	}
	for _, name := range []string{"a", "b", "c"} {
		got := x.lookup(name)
		for _, e := range got {
			if e.Name != name || !slices.Contains(x.live, e) {
				t.Fatalf("Lookup(%s) found %+v, which is not live", name, e)
			}
		}
		if want := x.count(func(e entry) bool { return e.Name == name }); len(got) != want {
			t.Fatalf("Lookup(%s) found %d, want %d", name, len(got), want)
		}
	}
	if st := x.g.Stats(); st.Entries < len(x.live) || st.Entries > x.cfg.Entries || st.Limit != x.cfg.Entries {
		t.Fatalf("%+v with %d live", st, len(x.live))
	}
}

func TestARegistryIsWhatAListOfLiveEntriesWouldBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := newMachine(t)
		defer x.w.Close()
		t.Repeat(map[string]func(*rapid.T){
			"": x.Check, "put": x.Put, "put again": x.Put, "remove": x.Remove, "drop": x.Drop, "expire": x.Expire, "pass": x.Pass,
		})
	})
}

func TestAnExpiredServiceIsNotFoundInTheVeryInstant(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	s.g.Put(entry{Name: "a", Provider: peer(1), Owner: itself(1), TTL: 3 * time.Second})
	s.pass(3*time.Second - 1)
	if len(s.lookup("a")) != 1 {
		t.Fatal("it has expired too early")
	}
	s.pass(1)
	if got := s.lookup("a"); len(got) != 0 {
		t.Fatalf("found %+v after its time, %d not swept", got, s.g.Stats().Entries)
	}
	if s.g.Stats().Entries != 1 || s.g.Expire(10) != 1 || s.g.Stats().Entries != 0 {
		t.Fatal("the sweep did not remove it")
	}
}

func TestAdvertisingAgainRefreshes(t *testing.T) {
	s := newStage(registry.Config{Entries: 1, PerOwner: 1, Providers: 1})
	defer s.w.Close()
	e := entry{Name: "a", Provider: peer(1), Owner: itself(1), TTL: 10 * time.Second}
	for range 5 {
		if err := s.g.Put(e); err != nil {
			t.Fatalf("a refresh while all limits are reached: %v", err)
		}
		s.pass(8 * time.Second)
		if len(s.lookup("a")) != 1 {
			t.Fatal("a service that is advertised again and again has expired")
		}
	}
	if c := s.g.Stats().Counts; c.Added != 1 || c.Refreshed != 4 {
		t.Fatalf("%+v", c)
	}
}

func TestAWithdrawalOfALaterRunTakesWhatAnEarlierOneHasSaid(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	owner := registry.Owner{ID: peer(1)}
	s.g.Put(entry{Name: "a", Provider: peer(1), Owner: owner, Epoch: 1, Version: 7})
	if s.g.Remove("a", peer(1), owner, 1, 2) {
		t.Fatal("an older withdrawal of the same run took the entry")
	}
	if !s.g.Remove("a", peer(1), owner, 2, 2) {
		t.Fatal("the node has restarted, withdrawn the service, and is not believed")
	}
}

func TestTheEndOfASessionTakesNothingFromTheNextOne(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	older, newer := session(1, 1), session(1, 2)
	s.g.Put(entry{Name: "a", Provider: peer(1), Owner: older, Epoch: 1, Version: 7})
	s.g.Put(entry{Name: "b", Provider: peer(1), Owner: older, Epoch: 1, Version: 8})
	if err := s.g.Put(entry{Name: "a", Provider: peer(1), Owner: newer, Epoch: 2, Version: 1}); err != nil {
		t.Fatal(err)
	}
	if s.g.Remove("a", peer(1), older, 1, 9) {
		t.Fatal("a late withdrawal of the older session took the entry of the newer")
	}
	if dropped := s.g.Drop(older); len(dropped) != 1 || dropped[0].Name != "b" {
		t.Fatalf("the end of the older session removed %+v", dropped)
	}
	if got := s.lookup("a"); len(got) != 1 || got[0].Owner != newer {
		t.Fatalf("found %+v", got)
	}
}

func TestWhatAProviderSaysItselfIsNotReplacedByHearsay(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	s.g.Put(entry{Name: "a", Provider: peer(1), Owner: itself(1), Epoch: 5, Local: 1})
	hearsay := entry{Name: "a", Provider: peer(1), Owner: itself(2), Epoch: 6, Version: 99, Local: 2}
	if err := s.g.Put(hearsay); !errors.Is(err, fault.Superseded) {
		t.Fatalf("hearsay: %v, want Superseded", err)
	}
	s.g.Drop(itself(1))
	if err := s.g.Put(hearsay); err != nil {
		t.Fatalf("hearsay of a provider that is unknown: %v", err)
	}
	if err := s.g.Put(entry{Name: "a", Provider: peer(1), Owner: itself(1), Epoch: 5, Local: 3}); err != nil {
		t.Fatalf("the provider itself after hearsay: %v", err)
	}
	if got := s.lookup("a"); len(got) != 1 || got[0].Local != 3 {
		t.Fatalf("found %+v", got)
	}
}

func TestExpiredServicesDoNotKeepNewcomersOut(t *testing.T) {
	for name, cfg := range map[string]registry.Config{
		"of the registry": {Entries: 20}, "of the owner": {PerOwner: 20}, "of the name": {Providers: 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(cfg)
			defer s.w.Close()
			put := func(i int, ttl time.Duration) error {
				e := entry{Name: fmt.Sprint("s", i), Provider: peer(1), Owner: itself(1), TTL: ttl}
				if cfg.Providers > 0 {
					e = entry{Name: "s", Provider: peer(byte(i)), Owner: itself(byte(i)), TTL: ttl}
				}
				return s.g.Put(e)
			}
			// Others expired earlier, and would be swept first.
			for i := range 30 {
				if err := s.g.Put(entry{Name: "other", Provider: peer(byte(100 + i)), Owner: itself(byte(100 + i)), TTL: time.Second}); err != nil && cfg.Entries == 0 && i < 20 {
					t.Fatal(err)
				}
			}
			if cfg.Entries > 0 {
				s.pass(time.Second)
			}
			for i := range 20 {
				if err := put(i, 2*time.Second); err != nil {
					t.Fatalf("service %d: %v", i, err)
				}
			}
			if err := put(20, time.Second); !errors.Is(err, fault.Overload) {
				t.Fatalf("one over the limit: %v, want Overload", err)
			}
			s.pass(2 * time.Second)
			for i := range 20 {
				if err := put(30+i, time.Second); err != nil {
					t.Fatalf("newcomer %d, with nobody live: %v", i, err)
				}
			}
		})
	}
}

func TestARefusalSaysWhichLimitIsReached(t *testing.T) {
	s := newStage(registry.Config{Entries: 3, PerOwner: 2, Providers: 1})
	defer s.w.Close()
	put := func(name string, n byte) error {
		return s.g.Put(entry{Name: name, Provider: peer(n), Owner: itself(n)})
	}
	if err := errors.Join(put("a", 1), put("b", 1), put("c", 2)); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{"this owner has 2": put("d", 1), "a has 1 providers": put("a", 2), "registry is full": put("d", 3)} {
		if !errors.Is(err, fault.Overload) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want Overload with %q", err, want)
		}
	}
	if st := s.g.Stats(); st.Refused != 3 || st.Peak != 3 || st.Names != 3 || st.Owners != 2 {
		t.Errorf("%+v", st)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	for i := range byte(5) {
		s.g.Put(entry{Name: "a", Provider: peer(i), Owner: itself(i)})
	}
	buf := make([]*entry, 0, 8)
	if n := testing.AllocsPerRun(100, func() { buf = s.g.Lookup("a", s.w.Machine("n").Now(), buf[:0]) }); n != 0 || len(buf) != 5 {
		t.Fatalf("%v allocations for %d providers", n, len(buf))
	}
}

// A refresh makes a new record, so that whoever looked the old one up can go
// on with it.
func TestAnEntryThatWasFoundDoesNotChange(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	s.g.Put(entry{Name: "a", Provider: peer(1), Owner: itself(1), Version: 1})
	found := s.g.Lookup("a", s.w.Machine("n").Now(), nil)
	s.g.Put(entry{Name: "a", Provider: peer(1), Owner: itself(1), Version: 2})
	s.g.Drop(itself(1))
	if found[0].Version != 1 {
		t.Fatalf("the entry has changed to version %d", found[0].Version)
	}
}

// What others say of a provider has no order: the versions are those of
// whatever run of the provider they know of.
func TestALaterHintReplacesAnEarlierOneAndNeverWhatTheProviderSaid(t *testing.T) {
	s := newStage(registry.Config{})
	defer s.w.Close()
	at := func(port uint16) transport.Addr {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port)
	}
	hint := func(teller byte, version uint64, port uint16) error {
		return s.g.Put(entry{Name: "a", Provider: peer(9), Owner: itself(teller), Version: version, Addr: at(port), Hops: 1})
	}
	said := func(epoch, version uint64, port uint16) error {
		return s.g.Put(entry{Name: "a", Provider: peer(9), Owner: itself(9), Epoch: epoch, Version: version, Addr: at(port)})
	}
	is := func(what string, err error, kind fault.Kind, port uint16) {
		t.Helper()
		if fault.KindOf(err) != kind {
			t.Errorf("%s: %v", what, err)
		}
		if got := s.lookup("a"); len(got) != 1 || got[0].Addr != at(port) {
			t.Errorf("%s: known are %v, not the one at port %d", what, got, port)
		}
		if err := s.g.Audit(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	is("the first hint", hint(1, 50, 1), fault.Other, 1)
	is("a lower version from the same teller", hint(1, 3, 2), fault.Other, 2)
	is("a lower version from another teller", hint(2, 2, 3), fault.Other, 3)
	is("the provider itself", said(7, 1, 4), fault.Other, 4)
	is("a hint with a higher version", hint(1, 99, 5), fault.Superseded, 4)
	is("the next word of the provider", said(7, 2, 6), fault.Other, 6)
	is("its earlier word, late", said(7, 1, 7), fault.Superseded, 6)
	is("its next run", said(8, 1, 8), fault.Other, 8)
	s.pass(2 * time.Hour)
	if err := hint(1, 1, 9); err != nil {
		t.Errorf("a hint when the provider's word has expired: %v", err)
	}
}
