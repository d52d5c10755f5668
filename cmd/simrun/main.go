// Simrun plays the scenarios of the mesh in simulation.
package main

import (
	"github.com/maculamesh/macula/scenarios"
	"github.com/maculamesh/macula/sim/simrun"
)

func main() {
	simrun.Main(simrun.Program{
		Name:      "simrun",
		About:     "Plays a mesh of nodes in a deterministic simulation: the same seed is the same run.",
		Systems:   scenarios.Systems(),
		Scenarios: scenarios.All(),
		Live:      realWorld,
	})
}
