package control

import (
	"runtime"
	"testing"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ledger"
	"github.com/maculamesh/macula/transport"
)

func TestTheLiveHeapIsWhatTheLastCollectionFound(t *testing.T) {
	// What tests before this one have left in pools goes with the second.
	runtime.GC()
	runtime.GC()
	before := ReadProcess()
	if before.Goroutines == 0 || before.HeapLive == 0 || before.Heap == 0 || before.Mapped < before.Heap || before.Cycles == 0 {
		t.Errorf("%+v", before)
	}
	const size = 8 << 20
	kept := make([]byte, size)
	runtime.GC()
	after := ReadProcess()
	if after.HeapLive < before.HeapLive+size/2 || after.Cycles <= before.Cycles {
		t.Errorf("with %d bytes more in use: %+v, before %+v", size, after, before)
	}
	runtime.KeepAlive(kept)
	runtime.GC()
	if gone := ReadProcess(); gone.HeapLive > after.HeapLive-size/2 {
		t.Errorf("without them: %+v, before %+v", gone, after)
	}
}

func TestAStatusSaysWhatTheLedgerHolds(t *testing.T) {
	l := ledger.New(ledger.Config{})
	peer := transport.PeerID{1}
	for _, c := range []ledger.Claim{{Class: ledger.Call, Count: 1, Bytes: 100}, {Class: ledger.Stream, Count: 2, Bytes: 4000}} {
		if _, err := l.Acquire(l.Scope("realm", peer), "test", c); err != nil {
			t.Fatal(err)
		}
	}
	got := StatusOf(node.Status{Ledger: l.Stats()}, Limits{}).Ledger
	if got.Leases != 2 || got.Peak != 2 || got.Peers != 1 || got.Bytes != 4100 || got.Acquired != 2 || got.Refused != 0 {
		t.Errorf("%+v", got)
	}
	if len(got.Classes) != len(ledger.Classes()) {
		t.Fatalf("%d classes", len(got.Classes))
	}
	for _, c := range got.Classes {
		want := map[string]Class{"call": {Count: 1, Bytes: 100}, "stream": {Count: 2, Bytes: 4000}}[c.Name]
		if c.Count != want.Count || c.Bytes != want.Bytes || c.Limit == 0 || c.LimitBytes == 0 {
			t.Errorf("%+v", c)
		}
	}
}
