// Package transporttest is the conformance suite of transport: every sentence
// of its contract, and everything that was measured of quic-go and that node
// code has to live with, as a case that runs over any implementation. What
// holds over all of them is what node code may rely on.
package transporttest

import (
	"testing"
	"time"

	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/transport"
)

// World is a runtime with a network, together with the power to drive it.
type World interface {
	rt.Runtime
	// Host returns a new transport on an address of its own and with an
	// identity of its own. Every host reaches every other one. Fields of cfg
	// that are zero take their defaults. It may be called before Run and from
	// within it, and does not block. The case closes every host that it made.
	Host(cfg transport.Config) Host
	// Run runs f as a task and drives the world until f and every other task
	// has ended. It is called once for each World. By then the case has closed
	// its hosts and waited for what it started, so Run may fail the test on
	// anything that is left.
	Run(f func())
}

// Host is a transport with what others need to dial it.
type Host struct {
	transport.Transport
	ID   transport.PeerID
	Addr transport.Addr
}

// Cutter is a World that may lose every packet. Cases that need it are skipped
// over a World that is none.
type Cutter interface {
	// Cut loses every packet between any two hosts that has not arrived yet,
	// and every one that is sent from now on.
	Cut()
	// Heal ends Cut.
	Heal()
}

// Delayer is a World whose packets may take a while. Cases that need it are
// skipped over a World that is none.
type Delayer interface {
	// Delay lets every packet that is sent from now on take d one way; at
	// first it is as short as the World can make it.
	Delay(d time.Duration)
}

// Run runs the suite, each case in a world of its own. Its checks fail the
// test by Errorf from within tasks and never by Fatal, since a task must not
// be ended from within in simulation.
func Run(t *testing.T, newWorld func(t *testing.T) World) {
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			for _, c := range s.cases {
				t.Run(c.name, func(t *testing.T) { run(t, newWorld(t), c) })
			}
		})
	}
}
