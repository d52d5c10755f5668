package node_test

import (
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/sim/scenario"
)

// What is withdrawn is not renewed, is told to nobody, and is in no table when
// its time to live and the time to forget it are over.
func TestAWithdrawnServiceIsNotRenewedAndLeavesEveryTable(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{OpenPeers: true})
		other := start(t, s, "other", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "n")}})
		svc := m.provide("withdrawn", echo, node.AdvertiseOptions{TTL: 30 * time.Second})
		s.Eventually(10*time.Second, "it is known", func() bool { return len(other.node.Services()) == 1 })
		m.place.Do("withdraw", svc.Withdraw)
		if n := m.entries("local services"); n != 0 {
			t.Errorf("%d services are renewed", n)
		}
		s.Sleep(5 * time.Minute)
		if here, there := len(m.node.Services()), len(other.node.Services()); here != 0 || there != 0 {
			t.Errorf("%d services are known here, %d there", here, there)
		}
		if n := m.entries("advertised"); n != 0 {
			t.Errorf("%d names are remembered", n)
		}
		m.close()
		other.close()
	})
}

// A list that is given again, with more in it, leaves one keeper for each peer:
// two would dial and hold it twice.
func TestABootstrapPeerThatIsNamedAgainHasOneKeeper(t *testing.T) {
	play(t, 5, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{OpenPeers: true, Bootstrap: []node.Peer{peerAt(s, "nobody")}})
		m.place.Do("peers", func() {
			if err := m.node.SetPeers([]node.Peer{peerAt(s, "nobody"), peerAt(s, "other")}, nil, true); err != nil {
				t.Error(err)
			}
		})
		s.Sleep(time.Minute)
		tried := map[string][]time.Duration{}
		for _, e := range m.log.find("bootstrap not reached") {
			tried[e.attrs["addr"].(string)] = append(tried[e.attrs["addr"].(string)], e.at)
		}
		for _, name := range []string{"nobody", "other"} {
			at := tried[s.Place(name).Addr().String()]
			if len(at) < 3 {
				t.Errorf("%s was tried %d times", name, len(at))
			}
			for i := 1; i < len(at); i++ { // two keepers share a dial, and hear of its end together
				if at[i] == at[i-1] {
					t.Errorf("%s was tried in vain twice at %v", name, at[i])
				}
			}
		}
		m.close()
	})
}
