package shrink_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/shrink"
)

// crowded is a plan with many lines, among which stand some others.
func crowded(lines ...string) string {
	var b strings.Builder
	b.WriteString("shows \"a crowd\"\nsometimes \"something\"\nlink latency=20ms\nnode n count=6\n")
	for i := range 40 {
		fmt.Fprintf(&b, "at %ds do n%d noise%d\n", 1+i, i%6, i)
		fmt.Fprintf(&b, "at %ds for 2s isolate n%d  # a fault\n", 1+i, i%5)
		if i%8 == 3 && len(lines) > 0 {
			b.WriteString(lines[0] + "\n")
			lines = lines[1:]
		}
	}
	return b.String() + "calm 50s\nwithin 10s answered\n"
}

func TestOnlyLinesThatAreNeededAreLeft(t *testing.T) {
	r := shrunk(t, crowded("at 10s do n1 a", "at 20s do n4 b"), not("a", "b"))
	left(t, r, "node n1", "node n4", "at 0s do n1 a", "at 0s do n4 b")
	minimal(t, r)
	if r.Before.Lines != 90 || r.Before.Nodes != 6 || r.Before.Faults != 40 || r.Before.Requests != 42 {
		t.Errorf("before: %v", r.Before)
	}
	if r.After.Lines != 6 || r.After.Nodes != 2 || r.After.Faults != 0 || r.After.Requests != 2 || r.After.Time != 0 || r.After.Switches != 0 {
		t.Errorf("after: %v", r.After)
	}
}

func TestFaultsThatAreNeededAreLeft(t *testing.T) {
	// b happens only while the node is down, which the machine itself tells.
	down := func(s *scenario.Stage, t story) {
		last := t[len(t)-1]
		s.Check(last.word != "b" || !s.Place("n4").Down(), "b comes before the crash", "it came later")
	}
	r := shrunk(t, crowded("at 19s for 3s crash n4", "at 20s do n1 b"), down)
	if r.After.Faults != 1 || r.After.Requests != 1 || r.After.Nodes != 2 {
		t.Errorf("after: %v\n%v", r.After, r.Plan)
	}
	minimal(t, r)
}

func TestANodeGoesWithWhatIsSaidOfIt(t *testing.T) {
	// Neither of the lines of n1 can go without the other, and whatever stands
	// between them is needed.
	balanced := func(s *scenario.Stage, t story) {
		even := t.did("up") == t.did("down")
		s.Check(t[len(t)-1].verb != "told" || t.did("a") == 0 || !even, "a comes out of balance", "it came in balance")
	}
	text := "node n0 n1\nat 1s do n1 up\nat 4s do n0 a\nat 2s do n1 down\nat 3s gather n0,n1\nwithin 1s told\n"
	r := shrunk(t, text, balanced)
	left(t, r, "node n0", "at 0s do n0 a", "within 1s told")
	minimal(t, r)
}

func TestAListLosesTheNodesThatAreNotNeeded(t *testing.T) {
	r := shrunk(t, "node n count=5\nat 1s gather n0,n1,n2,n3\n", func(s *scenario.Stage, t story) {
		for _, n := range t[len(t)-1].nodes {
			s.Check(n != "n2", "n2 is not gathered", "it is")
		}
	})
	left(t, r, "node n2", "at 0s gather n2")

	r = shrunk(t, "node n0 n2\nat 1s do n0 a\nat 2s gather n0,n2\n", func(s *scenario.Stage, t story) {
		e := t[len(t)-1]
		s.Check(t.did("a") == 0 || !slices.Contains(e.nodes, "n2"), "n2 is not gathered after a", "it is")
	})
	left(t, r, "node n0", "node n2", "at 0s do n0 a", "at 0s gather n2")
}

func TestValuesBecomeSmall(t *testing.T) {
	r := shrunk(t, "node n0\nat 1s do n0 a n=800\n", func(s *scenario.Stage, t story) {
		s.Check(t[len(t)-1].n < 100, "numbers are small", "%d", t[len(t)-1].n)
	})
	left(t, r, "node n0", "at 0s do n0 a n=100")

	r = shrunk(t, "node n0\nat 1s do n0 a by=-17h24m0.8s n=7\n", func(s *scenario.Stage, t story) {
		s.Check(t[len(t)-1].n >= 0, "numbers are positive", "%d", t[len(t)-1].n)
	})
	left(t, r, "node n0", "at 0s do n0 a by=-1.5ms")
}

func TestTimesBecomeShort(t *testing.T) {
	apart := func(s *scenario.Stage, t story) {
		a, did := t.when("a")
		b, too := t.when("b")
		s.Check(!did || !too || b-a < 5*time.Second, "b comes soon after a", "later")
	}
	r := shrunk(t, "node n0\nat 31s do n0 a\nat 58s do n0 b\ncalm 80s\nwithin 5s answered\n", apart)
	if a, b := r.Run.Failure.At, r.After.Time; a != b || a < 5*time.Second || a > 10*time.Second {
		t.Errorf("it fails at %v: the two need 5 s between them\n%v", a, r.Plan)
	}
	minimal(t, r)
}

func TestALineThatRepeatsHappensOnce(t *testing.T) {
	r := shrunk(t, "node n0\nfrom 10s to 20s every 500ms do n0 a\n", not("a"))
	left(t, r, "node n0", "at 0s do n0 a")
}

func TestALineThatMustRepeatRepeatsLess(t *testing.T) {
	r := shrunk(t, "node n0\nfrom 10s to 42s every 500ms do n0 a\n", func(s *scenario.Stage, t story) {
		s.Check(t.did("a") < 3, "a comes less than three times", "%d", t.did("a"))
	})
	left(t, r, "node n0", "from 0s to 1.4s every 500ms do n0 a")
	minimal(t, r)
}

func TestWithinIsNeverShortened(t *testing.T) {
	shortest := int64(1 << 62)
	rule := func(s *scenario.Stage, t story) {
		if e := t[len(t)-1]; e.verb == "never" {
			shortest = min(shortest, e.n)
		}
	}
	c := shrink.Case{Plan: parse(t, "node n0\nat 5s do n0 a\ncalm 10s\nwithin 40s never\n"), Seed: 1, Strategy: "fifo"}
	r := shrunkBy(t, c, shrink.Config{Jobs: 1}, rule)
	left(t, r, "within 40s never")
	if got := time.Duration(shortest); got != 40*time.Second {
		t.Errorf("a plan was tried that demands it within %v", got)
	}
}

func TestASmallerPlanIsTriedWithOtherSeeds(t *testing.T) {
	// It fails with every other seed when the noise is gone, and with each
	// before.
	lucky := func(s *scenario.Stage, t story) {
		s.Check(t.did("a") == 0 || t.did("noise") == 0 && s.Seed()%4 != 2, "a brings bad luck", "to seed")
	}
	c := shrink.Case{Plan: parse(t, "node n0\nat 1s do n0 noise\nat 2s do n0 a\n"), Seed: 7, Strategy: "fifo"}
	r := shrunkBy(t, c, shrink.Config{}, lucky)
	left(t, r, "node n0", "at 0s do n0 a")
	if r.Seed != 2 {
		t.Errorf("the seed is %d", r.Seed)
	}
	r = shrunkBy(t, c, shrink.Config{Seeds: 1}, lucky)
	if r.After.Requests != 2 || r.Seed != 7 {
		t.Errorf("with one seed: %v, seed %d\n%v", r.After, r.Seed, r.Plan)
	}
}

func TestWhatFailsOtherwiseIsAnotherFailure(t *testing.T) {
	opened := func(s *scenario.Stage, t story) {
		s.Check(t.did("use") == 0 || t.did("open") > 0, "it is opened before it is used", "it was not")
		s.Check(t.did("use") == 0, "it is not used", "it was")
	}
	r := shrunk(t, "node n0\nat 1s do n0 noise\nat 2s do n0 open\nat 3s do n0 use\n", opened)
	left(t, r, "node n0", "at 0s do n0 open", "at 0s do n0 use")
	if r.Minimal {
		t.Error("it says that each line is needed to fail")
	}
	want := shrink.Otherwise{Line: "at 0s do n0 open", Signature: "it is opened before it is used: it was not"}
	if len(r.Otherwise) != 1 || r.Otherwise[0] != want {
		t.Errorf("otherwise: %v", r.Otherwise)
	}
}

func TestASmallCaseIsLookedAtAfterEveryEvent(t *testing.T) {
	broken := false
	y := toy(func(*scenario.Stage, story) { broken = true })
	open := y.Open
	y.Open = func(s *scenario.Stage) *scenario.Subject {
		broken = false
		s.Recount("nothing is broken", func() error {
			if broken {
				return errNever
			}
			return nil
		})
		return open(s)
	}
	c := shrink.Case{Plan: parse(t, "node n0\nat 0s do n0 a\n"), Seed: 1, Strategy: "fifo"}
	r, err := shrink.Run(c, shrink.Config{Systems: []*scenario.System{y}, Jobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	fails(t, y, r)
	minimal(t, r)
}

func TestStopEndsItWithWhatThereIs(t *testing.T) {
	text := crowded("at 10s do n1 a", "at 20s do n4 b")
	whole := parse(t, text)
	var last int
	for _, after := range []int{0, 1, 20, 100} {
		asked := 0
		cfg := shrink.Config{Jobs: 1, Stop: func() bool { asked++; return asked > after }}
		r := shrunkBy(t, shrink.Case{Plan: whole, Seed: 1, Strategy: "fifo"}, cfg, not("a", "b"))
		if r.Minimal {
			t.Errorf("stopped when it was asked %d times, it says that no line can go", after)
		}
		if last > 0 && r.After.Lines > last {
			t.Errorf("stopped later, after %d times, %d lines are left of %d", after, r.After.Lines, last)
		}
		last = r.After.Lines
	}
	if last >= len(whole.Lines) {
		t.Error("nothing was taken out before it was stopped")
	}
}

func TestProgressIsToldOfEverySmallerPlan(t *testing.T) {
	var sizes []shrink.Size
	cfg := shrink.Config{Jobs: 1, Progress: func(z shrink.Size) { sizes = append(sizes, z) }}
	r := shrunkBy(t, shrink.Case{Plan: parse(t, crowded("at 10s do n1 a")), Seed: 1, Strategy: "fifo"}, cfg, not("a"))
	if len(sizes) < 3 || sizes[len(sizes)-1] != r.After {
		t.Errorf("%d smaller plans, the last is %v, want %v", len(sizes), sizes[len(sizes)-1], r.After)
	}
}

func TestWhatDoesNotFailIsRefused(t *testing.T) {
	y := toy(not("a", "b"))
	cfg := shrink.Config{Systems: []*scenario.System{y}}
	_, err := shrink.Run(shrink.Case{Plan: parse(t, "node n0\nat 1s do n0 a\n"), Seed: 1, Strategy: "fifo"}, cfg)
	if err == nil || !strings.Contains(err.Error(), "holds") {
		t.Errorf("a run that holds: %v", err)
	}
	p, err := plan.Parse("x", []byte("plan x\nsystem other\nnode n0\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shrink.Run(shrink.Case{Plan: p, Seed: 1, Strategy: "fifo"}, cfg); err == nil {
		t.Error("a plan for another system is shrunk")
	}
}
