package node_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maculamesh/macula/node"
)

// It is the race detector that this is for, and that nothing is left counted
// as in flight.
func TestOverQUICTheBooksCanBeReadWhileCallsRun(t *testing.T) {
	nodes := mesh(t, node.Config{})
	var busy atomic.Int32
	var callers, readers sync.WaitGroup
	for i, m := range nodes {
		busy.Add(1)
		callers.Go(func() {
			defer busy.Add(-1)
			for k := range 60 {
				m.ask(fmt.Sprintf("own.%d", (i+k)%4), make([]byte, 1+k%3*20_000), 10*time.Second, true)
			}
		})
		readers.Go(func() {
			for busy.Load() > 0 {
				for _, table := range m.Tables() {
					if table.Entries > table.Peak {
						t.Errorf("%+v", table)
					}
				}
				m.Calls()
				m.Oldest()
				m.Status()
				time.Sleep(time.Millisecond)
			}
		})
	}
	callers.Wait()
	readers.Wait()
	for _, m := range nodes {
		eventually(t, "no call is in flight", func() bool {
			return tableOf(m.Node, "calls in").Entries+tableOf(m.Node, "calls out").Entries+tableOf(m.Node, "local calls").Entries == 0 && len(m.Calls()) == 0
		})
	}
}
