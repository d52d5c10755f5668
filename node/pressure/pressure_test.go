package pressure_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/node/pressure"
)

// asks is the level that a sample asks for, by the thresholds as they stand
// and, for levels up to hold, by those below which a level is left.
func asks(c pressure.Config, s pressure.Sample, hold pressure.Level) pressure.Level {
	most := pressure.Normal
	for _, l := range []struct {
		level pressure.Level
		share float64
		wait  time.Duration
	}{{pressure.Elevated, c.Elevated, c.ElevatedLatency}, {pressure.High, c.High, c.HighLatency}, {pressure.Critical, c.Critical, c.CriticalLatency}} {
		if l.level <= hold {
			l.share, l.wait = l.share-c.Margin, l.wait/2
		}
		if s.Limit > 0 && float64(s.Used) >= l.share*float64(s.Limit) || s.Latency >= l.wait {
			most = l.level
		}
	}
	return most
}

type taken struct {
	at mono.Time
	s  pressure.Sample
}

// Over all histories: a level is gone up to only when every sample of the last
// while has asked for it, and left, by one, only when none has held it for as
// long as that takes. What lasts is followed.
func TestTheLevelFollowsWhatLastsAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := pressure.Config{Rise: time.Duration(rapid.IntRange(1, 4).Draw(t, "rise")) * time.Second, Fall: time.Duration(rapid.IntRange(1, 20).Draw(t, "fall")) * time.Second}.WithDefaults()
		now := mono.Time(rapid.Int64Range(1, 1e12).Draw(t, "start"))
		g := pressure.New(c, now)
		var log []taken
		within := func(d time.Duration, ok func(pressure.Sample) bool) bool {
			for i := len(log) - 1; i >= 0; i-- {
				if !ok(log[i].s) {
					return false
				}
				if log[i].at.Add(d) <= now {
					return true
				}
			}
			return false // it is not known for so long
		}
		level, changes := pressure.Normal, uint64(0)
		take := func(s pressure.Sample) {
			log = append(log, taken{now, s})
			next := g.Take(now, s)
			switch {
			case next > level && !within(c.Rise, func(s pressure.Sample) bool { return asks(c, s, 0) >= next }):
				t.Fatalf("from %v to %v, which was not asked for all the time", level, next)
			case next < level-1 && level > 0:
				t.Fatalf("from %v to %v at once", level, next)
			case next < level && !within(c.Fall, func(s pressure.Sample) bool { return asks(c, s, level) < level }):
				t.Fatalf("from %v to %v, and it was held", level, next)
			}
			if next != level {
				changes++
			}
			level = next
			if st := g.State(); st.Level != level || st.Changes != changes || st.Last != s || st.Since > now {
				t.Fatalf("the state is %+v after %d changes to %v", st, changes, level)
			}
		}
		draw := func() pressure.Sample {
			return pressure.Sample{
				Used:    rapid.SampledFrom([]int64{-5, 0, 61, 63, 69, 70, 73, 79, 80, 83, 89, 90, 100, 1 << 60}).Draw(t, "used"),
				Limit:   rapid.SampledFrom([]int64{100, 100, 100, 0}).Draw(t, "limit"),
				Latency: rapid.SampledFrom([]time.Duration{0, 0, 60 * time.Millisecond, 100 * time.Millisecond, time.Second, time.Hour}).Draw(t, "latency"),
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "phases") {
			s := draw()
			for range rapid.SampledFrom([]int{1, 1, 2, 5, 30}).Draw(t, "samples") {
				now = now.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, "tenths")) * 100 * time.Millisecond)
				take(s)
			}
		}
		last := draw()
		for range 200 {
			now = now.Add(time.Second)
			take(last)
		}
		if low, high := asks(c, last, 0), asks(c, last, pressure.Critical); level < low || level > high {
			t.Fatalf("after minutes of the same the level is %v, and %v to %v would be right", level, low, high)
		}
		for range 200 {
			now = now.Add(time.Second)
			take(pressure.Sample{Limit: 100})
		}
		if level != pressure.Normal {
			t.Fatalf("after minutes without any load the level is %v", level)
		}
	})
}

// A figure that swings around a threshold, as it does when the node gives
// memory back and takes it again, changes the level once.
func TestAFigureThatSwingsAroundAThresholdChangesTheLevelOnce(t *testing.T) {
	now := mono.Time(1)
	g := pressure.New(pressure.Config{}, now)
	for i := range 600 {
		now = now.Add(time.Second)
		used := int64(82)
		if i/5%2 == 1 {
			used = 76
		}
		g.Take(now, pressure.Sample{Used: used, Limit: 100})
	}
	if st := g.State(); st.Level != pressure.High || st.Changes != 1 || st.Cause != "memory" {
		t.Errorf("after ten minutes: %+v", st)
	}
}

func TestAConfigurationThatCannotBeIsNamed(t *testing.T) {
	if err := (pressure.Config{}).Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []pressure.Config{
		{Interval: -1}, {Rise: -1}, {Fall: -time.Second}, {Elevated: 0.85}, {High: 0.95}, {Critical: 1.1}, {Elevated: -1},
		{Margin: 0.7}, {Margin: -0.1}, {HighLatency: time.Millisecond}, {CriticalLatency: -1},
	} {
		if c.Check() == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
