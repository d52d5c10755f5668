package sim

import (
	"bytes"
	"context"
	"log/slog"
)

// logHandler renders a machine's log lines as text without a time, which the
// trace adds, and folds them.
type logHandler struct {
	m    *Machine
	buf  *bytes.Buffer // shared by all handlers of the machine: one line at a time
	text slog.Handler  // writes to buf
}

func newLogHandler(m *Machine) *logHandler {
	buf := &bytes.Buffer{}
	return &logHandler{m, buf, slog.NewTextHandler(buf, &slog.HandlerOptions{Level: m.w.level})}
}

// Enabled implements slog.Handler. A dying task logs nothing.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.m.w.level.Level() && !h.m.w.deaf()
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.m.w.deaf() {
		return nil
	}
	h.buf.Reset()
	line := slog.Record{Level: r.Level, Message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		line.AddAttrs(a)
		return true
	})
	err := h.text.Handle(ctx, line)
	h.m.w.foldText(KindLog, h.m, string(bytes.TrimSuffix(h.buf.Bytes(), []byte("\n"))))
	return err
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.m, h.buf, h.text.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.m, h.buf, h.text.WithGroup(name)}
}
