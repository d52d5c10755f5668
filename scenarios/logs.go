package scenarios

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

const propLog = "log lines are of few kinds"

// maxLogKinds bounds the kinds of log lines of a node: more than the code has,
// and fewer than there would be if a kind were made from what a peer sends.
const maxLogKinds = 64

// logBook counts the kinds of lines that are logged: a kind is the message and
// the keys. Whatever is different in each line belongs into a value.
type logBook struct {
	kinds []string
	bad   error // the first line that is of none
}

// check says what is wrong with the lines until now.
func (b *logBook) check() error { return b.bad }

func (b *logBook) book(kind string) {
	switch {
	case b.bad != nil || slices.Contains(b.kinds, kind):
	case strings.ContainsAny(kind, "0123456789"):
		b.bad = fmt.Errorf("%q has a number in its message or its keys", kind)
	case len(b.kinds) == maxLogKinds:
		b.bad = fmt.Errorf("%q is one kind more than %d", kind, maxLogKinds)
	default:
		b.kinds = append(b.kinds, kind)
	}
}

// of is log with every line booked.
func (b *logBook) of(log *slog.Logger) *slog.Logger {
	return slog.New(&bookedHandler{Handler: log.Handler(), book: b})
}

// bookedHandler is a slog.Handler that books.
type bookedHandler struct {
	slog.Handler
	book *logBook
	keys string // of the attributes and groups that it was made with
}

// Handle implements slog.Handler.
func (h *bookedHandler) Handle(ctx context.Context, r slog.Record) error {
	kind := r.Message + h.keys
	r.Attrs(func(a slog.Attr) bool {
		kind += " " + a.Key
		return true
	})
	h.book.book(kind)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *bookedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	keys := h.keys
	for _, a := range attrs {
		keys += " " + a.Key
	}
	return &bookedHandler{h.Handler.WithAttrs(attrs), h.book, keys}
}

// WithGroup implements slog.Handler.
func (h *bookedHandler) WithGroup(name string) slog.Handler {
	return &bookedHandler{h.Handler.WithGroup(name), h.book, h.keys + " " + name}
}
