package top

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience decides nothing when things work.
const patience = 30 * time.Second

// pseudo makes a terminal: what is written to keys is typed, and what the
// program shows is read from it.
func pseudo(t *testing.T) (keys, terminal *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(keys.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return keys, terminal
}

// screen is what a person in front of a terminal does.
type screen struct {
	t    *testing.T
	keys *os.File
	got  chan []byte
	all  []byte
}

func watch(t *testing.T, keys *os.File) *screen {
	s := &screen{t: t, keys: keys, got: make(chan []byte)}
	go func() {
		defer close(s.got)
		for {
			buf := make([]byte, 4096)
			n, err := keys.Read(buf)
			if err != nil {
				return
			}
			s.got <- buf[:n]
		}
	}()
	return s
}

// sees waits until text is shown, after whatever it has seen before.
func (s *screen) sees(text string) {
	s.t.Helper()
	timeout := time.After(patience)
	for !bytes.Contains(s.all, []byte(text)) {
		select {
		case b, ok := <-s.got:
			if s.all = append(s.all, b...); !ok {
				s.t.Fatalf("the end came before %q: %q", text, s.all)
			}
		case <-timeout:
			s.t.Fatalf("%q is not shown: %q", text, s.all)
		}
	}
	s.all = s.all[bytes.Index(s.all, []byte(text))+len(text):]
}

func (s *screen) types(key string) { s.keys.WriteString(key) }

func TestTheTerminalIsLeftAsItWas(t *testing.T) {
	for _, end := range []string{"q", "\x03", "a signal"} {
		keys, terminal := pseudo(t)
		before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		cur, _ := busy()
		var gone atomic.Bool
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- Run(ctx, Config{In: terminal, Out: terminal, Every: 10 * time.Millisecond, Ask: func(context.Context) (Sample, error) {
				if gone.Load() {
					return Sample{}, errors.New("nobody\nis there")
				}
				return cur, nil
			}})
		}()
		s := watch(t, keys)
		s.sees(enterScreen)
		s.sees("> [p]eers")
		s.types("o")
		s.sees("> [o]ldest")
		s.types(" ")
		s.sees("PAUSED")
		gone.Store(true)
		s.sees("no answer, old figures: nobody is there")
		gone.Store(false)
		s.sees("pressure")
		if end == "a signal" {
			cancel()
		} else {
			s.types(end)
		}
		s.sees(leaveScreen)
		if err := <-ended; err != nil {
			t.Errorf("%q: %v", end, err)
		}
		after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil || *after != *before {
			t.Errorf("after %q the terminal is another one: %+v, was %+v, %v", end, after, before, err)
		}
		cancel()
		s.types("\n") // whoever still reads the keys
		terminal.Close()
		for range s.got {
		}
		keys.Close()
	}
}
