package prints

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

func touch(ctx context.Context, p *int) {
	fmt.Print("x")        // want `fmt.Print writes to the process's output`
	fmt.Printf("x")       // want `fmt.Printf writes to the process's output`
	_, _ = fmt.Scan(p)    // want `fmt.Scan reads the process's input: read from an injected io.Reader \[io\]`
	_, _ = fmt.Scanf("x") // want `fmt.Scanf reads the process's input`
	_, _ = fmt.Scanln(p)  // want `fmt.Scanln reads the process's input`

	_ = slog.Default()                      // want `log/slog.Default uses the process's logger`
	slog.SetDefault(nil)                    // want `log/slog.SetDefault uses the process's logger`
	_ = slog.With("a", 1)                   // want `log/slog.With uses the process's logger`
	slog.Debug("x")                         // want `log/slog.Debug uses the process's logger`
	slog.DebugContext(ctx, "x")             // want `log/slog.DebugContext uses the process's logger`
	slog.InfoContext(ctx, "x")              // want `log/slog.InfoContext uses the process's logger`
	slog.Warn("x")                          // want `log/slog.Warn uses the process's logger`
	slog.WarnContext(ctx, "x")              // want `log/slog.WarnContext uses the process's logger`
	slog.Error("x")                         // want `log/slog.Error uses the process's logger`
	slog.ErrorContext(ctx, "x")             // want `log/slog.ErrorContext uses the process's logger`
	slog.Log(ctx, slog.LevelInfo, "x")      // want `log/slog.Log uses the process's logger`
	slog.LogAttrs(ctx, slog.LevelInfo, "x") // want `log/slog.LogAttrs uses the process's logger`
}

func fine(ctx context.Context, w io.Writer, r io.Reader, l *slog.Logger, p *int) {
	fmt.Fprint(w, fmt.Sprintf("x"))
	_, _ = fmt.Fscan(r, p)
	l.With("a", 1).WarnContext(ctx, "x")
	l.LogAttrs(ctx, slog.LevelInfo, "x")
}
