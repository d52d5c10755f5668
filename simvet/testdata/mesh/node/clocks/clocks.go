package clocks

import (
	"time"

	"example.test/mesh/rt"
)

type T struct {
	timer  *time.Timer  // want `use rt.Timer \[time\]`
	ticker *time.Ticker // want `use rt.Timer \[time\]`
	at     time.Time
}

func read(t0 time.Time) time.Duration {
	now := time.Now // want `time.Now reads the real clock: use rt.Clock.Now \[time\]`
	_ = now
	time.Sleep(time.Second)          // want `use rt.Sleep \[time\]`
	_ = time.Until(t0)               // want `rt.Remaining for a context \[time\]`
	_ = time.After(1)                // want `use rt.Clock.AfterFunc \[time\]`
	_ = time.Tick(1)                 // want `use rt.Clock.AfterFunc \[time\]`
	_ = time.NewTimer(1)             // want `use rt.Clock.AfterFunc \[time\]`
	_ = time.NewTicker(1)            // want `use rt.Clock.AfterFunc \[time\]`
	_ = time.AfterFunc(1, func() {}) // want `use rt.Clock.AfterFunc \[time\]`
	_ = t0.In(time.Local)            // want `use time.UTC \[time\]`
	_, _ = time.LoadLocation("x")    // want `use time.UTC \[time\]`
	return time.Since(t0)            // want `use rt.Clock.Now and Sub \[time\]`
}

func wall(r rt.Runtime, c rt.Clock) {
	_ = r.Wall() // want `Clock.Wall jumps .* decide by rt.Clock.Now \[time\]`
	_ = c.Wall() // want `Clock.Wall jumps`
}

func fine(t T, r rt.Runtime) time.Duration {
	_ = r.Now()
	_ = t.at.Add(time.Second).UTC()
	_ = time.Unix(0, 0)
	return 3 * time.Millisecond
}
