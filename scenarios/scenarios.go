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
	"strings"

	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

//go:embed plans/*.plan plans/catalogue/*.plan
var plans embed.FS

// Catalogue is the group of the scenarios that replay faults of other systems,
// one for each.
const Catalogue = "catalogue"

// names are the plans in the order in which they are listed.
var names = []string{"pool-bound", "pool-order", "pool-quota", "client-limit", "service-ttl", "stream-cleanup", "caller-death", "mesh-4", "swarm", "swarm-10", "load", "soak", "rolling", "stop-anytime", "reload", "pressure"}

// Systems returns what plans can be written for.
func Systems() []*scenario.System {
	return []*scenario.System{
		meshSystem(), poolSystem(), quotaSystem(), starSystem(), gatewaySystem(), ttlSystem(), leavingSystem(), deathSystem(), providersSystem(), creditSystem(), slowSystem(), advertsSystem(), returnsSystem(), drainsSystem(), busySystem(), idsSystem(), orphansSystem(), floodSystem(), unreachableSystem(), churnSystem(), loadSystem(), crowdingSystem(), newcomersSystem(), identitySystem(), rollingSystem(), reloadSystem(), pressureSystem(),
	}
}

// live are the parameters with which a scenario is played in real time: as many
// sockets and handshakes as one machine has in a minute.
var live = map[string]map[string]string{
	"pool-bound":   {"cap": "20", "peers": "30"},
	"load":         {"cap": "20", "peers": "30", "limit": "10", "clients": "15", "leaving": "6", "callers": "4"},
	"client-limit": {"limit": "20", "clients": "30", "full-limit": "0"},
	"soak":         {"minutes": "1", "rate": "10"},
}

// All returns the scenarios in the order in which they are listed: those of the
// node itself, and those of the catalogue by their numbers.
func All() []*scenario.Scenario {
	systems := Systems()
	var out []*scenario.Scenario
	for _, name := range names {
		s := embedded("plans", name, systems)
		s.Live = live[name]
		out = append(out, s)
	}
	files, err := plans.ReadDir("plans/" + Catalogue)
	if err != nil {
		panic(err)
	}
	for _, f := range files { // sorted
		s := embedded("plans/"+Catalogue, strings.TrimSuffix(f.Name(), ".plan"), systems)
		s.Group = Catalogue
		out = append(out, s)
	}
	return out
}

// embedded is the scenario of a plan that is part of the program.
func embedded(dir, name string, systems []*scenario.System) *scenario.Scenario {
	file := name + ".plan"
	text, err := plans.ReadFile(dir + "/" + file)
	if err != nil {
		panic(err)
	}
	p, err := plan.Parse(file+" (embedded)", text)
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
	return s
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
