package node_test

import (
	"context"
	"log/slog"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/sim/scenario"
)

// leases is the ledger's own count of leases, which a test may falsify.
func leases(n *node.Node) *int {
	books := reflect.ValueOf(n).Elem().FieldByName("ledger").Elem().FieldByName("node").Elem().FieldByName("leases")
	return (*int)(unsafe.Pointer(books.UnsafeAddr()))
}

func TestAViolationIsCountedAndLoggedWhenItStays(t *testing.T) {
	play(t, 1, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{})
		inspect := func() (err error) {
			m.place.Do("inspect", func() { err = m.node.Inspect(context.Background()) })
			return err
		}
		*leases(m.node)++
		mend := s.Go("mend", func() { s.Sleep(time.Second); *leases(m.node)-- })
		if err := inspect(); err != nil { // it looked wrong for a moment only
			t.Errorf("%v", err)
		}
		mend.Wait()
		*leases(m.node)++
		if err := inspect(); err == nil {
			t.Error("nothing is wrong with a false count")
		}
		if a := m.node.Status().Audits; a.Checks != 2 || a.Violations != 1 || a.Drift != 1 {
			t.Errorf("%+v", a)
		}
		if found := m.log.find("macula bug: an invariant is violated"); len(found) != 1 || found[0].level != slog.LevelError {
			t.Errorf("the log: %v", found)
		}
		*leases(m.node)--
		if err := inspect(); err != nil || m.node.Status().Audits.Drift != 0 {
			t.Errorf("afterwards: %v, %+v", err, m.node.Status().Audits)
		}
		m.close()
	})
}
