package daemon

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/metrics"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
)

// host is the node as the control socket sees it. It owns the services that
// were advertised from outside of the node.
type host struct {
	n    *node.Node
	r    rt.Runtime
	cfg  hostConfig
	live *live

	mu      sync.Mutex
	adverts map[string]*advert // bound: the node's limit of local services
	closed  bool

	begun       time.Time
	registry    *prometheus.Registry
	mostAdverts int                 // at a time; under mu, as the next
	tables      []func() node.Table // of the process; bound: the calls of show
}

type hostConfig struct {
	version  string
	services int // the limit of those of this process
	backend  backend.Limits
}

var _ control.Node = (*host)(nil)

func newHost(n *node.Node, r rt.Runtime, cfg hostConfig) *host {
	h := &host{n: n, r: r, cfg: cfg, adverts: map[string]*advert{}, begun: time.Now()}
	h.registry = metrics.New(h)
	return h
}

// Status implements control.Node.
func (h *host) Status() control.Status {
	s := control.StatusOf(h.n.Status(), control.Limits{Handlers: h.n.Acting().Handlers, Services: h.cfg.services, Conns: h.n.MaxConns()})
	s.PID, s.Version, s.Process = os.Getpid(), h.cfg.version, control.ReadProcess()
	s.PeerList, s.ClientList = control.ConnsOf(h.n.Peers()), control.ConnsOf(h.n.Clients())
	s.ServiceList = control.ServicesOf(h.n.Services())
	s.NotReady = h.n.NotReady()
	s.Ready = s.NotReady == ""
	sight, p := h.sight(), h.n.Pressure()
	s.Tables, s.Oldest = control.TablesOf(sight.Tables), control.OldestOf(sight.Oldest)
	s.Pressure, s.Acting = control.PressureOf(p, h.since(p)), control.ActingOf(h.n.Acting())
	if h.live != nil {
		s.Admin, s.API = h.live.d.admin.where(), h.live.d.api.where()
	}
	return s
}

// Call implements control.Node.
func (h *host) Call(ctx context.Context, req *control.Request) ([]byte, error) {
	if len(req.Body) > control.MaxBody {
		return nil, fault.New("call", fault.TooLarge, "the body has %d bytes, the limit is %d", len(req.Body), control.MaxBody)
	}
	if req.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = h.r.WithTimeout(ctx, req.Timeout)
		defer cancel()
	}
	return h.n.Call(ctx, req.Name, req.Body, node.CallOptions{Idempotent: req.Idempotent})
}

// Advertise implements control.Node.
func (h *host) Advertise(req *control.Request) (control.Advert, error) {
	if req.HTTP == "" {
		return h.add(req.Name, backend.Echo, nil, req.TTL)
	}
	b, err := backend.NewHTTP(req.HTTP, h.cfg.backend)
	if err != nil {
		return nil, err
	}
	return h.add(req.Name, b.Handle, b.Close, req.TTL)
}

// Replace implements api.Node, for what Advertise has returned.
func (h *host) Replace(ad control.Advert, url string) error {
	b, err := backend.NewHTTP(url, h.cfg.backend)
	if err != nil {
		return err
	}
	if a := ad.(*advert); !a.swap(b.Handle, b.Close) {
		return fault.New("", fault.NotFound, "%s has ended", a.name)
	}
	return nil
}

// add advertises a service; free is called when it has ended, and may be nil.
func (h *host) add(name string, handler node.Handler, free func(), ttl time.Duration) (*advert, error) {
	a := &advert{h: h, name: name, answer: handler, free: free, done: make(chan struct{})}
	h.mu.Lock()
	taken, closed := h.adverts[name] != nil, h.closed
	if !taken && !closed {
		h.adverts[name] = a // keeps the name while the node is asked
		h.mostAdverts = max(h.mostAdverts, len(h.adverts))
	}
	h.mu.Unlock()
	switch {
	case closed:
		return nil, fault.New("", fault.Draining, "the node is shutting down")
	case taken:
		return nil, fault.New("", fault.Invalid, "this node provides %s already: end that command, or run \"maculanode withdraw %s\"", name, name)
	}
	svc, err := h.n.Advertise(name, a.serve, node.AdvertiseOptions{TTL: ttl})
	if err != nil {
		a.end(err)
		return nil, err
	}
	a.started(svc)
	return a, nil
}

// provides reports whether the process provides name.
func (h *host) provides(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.adverts[name] != nil
}

// Withdraw implements control.Node.
func (h *host) Withdraw(name string) error {
	h.mu.Lock()
	a := h.adverts[name]
	h.mu.Unlock()
	if a == nil {
		return fault.New("", fault.NotFound, "this node does not provide %s: \"maculanode status\" lists what it knows", name)
	}
	a.end(fault.New("", fault.Cancelled, "the service was withdrawn by another command"))
	return nil
}

// close withdraws every service, and takes no others.
func (h *host) close() {
	if h.live != nil {
		h.live.close()
	}
	h.mu.Lock()
	h.closed = true
	all := make([]*advert, 0, len(h.adverts))
	for _, a := range h.adverts {
		all = append(all, a)
	}
	h.mu.Unlock()
	for _, a := range all {
		a.end(fault.New("", fault.Draining, "the node is shutting down"))
	}
}

// advert is one service that was advertised from outside.
type advert struct {
	h    *host
	name string
	done chan struct{}

	answer node.Handler // h.mu guards it and what follows
	free   func()
	svc    *node.Service
	ended  bool
	err    error
}

// serve is the handler of the service: the one that it has at the moment.
func (a *advert) serve(ctx context.Context, req *node.Request) ([]byte, error) {
	a.h.mu.Lock()
	answer := a.answer
	a.h.mu.Unlock()
	return answer(ctx, req)
}

// swap gives the service another handler. Calls in progress stay with theirs.
// It reports false, and frees the new one, when the service has ended.
func (a *advert) swap(answer node.Handler, free func()) bool {
	a.h.mu.Lock()
	other, ended := free, a.ended
	if !ended {
		other = a.free
		a.answer, a.free = answer, free
	}
	a.h.mu.Unlock()
	if other != nil {
		other()
	}
	return !ended
}

// over reports whether the advert has ended.
func (a *advert) over() bool {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	return a.ended
}

// started notes the service. When the advert was ended in the meantime, it is
// withdrawn at once.
func (a *advert) started(svc *node.Service) {
	a.h.mu.Lock()
	over := a.ended
	a.svc = svc
	a.h.mu.Unlock()
	if over {
		svc.Withdraw()
	}
}

// end ends the advert once.
func (a *advert) end(why error) {
	a.h.mu.Lock()
	again, svc, free := a.ended, a.svc, a.free
	a.ended, a.err = true, why
	if !again && a.h.adverts[a.name] == a {
		delete(a.h.adverts, a.name)
	}
	a.h.mu.Unlock()
	if again {
		return
	}
	if svc != nil {
		svc.Withdraw()
	}
	if free != nil {
		free()
	}
	close(a.done)
}

// Done implements control.Advert.
func (a *advert) Done() <-chan struct{} { return a.done }

// Err implements control.Advert.
func (a *advert) Err() error {
	a.h.mu.Lock()
	defer a.h.mu.Unlock()
	return a.err
}

// Withdraw implements control.Advert.
func (a *advert) Withdraw() { a.end(nil) }
