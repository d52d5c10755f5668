package daemon

import (
	"context"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// Drain implements control.Node. The commands that advertise end when the node
// is empty, or ctx ends.
func (h *host) Drain(ctx context.Context) (control.Drained, error) {
	d := h.n.Drain(ctx)
	h.close()
	return control.Drained{Clients: d.Clients, Services: d.Services, Calls: d.Calls, Left: d.Left, Took: d.Took.Seconds()}, nil
}
