package netsim_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
)

func TestEveryBreachOfTheBooksIsFound(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(netsim.Corruptions)) {
		t.Run(name, func(t *testing.T) {
			w := sim.New(sim.Config{})
			defer w.Close()
			l := &lab{Machine: w.Machine("lab"), t: t, w: w}
			l.seen.w = w
			l.net = netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: &l.seen})
			l.Go("test", func() {
				a, b := l.node(), l.node()
				ca, cb := l.connect(a, b)
				sa, _ := l.stream(ca, cb)
				_, sb := l.stream(cb, ca)
				l.write(sa, "unread")
				l.write(sb, "unread")
			})
			w.Run()
			if err := l.net.Check(); err != nil {
				t.Fatalf("before: %v", err)
			}
			if err := l.net.Audit(); err != nil {
				t.Fatalf("before: %v", err)
			}
			if !netsim.Corruptions[name](l.net) {
				t.Fatal("there was nothing to break")
			}
			if check, audit := l.net.Check(), l.net.Audit(); check == nil && audit == nil {
				t.Error("neither Check nor Audit has found it")
			} else {
				t.Logf("%v; %v", check, audit)
			}
		})
	}
}
