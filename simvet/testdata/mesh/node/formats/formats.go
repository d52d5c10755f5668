package formats

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"runtime/debug"
	"time"
)

type peer struct{ id int }

type named struct{ id int }

func (n *named) String() string { return "n" }

type holder struct {
	Name string
	next *peer
}

type hidden struct{ at *named }

type shown struct{ At *named }

func wrapper(level int, format string, args ...any) {}

func bites(w io.Writer, l *slog.Logger, p *peer, n *named, f func(), s []*peer) {
	_ = fmt.Sprintf("%p", p)             // want `%p prints an address, which differs in every run: print an id \[fmt\]`
	_ = fmt.Sprintf("%d %v", 1, p)       // want `%v of \*formats.peer prints an address, .* give it a String method \[fmt\]`
	_ = fmt.Sprintf("%[2]v %[1]d", 1, p) // want `%v of \*formats.peer`
	_ = fmt.Sprintf("%*d %+v", 3, 1, p)  // want `%v of \*formats.peer`
	_ = fmt.Sprintf("%x", n)
	_ = fmt.Sprintf("%#v", n)              // want `%v of \*formats.named`
	_ = fmt.Sprint("peer", p)              // want `%v of \*formats.peer`
	_ = fmt.Errorf("f is %v", f)           // want `%v of func\(\)`
	_ = fmt.Sprintf("%v", s)               // want `%v of \[\]\*formats.peer`
	_ = fmt.Sprintf("%v", holder{})        // want `%v of formats.holder`
	_ = fmt.Sprintf("%v", hidden{})        // want `%v of formats.hidden`
	_ = fmt.Sprintf("%d", n)               // want `%d of \*formats.named`
	fmt.Fprintln(w, p)                     // want `%v of \*formats.peer`
	wrapper(1, "%v", p)                    // want `%v of \*formats.peer`
	l.Info("dialled", "peer", p)           // want `%v of \*formats.peer`
	l.Info("dialled", slog.Any("peer", p)) // want `%v of \*formats.peer`
	debug.PrintStack()                     // want `runtime/debug.PrintStack holds addresses .*\[fmt\]`
	_ = runtime.Stack(nil, false)          // want `runtime.Stack holds addresses .*\[fmt\]`
	_ = debug.Stack()                      // want `runtime/debug.Stack holds addresses .*\[fmt\]`
}

func fine(l *slog.Logger, p *peer, n *named, err error, at time.Time, a netip.AddrPort, args []any) {
	_ = fmt.Sprintf("%T %%p %v %s", p, p.id, n)
	_ = fmt.Sprintf("%v %v %v %v", err, at, a, *p)
	_ = fmt.Sprintf("%v", shown{})
	_ = fmt.Sprintf("%v", args...)
	l.Info("50% done", "peer", p.id)
	wrapper(1, "plain")
	_, _ = fmt.Sscan("1", &p.id)
	_, _ = fmt.Sscanf("1", "%d", &p.id)
}
