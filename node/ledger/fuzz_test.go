package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ledger"
)

// FuzzValidate demands that under every configuration which is taken no sum
// overflows: what all leases can cost is not negative, and no less than what
// one of the limits says.
func FuzzValidate(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 1 << 30, 1<<30 + 1, 1 << 32, 1 << 50, 1<<50 + 1, 1<<63 - 1, -1 << 63} {
		f.Add(n, n, uint8(0), uint8(0))
		f.Add(n, int64(0), uint8(1), uint8(3))
		f.Add(int64(0), n, uint8(2), uint8(4))
	}
	f.Fuzz(func(t *testing.T, count, bytes int64, scope, class uint8) {
		var cfg ledger.Config
		limits := []*ledger.Limits{&cfg.Node, &cfg.Realm, &cfg.Peer}[scope%3]
		limit := []*ledger.Limit{&limits.Conn, &limits.Stream, &limits.Call, &limits.Queue, &limits.Entry}[class%5]
		*limit = ledger.Limit{Count: int(count), Bytes: bytes}
		good := count >= 0 && bytes >= 0 && count <= 1<<30 && bytes <= 1<<50
		err := cfg.Validate()
		if (err == nil) != good {
			t.Fatalf("%+v: %v", cfg, err)
		}
		if err != nil {
			if !errors.Is(err, fault.Invalid) || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300 {
				t.Fatalf("%q", err.Error())
			}
			return
		}
		if worst := cfg.WorstCase(); worst < 0 || scope%3 == 0 && worst < bytes {
			t.Fatalf("%+v: %d bytes at most", cfg, worst)
		}
	})
}
