package view_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/view"
)

// story is a list of records, one an event and one a second.
func story(records ...sim.Record) []sim.Record {
	for i := range records {
		records[i].Event = uint64(i + 1)
		records[i].At = time.Duration(i+1) * time.Second
	}
	return records
}

func fault(machine, text string) sim.Record {
	return sim.Record{Kind: sim.KindFault, Machine: machine, Text: text}
}

func of(kind sim.Kind, machine string) sim.Record { return sim.Record{Kind: kind, Machine: machine} }

// lines are the spans as "text from-to".
func lines(spans []view.Span) []string {
	var out []string
	for _, s := range spans {
		l := s.Text + " " + s.From.String() + "-" + s.To.String()
		if s.Open {
			l += " open"
		}
		out = append(out, l)
	}
	return out
}

func wantSpans(t *testing.T, records []sim.Record, want ...string) []view.Span {
	t.Helper()
	spans := view.Spans(records, 100*time.Second)
	if got := lines(spans); !slices.Equal(got, want) {
		t.Errorf("got:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return spans
}

func TestAMachineIsDownFromItsCrashToItsRestart(t *testing.T) {
	wantSpans(t, story(of(sim.KindCrash, "n1"), of(sim.KindCrash, "n2"), of(sim.KindRestart, "n1")),
		"n1 is down 1s-3s", "n2 is down 2s-1m40s open")
}

func TestACrashEndsAPause(t *testing.T) {
	wantSpans(t, story(of(sim.KindPause, "n1"), of(sim.KindResume, "n1"), of(sim.KindPause, "n1"), of(sim.KindCrash, "n1")),
		"n1 stands still 1s-2s", "n1 stands still 3s-4s", "n1 is down 4s-1m40s open")
}

func TestSlownessAndDriftLastUntilTheyAreSetToZero(t *testing.T) {
	slow := of(sim.KindSlow, "n1")
	slow.A = uint64(5 * time.Millisecond)
	drift, straight := of(sim.KindClock, "n1"), of(sim.KindClock, "n1")
	ppm := int64(-200)
	drift.A, drift.B = 3, uint64(ppm)
	straight.A = 3
	wantSpans(t, story(slow, drift, of(sim.KindSlow, "n1"), straight),
		"n1 is slow, by up to 5ms 1s-3s", "n1: clocks drift by -200 ppm 2s-4s")
}

func TestACutEndsWithTheHealOfItsOwnDirection(t *testing.T) {
	wantSpans(t, story(fault("a", "cut to b"), fault("b", "cut to a"), fault("a", "heal to b")),
		"a → b cut 1s-3s", "b → a cut 2s-1m40s open")
}

func TestAHeldLinkEndsWithItsRelease(t *testing.T) {
	wantSpans(t, story(fault("a", "hold to b"), fault("a", "heal to b"), fault("a", "release to b")), "a → b held 1s-3s")
}

func TestHealAllEndsWhatTheNetworkDoesAndNothingElse(t *testing.T) {
	wantSpans(t, story(fault("a", "cut to b"), fault("a", "stall handshakes: true"), fault("b", "slow reader: 500 bytes a second"), of(sim.KindCrash, "c"), fault("", "heal all")),
		"a → b cut 1s-5s", "a: stall handshakes 2s-5s", "b: slow reader: 500 bytes a second 3s-5s", "c is down 4s-1m40s open")
}

func TestFaultsThatAreSwitchedLastUntilTheyAreSwitchedOff(t *testing.T) {
	wantSpans(t, story(fault("a", "exhaust ports: true"), fault("a", "exhaust ports: false"), fault("b", "slow reader: 9 bytes a second"), fault("b", "slow reader: 0 bytes a second")),
		"a: exhaust ports 1s-2s", "b: slow reader: 9 bytes a second 3s-4s")
}

func TestThePartsOfAPartitionAreOneSpan(t *testing.T) {
	records := story(fault("", "partition 1, group 1: a b"), fault("", "partition 1, group 2: c"), of(sim.KindNote, ""), fault("", "heal all"))
	records[1].Event, records[1].At = records[0].Event, records[0].At
	spans := wantSpans(t, records, "partition 1: a b | c 1s-4s")
	if len(spans[0].Groups) != 2 || !slices.Equal(spans[0].Groups[0], []string{"a", "b"}) {
		t.Errorf("the groups are %v", spans[0].Groups)
	}
}

// together gives records the event and the time of the first.
func together(records []sim.Record) []sim.Record {
	for i := range records {
		records[i].Event, records[i].At = 1, time.Second
	}
	return records
}

func TestLinksThatAreCutTogetherAreOneSpan(t *testing.T) {
	both := together(story(fault("a", "cut to b"), fault("b", "cut to a")))
	wantSpans(t, both, "a ↔ b cut 1s-1m40s open")

	oneWay := together(story(fault("a", "cut to c"), fault("b", "cut to c")))
	wantSpans(t, oneWay, "a b → c cut 1s-1m40s open")

	groups := together(story(fault("a", "cut to c"), fault("b", "cut to c"), fault("c", "cut to a"), fault("c", "cut to b")))
	if s := wantSpans(t, groups, "a b | c cut 1s-1m40s open"); len(s[0].Groups) != 2 {
		t.Errorf("the groups are %v", s[0].Groups)
	}

	ring := together(story(fault("a", "cut to b"), fault("b", "cut to c"), fault("c", "cut to a")))
	wantSpans(t, ring, "3 links cut, a → b first 1s-1m40s open")

	// All between two groups, and one within.
	more := together(story(fault("a", "cut to c"), fault("b", "cut to c"), fault("c", "cut to a"), fault("c", "cut to b"), fault("b", "cut to a")))
	wantSpans(t, more, "5 links cut, a → c first 1s-1m40s open")
}

func TestWhatIsOverAtOnceIsNoSpan(t *testing.T) {
	wantSpans(t, story(fault("a", "kill 2 connections with b"), fault("a", "link to b: latency 20ms"), fault("a", "rebind to 100.64.0.1"), fault("", "at 3s  crash n3: true")))
}
