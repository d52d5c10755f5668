// Package scenarios holds the plans in which the node is simulated, and the
// systems that they are written for: the five leaks that it must not have,
// whom a node dials and whom it lets go, and meshes under faults.
//
// Every node in them is made by node.New, and every client by client.New, with
// the runtime and the transport replaced and nothing else.
package scenarios

import (
	"embed"
	"fmt"
	"maps"
	"slices"

	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

//go:embed plans/*.plan
var plans embed.FS

// names are the plans in the order in which they are listed.
var names = []string{"pool-bound", "pool-order", "client-limit", "service-ttl", "stream-cleanup", "caller-death", "mesh-4", "swarm", "swarm-10"}

// Systems returns what plans can be written for.
func Systems() []*scenario.System {
	return []*scenario.System{
		meshSystem(), poolSystem(), starSystem(), gatewaySystem(), ttlSystem(), leavingSystem(), deathSystem(),
	}
}

// live are the parameters with which a scenario is played in real time: as many
// sockets and handshakes as one machine has in a minute.
var live = map[string]map[string]string{
	"pool-bound":   {"cap": "20", "peers": "30"},
	"client-limit": {"limit": "20", "clients": "30", "full-limit": "0"},
}

// All returns the scenarios in the order in which they are listed.
func All() []*scenario.Scenario {
	systems := Systems()
	var out []*scenario.Scenario
	for _, name := range names {
		file := "plans/" + name + ".plan"
		text, err := plans.ReadFile(file)
		if err != nil {
			panic(err)
		}
		p, err := plan.Parse(name+".plan (embedded)", text)
		if err != nil {
			panic(err)
		}
		s, err := scenario.FromPlan(p, systems...)
		if err != nil {
			panic(err)
		}
		if s.Name != name {
			panic(fmt.Sprintf("%s is the plan %s", file, s.Name))
		}
		s.Live = live[name]
		out = append(out, s)
	}
	return out
}

// act is a request of a system whose nodes play a part of their own: it is for
// "then", and cannot be drawn.
func act(name, doc string) plan.Verb { return plan.Verb{Name: name, Doc: doc, Undrawn: true} }

// acts are the parts of such a system.
func acts(parts map[string]func()) *scenario.Subject {
	sub := &scenario.Subject{Requests: map[string]func(*scenario.Request){}}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		sub.Requests[name] = func(*scenario.Request) { parts[name]() }
	}
	return sub
}
