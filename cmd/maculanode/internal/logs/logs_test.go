package logs

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func TestALineAboutSomebodyIsNotRepeatedWithinThePeriod(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(100, 0)}
	log := New(&out, Config{Now: c.read})
	for range 5 {
		log.Warn("not reached", "peer", "a")
		log.Warn("not reached", "peer", "b")
		log.Warn("about nobody")
		log.Debug("never")
	}
	for what, want := range map[string]int{"peer=a": 1, "peer=b": 1, "about nobody": 5, "never": 0} {
		if got := strings.Count(out.String(), what); got != want {
			t.Errorf("%s: %d lines, want %d", what, got, want)
		}
	}
	out.Reset()
	c.now = c.now.Add(time.Minute)
	log.With("x", 1).Warn("not reached", "peer", "a")
	if !strings.Contains(out.String(), "peer=a left_out=4") {
		t.Errorf("the line after the gap must say how many were left out: %s", &out)
	}
}

func TestManyIdsAreNoWayAroundTheLimit(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(100, 0)}
	log := New(&out, Config{Now: c.read, PerMessage: 50, Keys: 8, JSON: true})
	for i := range 1000 {
		log.Info("client attached", "client", fmt.Sprint(i))
	}
	if got := strings.Count(out.String(), "\n"); got != 50 {
		t.Errorf("%d lines, want 50", got)
	}
	h := log.Handler().(*limited)
	if len(h.lim.keys) != 8 || len(h.lim.past) != 8 {
		t.Errorf("%d keys are remembered, the limit is 8", len(h.lim.keys))
	}
}

func TestAtDebugNothingIsLeftOut(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, Config{Level: -4})
	for range 20 {
		log.Warn("not reached", "peer", "a")
	}
	if got := strings.Count(out.String(), "\n"); got != 20 {
		t.Errorf("%d lines, want 20", got)
	}
}

func TestTheLevelCanBeChangedAndTheLimitStays(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(100, 0)}
	log := New(&out, Config{Now: c.read})
	lines := func(n int) (got int) {
		out.Reset()
		for range n {
			log.Info("left", "peer", "a")
			log.Debug("detail", "peer", "a")
		}
		return strings.Count(out.String(), "\n")
	}
	if got := lines(20); got != 10 {
		t.Errorf("%d lines at INFO, want 10 of 20", got)
	}
	log.SetLevel(slog.LevelDebug)
	if got := lines(20); got != 40 {
		t.Errorf("%d lines at DEBUG, want all 40", got)
	}
	log.SetLevel(slog.LevelInfo)
	if got := lines(20); got != 0 {
		t.Errorf("%d lines at INFO again, want none in the same minute", got)
	}
	if got := log.Dropped(); got != 30 {
		t.Errorf("%d lines were left out, want 30", got)
	}
}

func TestWhomALineIsAboutMayBeSaidByWith(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(100, 0)}
	log := New(&out, Config{Now: c.read}).With("peer", "a")
	for range 5 {
		log.WithGroup("g").Warn("not reached")
	}
	if got := strings.Count(out.String(), "\n"); got != 1 {
		t.Errorf("%d lines, want 1", got)
	}
}

func TestLinesAboutNobodyHaveALimitToo(t *testing.T) {
	var out bytes.Buffer
	c := &clock{time.Unix(100, 0)}
	log := New(&out, Config{Now: c.read, PerMessage: 7})
	for range 50 {
		log.Info("cleanup", "removed", 1)
	}
	if got := strings.Count(out.String(), "\n"); got != 7 {
		t.Errorf("%d lines, want 7", got)
	}
}
