// Package top is a live view of a running node for a terminal.
//
// What is shown is a pure function of two samples and of what the keys have
// chosen (Frame); around it are the terminal and a clock.
package top

import (
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// Sample is what a node said at one moment.
type Sample struct {
	Status *control.Status // nil: it has never answered
	Calls  []control.Call  // in flight, the oldest first
}

// Table is a list that the view can show.
type Table int

// The tables.
const (
	Peers Table = iota
	Clients
	Services
	Calls
)

// State is what the keys have chosen, and what went wrong.
type State struct {
	Table  Table
	Scroll int // rows left out above
	Paused bool
	Color  bool
	Gone   string // why the node does not answer; empty when it does
	Once   bool   // one frame for a script: no keys are named
}

// Action is what a key asks the caller for.
type Action int

// The actions.
const (
	None   Action = iota
	Redraw        // the state has changed
	Quit
)

// The names of keys that are more than a character.
const (
	keyUp       = "\x1b[A"
	keyDown     = "\x1b[B"
	keyUpApp    = "\x1bOA"
	keyDownApp  = "\x1bOB"
	keyPageUp   = "\x1b[5~"
	keyPageDown = "\x1b[6~"
	keyCtrlC    = "\x03"
	keyCtrlD    = "\x04"
)

// Press applies a key to the state. page is how many rows the table shows,
// rows how many it has.
func (s *State) Press(key string, page, rows int) Action {
	switch key {
	case "q", "Q", keyCtrlC, keyCtrlD:
		return Quit
	case "p":
		s.choose(Peers)
	case "c":
		s.choose(Clients)
	case "s":
		s.choose(Services)
	case "o":
		s.choose(Calls)
	case "j", keyDown, keyDownApp:
		s.Scroll++
	case "k", keyUp, keyUpApp:
		s.Scroll--
	case keyPageDown:
		s.Scroll += page
	case keyPageUp:
		s.Scroll -= page
	case "g":
		s.Scroll = 0
	case "G":
		s.Scroll = rows
	case " ":
		s.Paused = !s.Paused
	default:
		return None
	}
	s.Scroll = max(0, min(s.Scroll, rows-page))
	return Redraw
}

func (s *State) choose(t Table) {
	if s.Table != t {
		s.Table, s.Scroll = t, 0
	}
}

// keys takes the input of a terminal apart. What it returns as rest is the
// beginning of a key whose end has not arrived.
func keys(in []byte) (found []string, rest []byte) {
	for len(in) > 0 {
		if in[0] != 0x1b {
			found, in = append(found, string(in[:1])), in[1:]
			continue
		}
		n := sequence(in)
		if n == 0 {
			return found, in
		}
		found, in = append(found, string(in[:n])), in[n:]
	}
	return found, nil
}

// sequence is the length of the escape sequence that in begins with, or 0
// when there may be more of it.
func sequence(in []byte) int {
	switch {
	case len(in) < 2:
		return 0
	case in[1] == 'O':
		if len(in) < 3 {
			return 0
		}
		return 3
	case in[1] != '[':
		return 1
	}
	for i := 2; i < len(in); i++ {
		if in[i] >= 0x40 && in[i] <= 0x7e {
			return i + 1
		}
		if i > maxSequence {
			return i
		}
	}
	return 0
}

// maxSequence bounds an escape sequence in bytes: longer ones are no key.
const maxSequence = 16
