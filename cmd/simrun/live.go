package main

import (
	"github.com/maculamesh/macula/internal/livequic"
	"github.com/maculamesh/macula/rt/realrt"
	"github.com/maculamesh/macula/sim/live"
)

// realWorld is goroutines on the system clock, and QUIC.
func realWorld(seed uint64) live.Config {
	return live.Config{Runtime: realrt.New(realrt.Config{Seed: seed}), Transports: livequic.Transports{}}
}
