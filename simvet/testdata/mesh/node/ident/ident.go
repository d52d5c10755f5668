// Package ident is one of those that -wall lets read the calendar.
package ident

import (
	"time"

	"example.test/mesh/rt"
)

func valid(c rt.Clock, until time.Time) bool { return c.Wall().Before(until) }
