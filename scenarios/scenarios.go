// Package scenarios holds the stories in which the node is simulated: the five
// leaks that it must not have, whom a node dials and whom it lets go, and a
// mesh of four under faults.
//
// Every node in them is made by node.New, and every client by client.New, with
// the runtime and the transport replaced and nothing else.
package scenarios

import "github.com/maculamesh/macula/sim/scenario"

// All returns the scenarios in the order in which they are listed.
func All() []*scenario.Scenario {
	return []*scenario.Scenario{poolBound(), poolOrder(), clientLimit(), serviceTTL(), streamCleanup(), callerDeath(), mesh4()}
}
