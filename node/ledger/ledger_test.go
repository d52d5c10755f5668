package ledger_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/transport"
)

// held is a lease of the plain model: the claims of each class, summed.
type held struct {
	lease ledger.Lease
	scope ledger.Scope
	sum   map[ledger.Class]ledger.Claim
}

type machine struct {
	l       *ledger.Ledger
	cfg     ledger.Config
	live    []held
	gone    []held
	doubles uint64
	told    []string
}

// tight are limits that a few leases reach.
func tight(count int, bytes int64) ledger.Limits {
	l := ledger.Limit{Count: count, Bytes: bytes}
	return ledger.Limits{Conn: l, Stream: l, Call: l, Queue: l, Entry: l}
}

func limit(l ledger.Limits, c ledger.Class) ledger.Limit {
	return [...]ledger.Limit{l.Conn, l.Stream, l.Call, l.Queue, l.Entry}[c]
}

func drawScope(t *rapid.T) ledger.Scope {
	return ledger.Scope{
		Realm: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "realm"),
		Peer:  transport.PeerID{rapid.ByteRange(1, 3).Draw(t, "peer")},
	}
}

// total sums what the leases of a scope hold: same says which leases count.
func (x *machine) total(c ledger.Class, same func(ledger.Scope) bool) (u ledger.Claim) {
	u.Class = c
	for _, h := range x.live {
		if same(h.scope) {
			u.Count += h.sum[c].Count
			u.Bytes += h.sum[c].Bytes
		}
	}
	return u
}

// levels are the three scopes of a lease of s, with their limits.
func (x *machine) levels(s ledger.Scope) []level {
	return []level{
		{"the peer", x.cfg.Peer, func(o ledger.Scope) bool { return o == s }},
		{"the realm", x.cfg.Realm, func(o ledger.Scope) bool { return o.Realm == s.Realm }},
		{"the node", x.cfg.Node, func(ledger.Scope) bool { return true }},
	}
}

type level struct {
	name   string
	limits ledger.Limits
	same   func(ledger.Scope) bool
}

// full names the first scope without room for sum, or nothing.
func (x *machine) full(s ledger.Scope, sum map[ledger.Class]ledger.Claim) string {
	for _, lv := range x.levels(s) {
		for c, want := range sum {
			have, max := x.total(c, lv.same), limit(lv.limits, c)
			if have.Count+want.Count > max.Count || have.Bytes+want.Bytes > max.Bytes {
				return lv.name
			}
		}
	}
	return ""
}

func (x *machine) Acquire(t *rapid.T) {
	s := drawScope(t)
	var claims []ledger.Claim
	sum := map[ledger.Class]ledger.Claim{}
	for range rapid.IntRange(0, 3).Draw(t, "claims") {
		c := ledger.Claim{
			Class: rapid.SampledFrom(ledger.Classes()).Draw(t, "class"),
			Count: rapid.IntRange(0, 3).Draw(t, "count"),
			Bytes: rapid.Int64Range(0, 40).Draw(t, "bytes"),
		}
		claims = append(claims, c)
		of := sum[c.Class]
		sum[c.Class] = ledger.Claim{Class: c.Class, Count: of.Count + c.Count, Bytes: of.Bytes + c.Bytes}
	}
	lease, err := x.l.Acquire(s, "test", claims...)
	if full := x.full(s, sum); full != "" {
		if !errors.Is(err, fault.Overload) || !strings.Contains(err.Error(), full+" has no room") || lease != (ledger.Lease{}) {
			t.Fatalf("Acquire(%v): %v, want Overload of %s", claims, err, full)
		}
		return
	}
	if err != nil {
		t.Fatalf("Acquire(%v) with room: %v", claims, err)
	}
	x.live = append(x.live, held{lease, s, sum})
}

func (x *machine) Release(t *rapid.T) {
	if len(x.live) == 0 {
		t.Skip("nothing is held")
	}
	i := rapid.IntRange(0, len(x.live)-1).Draw(t, "lease")
	x.live[i].lease.Release()
	x.gone = append(x.gone, x.live[i])
	x.live = slices.Delete(x.live, i, i+1)
}

func (x *machine) ReleaseAgain(t *rapid.T) {
	if len(x.gone) == 0 {
		t.Skip("nothing was released")
	}
	rapid.SampledFrom(x.gone).Draw(t, "released").lease.Release()
	x.doubles++
}

func (x *machine) Check(t *rapid.T) {
	if err := x.l.Audit(); err != nil {
		t.Fatal(err)
	}
	st := x.l.Stats()
	realms, peers := map[string]bool{}, map[ledger.Scope]bool{}
	for _, h := range x.live {
		realms[h.scope.Realm], peers[h.scope] = true, true
	}
	if st.Leases != len(x.live) || st.Leases != x.l.Leases() || st.DoubleReleases != x.doubles || len(x.told) != int(x.doubles) {
		t.Fatalf("%+v, with %d leases, %d double releases, told of %d", st, len(x.live), x.doubles, len(x.told))
	}
	// Nobody who holds nothing has an account.
	if st.Peers != len(peers) || st.Realms != len(realms) {
		t.Fatalf("%d peers and %d realms have accounts, want %d and %d", st.Peers, st.Realms, len(peers), len(realms))
	}
	x.compare(t, "the node", st.Usage, x.cfg.Node, func(ledger.Scope) bool { return true })
	for s := range peers {
		x.compare(t, "a peer", x.l.Usage(s), x.cfg.Peer, func(o ledger.Scope) bool { return o == s })
	}
	for r := range realms {
		x.compare(t, "a realm", x.l.Usage(ledger.Scope{Realm: r}), x.cfg.Realm, func(o ledger.Scope) bool { return o.Realm == r })
	}
}

func (x *machine) compare(t *rapid.T, name string, got []ledger.Usage, limits ledger.Limits, same func(ledger.Scope) bool) {
	for _, c := range ledger.Classes() {
		want := x.total(c, same)
		if u := got[c]; u.Class != c || u.Count != want.Count || u.Bytes != want.Bytes || u.Limit != limit(limits, c) {
			t.Fatalf("%s holds %+v, want %+v within %+v", name, u, want, limit(limits, c))
		}
	}
}

func TestALedgerIsTheSumOfItsLeases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &machine{cfg: ledger.Config{Peer: tight(4, 90), Realm: tight(6, 110), Node: tight(9, 160)}}
		cfg := x.cfg
		cfg.OnDoubleRelease = func(name string) { x.told = append(x.told, name) }
		x.l = ledger.New(cfg)
		t.Repeat(map[string]func(*rapid.T){
			"": x.Check, "acquire": x.Acquire, "release": x.Release, "release again": x.ReleaseAgain,
		})
	})
}

func call(bytes int64) ledger.Claim {
	return ledger.Claim{Class: ledger.Call, Count: 1, Bytes: bytes}
}

func TestASecondReleasePanicsInAStrictLedger(t *testing.T) {
	l := ledger.New(ledger.Config{Strict: true})
	s := l.Scope("realm", transport.PeerID{1})
	lease, _ := l.Acquire(s, "call", call(1))
	again := lease
	lease.Release()
	other, _ := l.Acquire(s, "stream", call(1)) // takes over the record of the first
	defer func() {
		if recover() == nil {
			t.Fatal("a second release did not panic")
		}
		if l.Leases() != 1 {
			t.Fatalf("%d leases after a second release, want 1", l.Leases())
		}
		other.Release()
		if err := l.Audit(); err != nil {
			t.Fatal(err)
		}
	}()
	again.Release()
}

func TestTheZeroLeaseHoldsNothing(t *testing.T) {
	ledger.Lease{}.Release()
}

func TestARefusedLeaseLeavesNoAccount(t *testing.T) {
	l := ledger.New(ledger.Config{Peer: tight(1, 1)})
	for i := range 1000 {
		if _, err := l.Acquire(l.Scope("realm", transport.PeerID{byte(i), byte(i >> 8)}), "call", call(2)); err == nil {
			t.Fatal("a claim over the limit was granted")
		}
	}
	if st := l.Stats(); st.Peers != 0 || st.Realms != 0 || st.Refused != 1000 {
		t.Fatalf("%+v", st)
	}
}

func TestARefusalSaysWhichLimitOfWhomIsReached(t *testing.T) {
	l := ledger.New(ledger.Config{Peer: tight(2, 100)})
	s := l.Scope("realm", transport.PeerID{1})
	l.Acquire(s, "call", call(60))
	_, err := l.Acquire(s, "large call", call(50))
	want := "the peer has no room for a large call: 1 of 2 held of class call, 60 of 100 bytes"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want %q", err, want)
	}
}

func TestClaimsWithoutSensePanic(t *testing.T) {
	for name, c := range map[string]ledger.Claim{
		"a negative count":  {Class: ledger.Call, Count: -1},
		"negative bytes":    {Class: ledger.Call, Bytes: -1},
		"an unknown class":  {Class: 200, Count: 1},
		"an endless count":  {Class: ledger.Call, Count: 1 << 62},
		"bytes without end": {Class: ledger.Call, Bytes: 1 << 62},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			l := ledger.New(ledger.Config{})
			l.Acquire(l.Scope("realm", transport.PeerID{}), "test", c)
		}()
	}
}

func TestWhatIsHeldCanBeListedTheOldestFirst(t *testing.T) {
	l := ledger.New(ledger.Config{})
	a, b := l.Scope("realm", transport.PeerID{1}), l.Scope("realm", transport.PeerID{2})
	l.Acquire(a, "stream", ledger.Claim{Class: ledger.Stream, Count: 1})
	gone, _ := l.Acquire(b, "call", call(1))
	l.Acquire(b, "large call", call(7), ledger.Claim{Class: ledger.Queue, Bytes: 9})
	l.Acquire(a, "call", call(3))
	gone.Release()
	got := l.Oldest(2)
	if len(got) != 2 || got[0].Name != "stream" || got[0].Scope != a || got[1].Name != "large call" || got[1].Scope != b {
		t.Fatalf("Oldest: %+v", got)
	}
	if want := []ledger.Claim{call(7), {Class: ledger.Queue, Bytes: 9}}; !slices.Equal(got[1].Claims, want) {
		t.Fatalf("claims %+v, want %+v", got[1].Claims, want)
	}
	peers := l.Peers(10)
	if len(peers) != 2 || peers[0].Scope != a || peers[0].Leases != 2 || peers[1].Scope != b || peers[1].Leases != 1 {
		t.Fatalf("Peers: %+v", peers)
	}
	if len(l.Peers(1)) != 1 {
		t.Fatal("Peers yields more than was asked for")
	}
}

func TestThoseThatHoldTheMostAreListedFirst(t *testing.T) {
	l := ledger.New(ledger.Config{})
	var scopes []ledger.Scope
	for i := range 4 {
		scopes = append(scopes, l.Scope("realm", transport.PeerID{byte(i)}))
	}
	for _, i := range []int{0, 1, 2, 3, 0, 1} { // two leases of 1 byte, two of 1, one of 9, one of 2
		l.Acquire(scopes[i], "call", ledger.Claim{Class: ledger.Call, Count: 1, Bytes: []int64{1, 1, 9, 2}[i]})
	}
	l.Acquire(scopes[1], "stream", ledger.Claim{Class: ledger.Stream, Count: 1})
	var order []byte
	for _, u := range l.Most(10) {
		order = append(order, u.Scope.Peer[0])
	}
	if want := []byte{2, 1, 0, 3}; !slices.Equal(order, want) {
		t.Fatalf("the order is %v, want %v", order, want)
	}
	if top := l.Most(1); len(top) != 1 || top[0].Leases != 1 || top[0].Usage[ledger.Call].Bytes != 9 {
		t.Fatalf("the first: %+v", top)
	}
}

func TestConfigurationsWithoutSenseAreRefused(t *testing.T) {
	for name, cfg := range map[string]ledger.Config{
		"a negative count": {Peer: ledger.Limits{Call: ledger.Limit{Count: -1}}},
		"negative bytes":   {Node: ledger.Limits{Entry: ledger.Limit{Bytes: -1}}},
		"too many bytes":   {Realm: ledger.Limits{Queue: ledger.Limit{Bytes: 1 << 62}}},
		"too high a count": {Realm: ledger.Limits{Queue: ledger.Limit{Count: 1 << 40}}},
	} {
		if err := cfg.Validate(); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
	if err := (ledger.Config{}).WithDefaults().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func TestEveryClassHasANameAndADefaultLimitInEveryScope(t *testing.T) {
	cfg := ledger.Config{}.WithDefaults()
	names := map[string]bool{}
	for _, c := range ledger.Classes() {
		names[c.String()] = true
		for _, limits := range []ledger.Limits{cfg.Peer, cfg.Realm, cfg.Node} {
			if l := limit(limits, c); l.Count <= 0 || l.Bytes <= 0 {
				t.Errorf("class %s has the limit %+v", c, l)
			}
		}
		if p, n := limit(cfg.Peer, c), limit(cfg.Node, c); p.Count > n.Count || p.Bytes > n.Bytes {
			t.Errorf("class %s: a peer may hold more than the node", c)
		}
	}
	if len(names) != len(ledger.Classes()) || names["class 5"] || ledger.Class(5).String() != "class 5" {
		t.Errorf("names %v", names)
	}
}

func TestLeasesDoNotAllocateInASteadyState(t *testing.T) {
	l := ledger.New(ledger.Config{})
	s := l.Scope("realm", transport.PeerID{1})
	stream, _ := l.Acquire(s, "stream", ledger.Claim{Class: ledger.Stream, Count: 1})
	defer stream.Release()
	if n := testing.AllocsPerRun(2000, func() {
		lease, _ := l.Acquire(s, "call", call(1), ledger.Claim{Class: ledger.Queue, Count: 1})
		lease.Release()
	}); n != 0 {
		t.Errorf("acquire and release take %v allocations", n)
	}
}

func TestTheBooksOfManyLeasesFitTheFormula(t *testing.T) {
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	const leases = 20_000
	cfg := ledger.Config{Node: tight(leases, 1)}
	books := cfg.WorstCase() - 5 // without the bytes that the leases stand for
	before := heap()
	l := ledger.New(cfg)
	kept := make([]ledger.Lease, 0, leases)
	for i := range leases {
		lease, err := l.Acquire(l.Scope("realm", transport.PeerID{byte(i), byte(i >> 8)}), "call", call(0))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, lease)
	}
	took := heap() - before
	// The formula counts each of the five classes and a realm for each peer.
	if took > books/5 {
		t.Errorf("%d leases took %d bytes, the formula says at most %d", leases, took, books/5)
	}
	if took < books/25 {
		t.Errorf("%d leases took %d bytes, the formula says %d: it is no estimate", leases, took, books/5)
	}
	for _, lease := range kept {
		lease.Release()
	}
	if st := l.Stats(); st.Leases != 0 || st.Peers != 0 || st.Realms != 0 {
		t.Fatalf("%+v after all was released", st)
	}
	runtime.KeepAlive(kept)
}

func TestManyGoroutinesNeverHoldMoreThanTheLimit(t *testing.T) {
	var told sync.Map
	l := ledger.New(ledger.Config{Peer: tight(3, 1000), Node: tight(8, 3000), OnDoubleRelease: func(name string) { told.Store(name, true) }})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			s := l.Scope("realm", transport.PeerID{byte(g % 4)})
			for i := range 500 {
				lease, err := l.Acquire(s, "call", call(int64(i%400)))
				if err != nil {
					continue
				}
				if i%100 == 0 {
					if err := l.Audit(); err != nil {
						t.Error(err)
					}
				}
				lease.Release()
				if i%50 == 0 {
					lease.Release()
				}
			}
		})
	}
	wg.Wait()
	if err := l.Audit(); err != nil {
		t.Fatal(err)
	}
	if l.Leases() != 0 {
		t.Fatalf("%d leases are left", l.Leases())
	}
	if _, ok := told.Load("call"); !ok || l.Stats().DoubleReleases == 0 {
		t.Error("nobody was told of the double releases")
	}
}
