package top

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

var update = flag.Bool("update", false, "write what the view looks like to testdata")

// id is the id of a made-up node.
func id(n int) string { return strings.Repeat(string(rune('a'+n%26)), 50) + fmt.Sprintf("%06d", n) }

// busy are two samples of a node with something to do, two seconds apart.
func busy() (cur, prev Sample) {
	at := func(uptime float64, calls uint64) Sample {
		s := &control.Status{
			ID: id(0), Realm: "org.example.dev", Addr: "127.0.0.1:4433", PID: 4711, Version: "v1.2.3", Uptime: uptime, Ready: true,
			Pool:      control.Pool{Use: control.Use{Now: 3, Limit: 1000, Peak: 5}, Dials: 3, Evicted: calls / 100},
			Clients:   control.Clients{Use: control.Use{Now: 9200, Limit: 10000}, Refused: calls / 50},
			Registry:  control.Registry{Use: control.Use{Now: 2, Limit: 100000}},
			Server:    control.Handlers{Use: control.Use{Now: 7500, Limit: 10000}, Served: 3 * calls},
			Caller:    control.Caller{OK: calls, Failed: calls / 1000},
			Transport: control.Transport{Conns: 9203, Limit: 11320},
			Ledger: control.Ledger{Classes: []control.Class{
				{Name: "call", Bytes: 3 << 20, LimitBytes: 256 << 20}, {Name: "queue", LimitBytes: 512 << 20},
			}},
			Process:  control.Process{Goroutines: 37000, Mapped: 900 << 20},
			Pressure: control.Pressure{Level: "elevated", Used: 760 << 20, Limit: 1 << 30},
			Acting:   control.Acting{Peers: 800, Clients: 10000, Services: 100000, Handlers: 10000},
			ServiceList: []control.Service{
				{Name: "demo.second", Provider: id(1), Addr: "192.0.2.1:4433", Left: 250},
				{Name: "demo.echo", Provider: id(0), Local: true, Left: 299.5},
			},
		}
		for i := range 30 {
			s.PeerList = append(s.PeerList, control.Conn{ID: id(i + 1), Addr: fmt.Sprintf("192.0.2.%d:4433", i+1), CallsOut: i % 3, Asked: uint64(i) * calls, Served: uint64(i)})
		}
		return Sample{Status: s, Calls: []control.Call{
			{Service: "demo.second", With: id(1), Out: true, Age: 0.25, Deadline: 4.75, Bytes: 64},
			{Service: "demo.echo", With: id(2), Age: 12.5, Deadline: -0.5, Bytes: 1 << 20},
		}}
	}
	return at(3725, 21000), at(3723, 1000)
}

func TestTheViewIsAsInTestdata(t *testing.T) {
	cur, prev := busy()
	unready := *cur.Status
	unready.Ready, unready.NotReady = false, "joining: no bootstrap peer was reached yet"
	draining := unready
	draining.Draining = true
	for _, c := range []struct {
		name          string
		cur, prev     Sample
		width, height int
		st            State
	}{
		{"peers-80x24", cur, prev, 80, 24, State{}},
		{"peers-140x40", cur, prev, 140, 40, State{}},
		{"scrolled-80x24", cur, prev, 80, 24, State{Scroll: 25}},
		{"services-80x24", cur, prev, 80, 24, State{Table: Services}},
		{"calls-100x20", cur, prev, 100, 20, State{Table: Calls, Paused: true}},
		{"narrow-50x18", cur, prev, 50, 18, State{}},
		{"once-80x24", cur, prev, 80, 24, State{Once: true}},
		{"first-80x24", cur, Sample{}, 80, 24, State{}},
		{"not-ready-80x16", Sample{Status: &unready}, prev, 80, 16, State{Table: Clients}},
		{"draining-gone-80x16", Sample{Status: &draining}, prev, 80, 16, State{Gone: "no node is running behind n1/control.sock"}},
		{"never-80x24", Sample{}, Sample{}, 80, 24, State{Gone: "no node is running behind n1/control.sock"}},
		{"colour-80x16", cur, prev, 80, 16, State{Color: true}},
	} {
		lines := Frame(c.cur, c.prev, c.width, c.height, c.st)
		if len(lines) > c.height {
			t.Errorf("%s: %d lines", c.name, len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > c.width && !c.st.Color {
				t.Errorf("%s: %d columns: %q", c.name, n, l)
			}
		}
		got := strings.ReplaceAll(strings.Join(lines, "\n"), "\x1b", "ESC") + "\n"
		path := filepath.Join("testdata", c.name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, want)
		}
	}
}

func TestANodeThatStartedAgainHasNoRates(t *testing.T) {
	cur, prev := busy()
	restarted := *cur.Status
	restarted.PID++
	for _, s := range []*control.Status{&restarted, {PID: prev.Status.PID, Uptime: prev.Status.Uptime + 1}} {
		if r, ok := perSecond(s, prev.Status, counters[0].of); ok {
			t.Errorf("process %d: %v", s.PID, r)
		}
	}
}

func TestNothingThatIsShownMovesTheCursor(t *testing.T) {
	cur, prev := busy()
	cur.Status.NotReady, cur.Status.Ready = "\x1b[2Jevil\r\n\u202e\xff", false
	cur.Status.PeerList[29].Addr = "\x1b[H"
	for _, l := range Frame(cur, prev, 140, 40, State{}) {
		if strings.ContainsAny(l, "\x1b\r\n\u202e\xff") || !utf8.ValidString(l) {
			t.Errorf("%q", l)
		}
	}
}

func TestKeysChooseScrollPauseAndQuit(t *testing.T) {
	var s State
	for _, c := range []struct {
		key  string
		want State
		act  Action
	}{
		{"j", State{Scroll: 1}, Redraw},
		{"\x1b[B", State{Scroll: 2}, Redraw},
		{"\x1b[6~", State{Scroll: 12}, Redraw},
		{"G", State{Scroll: 20}, Redraw},
		{"j", State{Scroll: 20}, Redraw},
		{"k", State{Scroll: 19}, Redraw},
		{"p", State{Scroll: 19}, Redraw},
		{"o", State{Table: Calls}, Redraw},
		{"k", State{Table: Calls}, Redraw},
		{" ", State{Table: Calls, Paused: true}, Redraw},
		{"x", State{Table: Calls, Paused: true}, None},
		{"\x1b", State{Table: Calls, Paused: true}, None},
		{"\x03", State{Table: Calls, Paused: true}, Quit},
	} {
		if act := s.Press(c.key, 10, 30); act != c.act || s != c.want {
			t.Errorf("after %q: %+v, %v", c.key, s, act)
		}
	}
}

func TestKeysAreFoundHoweverTheInputIsCut(t *testing.T) {
	const input = "j\x1b[Bk\x1bOA\x1b[6~q"
	want := []string{"j", "\x1b[B", "k", "\x1bOA", "\x1b[6~", "q"}
	for cut := range len(input) {
		first, rest := keys([]byte(input[:cut]))
		second, rest := keys(append(rest, input[cut:]...))
		if got := append(first, second...); !slices.Equal(got, want) || len(rest) != 0 {
			t.Errorf("cut at %d: %q, %q", cut, got, rest)
		}
	}
	if got, rest := keys([]byte("\x1b[" + strings.Repeat("1", 1000) + "q")); len(got) == 0 || got[len(got)-1] != "q" || len(rest) != 0 {
		t.Errorf("an endless sequence swallows the keys behind it: %q", rest)
	}
}
