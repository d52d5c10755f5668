package config

import (
	"cmp"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/admin"
	"github.com/maculamesh/macula/cmd/maculanode/internal/api"
	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/logs"
)

// Local are the limits of what programs of this machine, and not of the mesh,
// can make the process hold, and of its log. The defaults, with their reasons,
// are those of the parts.
type Local struct {
	AdminConns, AdminStreams     int
	APIConns, APIRequests        int
	ControlConns, ControlHolding int // connections, and of those the ones that hold a service
	Backend                      backend.Limits

	LogEvery                          time.Duration // the period of the next three
	LogWarns, LogInfos, LogPerMessage int
}

func (l Local) withDefaults() Local {
	a, p, c, g := admin.Config{}.WithDefaults(), api.Config{}.WithDefaults(), control.Config{}.WithDefaults(), logs.Config{}.WithDefaults()
	l.AdminConns, l.AdminStreams = cmp.Or(l.AdminConns, a.Conns), cmp.Or(l.AdminStreams, a.Streams)
	l.APIConns, l.APIRequests = cmp.Or(l.APIConns, p.Conns), cmp.Or(l.APIRequests, p.Requests)
	l.ControlConns, l.ControlHolding = cmp.Or(l.ControlConns, c.Conns), cmp.Or(l.ControlHolding, c.Attached)
	l.Backend = l.Backend.WithDefaults()
	l.LogEvery, l.LogPerMessage = cmp.Or(l.LogEvery, g.Every), cmp.Or(l.LogPerMessage, g.PerMessage)
	l.LogWarns, l.LogInfos = cmp.Or(l.LogWarns, g.Warns), cmp.Or(l.LogInfos, g.Infos)
	return l
}

// Logs is how the log of the node looks.
func (c *Config) Logs() logs.Config {
	l := &c.Local
	return logs.Config{
		Level: c.LogLevel, JSON: c.LogFormat == "json",
		Every: l.LogEvery, Warns: l.LogWarns, Infos: l.LogInfos, PerMessage: l.LogPerMessage,
	}
}

func machineRows() []setting {
	return in("Programs of this machine, and the log",
		count("admin_connections", 2, 10_000, func(c *Config) *int { return &c.Local.AdminConns },
			"Connections to the admin pages at a time; one more ends the one that is idle for the longest, or is answered with 503."),
		count("admin_streams", 1, 10_000, func(c *Config) *int { return &c.Local.AdminStreams },
			"Of those, status pages that follow the node; one more has to be loaded again by hand."),
		count("api_connections", 1, 100_000, func(c *Config) *int { return &c.Local.APIConns },
			"Connections to the HTTP API at a time; one more ends the one that is idle for the longest, or is answered with 503."),
		count("api_requests", 1, 100_000, func(c *Config) *int { return &c.Local.APIRequests },
			"Requests of the HTTP API that the node works on at a time, each with up to two bodies; one more is answered with 429."),
		count("control_connections", 2, 10_000, func(c *Config) *int { return &c.Local.ControlConns },
			"Commands that may be connected to the control socket at a time; one more is refused."),
		count("control_services", 1, 10_000, func(c *Config) *int { return &c.Local.ControlHolding },
			"Of those, advertise commands that hold a service; one more is refused, and --detach needs no place."),
		count("backend_connections", 1, 10_000, func(c *Config) *int { return &c.Local.Backend.Conns },
			"Connections to one HTTP backend, so calls that it works on at a time; further ones wait within their deadlines."),
		bytes("backend_max_body", 1<<10, 1<<20, func(c *Config) *int { return &c.Local.Backend.MaxBody },
			"The largest answer of an HTTP backend; a larger one fails the call."),
		span("backend_idle", time.Second, time.Hour, func(c *Config) *time.Duration { return &c.Local.Backend.Idle },
			"After how long a connection to an HTTP backend that nobody uses is closed."),
		span("log_period", time.Second, 24*time.Hour, func(c *Config) *time.Duration { return &c.Local.LogEvery },
			"The period in which the next three count; lines left out are counted in the next one that is written."),
		count("log_warnings", 1, 1_000_000, func(c *Config) *int { return &c.Local.LogWarns },
			"Lines of one message about one peer, client or service in a period, as warnings and errors."),
		count("log_infos", 1, 1_000_000, func(c *Config) *int { return &c.Local.LogInfos },
			"The same, as information."),
		count("log_lines_per_message", 1, 1_000_000, func(c *Config) *int { return &c.Local.LogPerMessage },
			"Lines of one message in a period, whoever they are about."),
	)
}
