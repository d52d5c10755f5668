package clients_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/clients"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport"
)

type session = clients.Session[int]

func client(n byte) transport.PeerID { return transport.PeerID{n} }

func newTable(cfg clients.Config) (*sim.World, *clients.Table[int]) {
	w := sim.New(sim.Config{})
	return w, clients.New[int](w.Machine("gateway"), cfg)
}

// machine is a table beside its plain model: the attached sessions in the
// order of their attachment, and those that were superseded or left.
type machine struct {
	table  *clients.Table[int]
	limit  int
	admit  int        // newcomers are refused from so many on
	leave  []*session // shed, and not closed yet
	retry  time.Duration
	live   []*session
	gone   []*session
	last   bounded.Ref
	counts clients.Counts
	next   int
	most   int                      // takeovers in a minute; no time passes
	turns  map[transport.PeerID]int // takeovers since the id was last not attached
}

func (x *machine) find(id transport.PeerID) int {
	return slices.IndexFunc(x.live, func(s *session) bool { return s.ID == id })
}

func (x *machine) Admit(t *rapid.T) {
	id := client(rapid.ByteRange(1, 7).Draw(t, "id"))
	x.next++
	i := x.find(id)
	var dead *session
	if i >= 0 && rapid.Bool().Draw(t, "dead") {
		dead = x.live[i]
	}
	s, older, err := x.table.Admit(id, x.next, dead)
	if i >= 0 && dead == nil && x.turns[id] >= x.most {
		if s != nil || older != x.live[i] || !errors.Is(err, fault.Superseded) || fault.RetryAfter(err) != time.Minute {
			t.Fatalf("one turn too many: %v, %v, %v, want Superseded in favour of %v", s, older, err, x.live[i])
		}
		return
	}
	if i < 0 && len(x.live) >= x.admit {
		x.counts.Refused++
		if len(x.live) < x.limit {
			x.counts.RefusedPressure++
		}
		after := fault.RetryAfter(err)
		if s != nil || older != nil || !errors.Is(err, fault.Overload) || after < x.retry || after >= 2*x.retry {
			t.Fatalf("one over the limit: %v, %v, %v, want Overload with a retry-after", s, older, err)
		}
		return
	}
	x.counts.Admitted++
	if err != nil || s.ID != id || s.Conn != x.next || s.Ref <= x.last {
		t.Fatalf("Admit(%d): %+v, %v, the last session was %d", id[0], s, err, x.last)
	}
	x.last = s.Ref
	if i < 0 {
		delete(x.turns, id)
		if older != nil {
			t.Fatalf("Admit(%d) supersedes %+v, which is not attached", id[0], older)
		}
	} else {
		x.counts.Superseded++
		x.turns[id]++
		if older != x.live[i] {
			t.Fatalf("Admit(%d) supersedes %+v, want %+v", id[0], older, x.live[i])
		}
		x.live = slices.Delete(x.live, i, i+1)
		x.gone = append(x.gone, older)
	}
	x.live = append(x.live, s)
	x.counts.Peak = max(x.counts.Peak, len(x.live))
}

func (x *machine) Remove(t *rapid.T) {
	if len(x.live) == 0 {
		t.Skip("nobody is attached")
	}
	s := rapid.SampledFrom(x.live).Draw(t, "session")
	if !x.table.Remove(s) {
		t.Fatalf("Remove of the attached session %d: false", s.Ref)
	}
	x.counts.Left++
	x.live = slices.DeleteFunc(x.live, func(o *session) bool { return o == s })
	x.gone = append(x.gone, s)
}

// SetLimit lowers or raises the limit: some are named, in an order of their
// own, and the others leave from the youngest on.
func (x *machine) SetLimit(t *rapid.T) {
	x.limit = rapid.IntRange(1, 5).Draw(t, "limit")
	x.admit = x.limit
	named := rapid.Permutation(x.live).Draw(t, "order")
	named = named[:rapid.IntRange(0, len(named)).Draw(t, "named")]
	var want []*session
	next := func(s *session) {
		if len(x.live) > x.limit {
			x.live = slices.DeleteFunc(x.live, func(o *session) bool { return o == s })
			want = append(want, s)
		}
	}
	for _, s := range append(slices.Clone(named), x.gone...) { // somebody who has left meanwhile is nobody
		if slices.Contains(x.live, s) {
			next(s)
		}
	}
	for len(x.live) > x.limit {
		next(x.live[len(x.live)-1])
	}
	got := x.table.SetLimit(x.limit, append(slices.Clone(named), x.gone...))
	if !slices.Equal(got, want) {
		t.Fatalf("%v were shed, want %v", got, want)
	}
	x.leave = append(x.leave, got...)
	x.counts.Shed += uint64(len(got))
}

// Closed is the end of a connection that was shed.
func (x *machine) Closed(t *rapid.T) {
	if len(x.leave) == 0 {
		t.Skip("nobody was shed")
	}
	s := x.leave[0]
	x.leave = x.leave[1:]
	if x.table.Remove(s) {
		t.Fatal("a session that was shed was still attached")
	}
	x.gone = append(x.gone, s)
}

func (x *machine) SetAdmission(t *rapid.T) {
	n := rapid.IntRange(0, 6).Draw(t, "admission")
	x.admit = min(n, x.limit)
	x.table.SetAdmission(n)
}

// RemoveLate ends a session that is not attached any more.
func (x *machine) RemoveLate(t *rapid.T) {
	if len(x.gone) == 0 {
		t.Skip("nobody has left")
	}
	if s := rapid.SampledFrom(x.gone).Draw(t, "session"); x.table.Remove(s) {
		t.Fatalf("the late end of session %d removed something", s.Ref)
	}
}

func (x *machine) Check(t *rapid.T) {
	if err := errors.Join(x.table.Audit(), x.table.Check()); err != nil {
		t.Fatal(err)
	}
	if got := x.table.Sessions(); !slices.Equal(got, x.live) {
		t.Fatalf("sessions %v, want %v, the oldest first", got, x.live)
	}
	for n := range byte(8) {
		got, ok := x.table.Get(client(n))
		i := x.find(client(n))
		if ok != (i >= 0) || (ok && got != x.live[i]) {
			t.Fatalf("Get(%d): %+v, %v", n, got, ok)
		}
	}
	if got, want := x.table.Stats(), (clients.Stats{Limit: x.limit, Attached: len(x.live), Admission: x.admit, Shedding: len(x.leave), Counts: x.counts}); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
}

func TestATableIsWhatAListOfSessionsWouldBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &machine{limit: rapid.IntRange(1, 5).Draw(t, "limit"), retry: time.Second, most: rapid.IntRange(1, 4).Draw(t, "takeovers"), turns: map[transport.PeerID]int{}}
		w, table := newTable(clients.Config{Limit: x.limit, RetryAfter: x.retry, Takeovers: x.most})
		defer w.Close()
		x.table, x.admit = table, x.limit
		t.Repeat(map[string]func(*rapid.T){
			"": x.Check, "admit": x.Admit, "admit again": x.Admit, "remove": x.Remove, "remove late": x.RemoveLate,
			"set limit": x.SetLimit, "set admission": x.SetAdmission, "closed": x.Closed,
		})
	})
}

func TestOfAHundredAndFiftyClientsFiftyAreRefused(t *testing.T) {
	w, table := newTable(clients.Config{Limit: 100})
	defer w.Close()
	waits := map[time.Duration]bool{}
	for i := range byte(150) {
		_, _, err := table.Admit(client(i), int(i), nil)
		if i < 100 && err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		if i >= 100 {
			if !errors.Is(err, fault.Overload) {
				t.Fatalf("client %d: %v, want Overload", i, err)
			}
			waits[fault.RetryAfter(err)] = true
		}
	}
	if st := table.Stats(); st.Attached != 100 || st.Refused != 50 || st.Peak != 100 {
		t.Fatalf("%+v", st)
	}
	// They were not all told to come back in the same instant.
	if len(waits) < 40 {
		t.Fatalf("50 refused clients were told %d different times", len(waits))
	}
}

func TestAClientThatComesBackFindsItsPlaceInAFullTable(t *testing.T) {
	w, table := newTable(clients.Config{Limit: 2})
	defer w.Close()
	first, _, _ := table.Admit(client(1), 1, nil)
	table.Admit(client(2), 2, nil)
	second, older, err := table.Admit(client(1), 3, nil)
	if err != nil || older != first {
		t.Fatalf("%+v, %v", older, err)
	}
	if table.Remove(first) {
		t.Fatal("the end of the superseded session took the newer one away")
	}
	if s, ok := table.Get(client(1)); !ok || s != second {
		t.Fatalf("attached is %+v", s)
	}
}
