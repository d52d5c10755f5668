package node_test

import (
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/sim/scenario"
)

// entries is how much a table of the node holds.
func (m *member) entries(table string) int {
	for _, b := range m.node.Tables() {
		if b.Name == table {
			return b.Entries
		}
	}
	m.t.Errorf("there is no table %q", table)
	return 0
}

// What could not be reached is forgotten by the cleanup, which counts it.
func TestTheCleanupForgetsWhoCouldNotBeReached(t *testing.T) {
	play(t, 2, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{OpenPeers: true, CleanupBatch: 1})
		m.place.Do("peers", func() {
			m.node.SetPeers([]node.Peer{peerAt(s, "nobody"), peerAt(s, "other")}, nil, true)
		})
		s.Eventually(time.Minute, "both were tried in vain", func() bool { return m.entries("backoff") == 2 })
		m.place.Do("peers", func() { m.node.SetPeers(nil, nil, true) })
		s.Sleep(10 * time.Minute)
		if n, c := m.entries("backoff"), m.node.Status().Cleanup; n != 0 || c.Expired.Backoffs != 2 || c.Removed != 2 {
			t.Errorf("%d are left, the cleanup says %+v", n, c)
		}
		if err := m.node.Audit(); err != nil {
			t.Error(err)
		}
		m.close()
	})
}
