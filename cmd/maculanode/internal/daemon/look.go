package daemon

import (
	"context"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/ident"
)

// Calls implements control.Node.
func (h *host) Calls() []control.Call {
	out := []control.Call{}
	for _, c := range h.n.Calls() {
		out = append(out, control.Call{
			Service: c.Service, With: ident.String(c.With), Caller: ident.String(c.Caller), Out: c.Out,
			Age: c.Age.Round(time.Microsecond).Seconds(), Deadline: c.Left.Round(time.Microsecond).Seconds(), Bytes: c.Bytes,
		})
	}
	return out
}

// Lookup implements control.Node.
func (h *host) Lookup(ctx context.Context, name string) ([]control.Service, error) {
	list, err := h.n.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	return control.ServicesOf(list), nil
}
