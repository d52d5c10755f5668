package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/node/pressure"
)

// adaptRows are when limits follow the load.
func adaptRows() []setting {
	const low, high = 100 * time.Microsecond, time.Minute
	return in("Load adaptation",
		span("adapt_interval", 100*time.Millisecond, time.Hour, adapt(func(p *pressure.Config) *time.Duration { return &p.Interval }),
			"How often memory and scheduling are looked at."),
		share("adapt_elevated", adapt(func(p *pressure.Config) *float64 { return &p.Elevated }),
			"The share of the memory limit (GOMEMLIMIT, or that of the container) from which on the node is careful."),
		share("adapt_high", adapt(func(p *pressure.Config) *float64 { return &p.High }),
			"The share from which on it sheds what is idle."),
		share("adapt_critical", adapt(func(p *pressure.Config) *float64 { return &p.Critical }),
			"The share from which on it takes nobody new, and is not ready."),
		share("adapt_margin", adapt(func(p *pressure.Config) *float64 { return &p.Margin }),
			"How far below its share a level is left again."),
		span("adapt_elevated_latency", low, high, adapt(func(p *pressure.Config) *time.Duration { return &p.ElevatedLatency }),
			"How long tasks wait for a processor when the node becomes careful."),
		span("adapt_high_latency", low, high, adapt(func(p *pressure.Config) *time.Duration { return &p.HighLatency }),
			"The same for shedding what is idle."),
		span("adapt_critical_latency", low, high, adapt(func(p *pressure.Config) *time.Duration { return &p.CriticalLatency }),
			"The same for taking nobody new."),
		span("adapt_rise", soon, time.Hour, adapt(func(p *pressure.Config) *time.Duration { return &p.Rise }),
			"How long a figure has to ask for a level before it is reached."),
		span("adapt_fall", soon, time.Hour, adapt(func(p *pressure.Config) *time.Duration { return &p.Fall }),
			"How long none may ask for it before it is left."),
	)
}

func adapt[T any](at func(*pressure.Config) *T) func(*Config) *T {
	return func(c *Config) *T { return at(&c.Node.Adapt) }
}

// share is a part of a whole, in percent.
func share(key string, at func(*Config) *float64, help string) setting {
	return setting{
		key: key, help: help, holds: "N%", takes: "a share, 1% to 100%",
		set: func(c *Config, t []string) error {
			n, err := strconv.Atoi(strings.TrimSuffix(t[0], "%"))
			if err != nil {
				return fmt.Errorf("%.100q is not a share in percent, for example 80%%", t[0])
			}
			if n < 1 || n > 100 {
				return fmt.Errorf("%d%% is out of range: 1%% to 100%%", n)
			}
			*at(c) = float64(n) / 100
			return nil
		},
		get: func(c *Config) []string { return []string{fmt.Sprintf("%d%%", int(math.Round(*at(c)*100)))} },
		at:  func(c *Config) any { return at(c) },
	}
}
