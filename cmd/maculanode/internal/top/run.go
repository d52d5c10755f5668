package top

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Config is what Run needs.
type Config struct {
	// Ask asks the node once; it is called by one goroutine at a time, and its
	// error is shown in one line.
	Ask   func(context.Context) (Sample, error)
	In    *os.File // the terminal's keys
	Out   *os.File // the terminal's screen
	Every time.Duration
	Color bool
	Table Table // that is shown first
}

// What switches the terminal to a screen of its own without a cursor, and back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

// Run shows the view until q or ctx ends, and leaves the terminal as it was,
// whatever happens but a kill. A node that does not answer is asked again. The
// goroutine that reads the keys stays until the next key: a read of a terminal
// cannot be interrupted, and the process is about to end.
func Run(ctx context.Context, cfg Config) error {
	in := int(cfg.In.Fd())
	before, err := term.MakeRaw(in)
	if err != nil {
		return fmt.Errorf("the terminal cannot be used: %w", err)
	}
	defer term.Restore(in, before)
	if _, err := io.WriteString(cfg.Out, enterScreen); err != nil {
		return err
	}
	defer io.WriteString(cfg.Out, leaveScreen)

	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer)
	asking := make(chan struct{})
	go func() {
		defer close(asking)
		ask(ctx, cfg, answers)
	}()
	defer func() {
		cancel()
		<-asking
	}()
	pressed := make(chan string)
	go listen(ctx, cfg.In, pressed)
	resized, stop := watchSize()
	defer stop()

	v := view{cfg: cfg, state: State{Color: cfg.Color, Table: cfg.Table, Gone: "it has not answered yet"}}
	for {
		if err := v.draw(); err != nil {
			return err
		}
		select {
		case a := <-answers:
			v.take(a)
		case k, ok := <-pressed:
			if !ok || v.press(k) == Quit {
				return nil
			}
		case <-resized:
		case <-ctx.Done():
			return nil
		}
	}
}

type answer struct {
	sample Sample
	err    error
}

// ask asks now, and again every while, until ctx ends.
func ask(ctx context.Context, cfg Config, out chan<- answer) {
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	for {
		s, err := cfg.Ask(ctx)
		select {
		case out <- answer{s, err}:
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// listen passes keys on until the input ends or ctx does.
func listen(ctx context.Context, in io.Reader, out chan<- string) {
	defer close(out)
	buf := make([]byte, 256)
	var rest []byte
	for {
		n, err := in.Read(buf)
		var found []string
		found, rest = keys(append(rest, buf[:n]...))
		for _, k := range found {
			select {
			case out <- k:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// view is what is on the screen.
type view struct {
	cfg       Config
	state     State
	cur, prev Sample
}

// take shows an answer, unless the view is paused.
func (v *view) take(a answer) {
	switch {
	case a.err != nil:
		v.state.Gone = strings.Join(strings.Fields(a.err.Error()), " ")
		return
	case a.sample.Status == nil:
		v.state.Gone = "it answers without a status: is it another version?"
		return
	}
	v.state.Gone = ""
	if !v.state.Paused || v.cur.Status == nil {
		v.prev, v.cur = v.cur, a.sample
	}
}

func (v *view) press(key string) Action {
	width, height := v.size()
	return v.state.Press(key, PageSize(Above(width), height, v.state), Rows(v.cur, v.state.Table))
}

func (v *view) size() (width, height int) {
	width, height, err := term.GetSize(int(v.cfg.Out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return DefaultWidth, DefaultHeight
	}
	return width, height
}

// The size of a terminal that does not tell.
const (
	DefaultWidth  = 80
	DefaultHeight = 24
)

// draw writes the frame over the one before, in one piece so that it does not
// flicker.
func (v *view) draw() error {
	width, height := v.size()
	lines := Frame(v.cur, v.prev, width, height, v.state)
	// On a terminal that is smaller than a frame can be, the rest is cut.
	lines = lines[:min(len(lines), height)]
	var b strings.Builder
	b.WriteString("\x1b[?7l\x1b[H")
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l + "\x1b[K")
	}
	b.WriteString("\x1b[J\x1b[?7h")
	_, err := io.WriteString(v.cfg.Out, b.String())
	return err
}
