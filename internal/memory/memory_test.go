package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/transport"
)

// The processes that are measured are this test binary.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == nodeVerb || os.Args[1] == sinkVerb) {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestTheFormulaSaysWhatANodeHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("220 connections under the race detector, which also changes what everything costs")
	}
	var f filling
	for _, f = range fillings(20) {
		if f.mixture {
			break
		}
	}
	r, err := measure(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes live, the formula says %d", r.live, r.formula)
	if off := float64(r.live)/float64(r.formula) - 1; off > tolerance || off < -tolerance {
		t.Errorf("%d bytes live, the formula says %d: %+.0f %%", r.live, r.formula, 100*off)
	}
}

// The document has the sums for the defaults.
func TestTheDocumentHasTheSumsOfTheDefaults(t *testing.T) {
	text, err := os.ReadFile("../../docs/MEMORY.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range defaultsTable() {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/MEMORY.md does not have the line\n%s", want)
		}
	}
}

// defaultsTable is the lines of the table of the defaults.
func defaultsTable() []string {
	most := node.Config{}.Most()
	idle := node.Held{Peers: most.Peers, Clients: most.Clients}
	busy := most
	busy.Bytes = 0
	honest, hostile := most.Windows(transport.Config{})
	line := func(what string, n int64) string { return fmt.Sprintf("| %s | %d MiB |", what, n>>20) }
	return []string{
		line(fmt.Sprintf("%d peers and %d clients, all idle", most.Peers, most.Clients), node.Memory(idle)),
		line(fmt.Sprintf("the same, talking, with %d newcomers, %d services and %d handlers", most.Waiting, most.Services, most.Handlers), node.Memory(busy)),
		line("all bodies that the ledger allows, besides", most.Bytes),
		line("all receive windows full and unread, besides", honest),
		line("the same in frames of one byte, besides", hostile),
	}
}
