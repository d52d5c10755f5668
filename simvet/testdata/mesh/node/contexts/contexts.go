package contexts

import (
	"context"
	"time"
)

func derive(ctx context.Context) {
	_, c1 := context.WithCancel(ctx)                          // want `use rt.Runtime.WithCancelCause \[context\]`
	_, c2 := context.WithCancelCause(ctx)                     // want `use rt.Runtime.WithCancelCause \[context\]`
	_, c3 := context.WithTimeout(ctx, 1)                      // want `use rt.Runtime.WithTimeout \[context\]`
	_, c4 := context.WithDeadline(ctx, time.Time{})           // want `use rt.Runtime.WithTimeout \[context\]`
	_ = context.AfterFunc(ctx, func() {})                     // want `use rt.Runtime.AfterDone \[context\]`
	_, c5 := context.WithTimeoutCause(ctx, 1, nil)            // want `use rt.Runtime.WithTimeout \[context\]`
	_, c6 := context.WithDeadlineCause(ctx, time.Time{}, nil) // want `use rt.Runtime.WithTimeout \[context\]`
	_, _ = c5, c6
	_, _, _, _ = c1, c2, c3, c4
}

func fine(ctx context.Context) error {
	ctx = context.WithValue(ctx, "k", 1)
	_ = context.Background()
	return context.Cause(ctx)
}
