// Leasesim plays the lease service in simulation.
package main

import (
	_ "embed"

	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/sim/simrun"
)

//go:embed lease.plan
var leasePlan string

//go:embed quiet.plan
var quietPlan string

func main() {
	simrun.Main(simrun.Program{
		Name:    "leasesim",
		About:   "Plays a lease service in a deterministic simulation: the same seed is the same run.",
		Systems: []*scenario.System{system()},
		Plans:   []string{quietPlan, leasePlan},
	})
}
