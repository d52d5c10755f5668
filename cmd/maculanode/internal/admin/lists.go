package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
)

// list is a table as JSON. Total counts what was not listed too.
type list[T any] struct {
	Total int    `json:"total"`
	Shown int    `json:"shown"`
	Sort  string `json:"sort,omitempty"`
	List  []T    `json:"list"`
}

// order is a way to sort: how, and under which name.
type order[T any] struct {
	name string
	cmp  func(a, b *T) int
}

// most sorts by a number, the highest first.
func most[T any, N cmp.Ordered](name string, of func(*T) N) order[T] {
	return order[T]{name, func(a, b *T) int { return cmp.Compare(of(b), of(a)) }}
}

// least sorts by a number or a text, the lowest first.
func least[T any, N cmp.Ordered](name string, of func(*T) N) order[T] {
	return order[T]{name, func(a, b *T) int { return cmp.Compare(of(a), of(b)) }}
}

var connOrders = []order[control.Conn]{
	least("id", func(c *control.Conn) string { return c.ID }),
	least("addr", func(c *control.Conn) string { return c.Addr }),
	most("calls", func(c *control.Conn) int { return c.CallsIn + c.CallsOut }),
	most("asked", func(c *control.Conn) uint64 { return c.Asked }),
	most("served", func(c *control.Conn) uint64 { return c.Served }),
}

var serviceOrders = []order[control.Service]{
	least("name", func(c *control.Service) string { return c.Name }),
	least("provider", func(c *control.Service) string { return c.Provider }),
	least("left", func(c *control.Service) float64 { return c.Left }),
}

var callOrders = []order[control.Call]{
	most("age", func(c *control.Call) float64 { return c.Age }),
	least("left", func(c *control.Call) float64 { return c.Deadline }),
	least("service", func(c *control.Call) string { return c.Service }),
	most("bytes", func(c *control.Call) int { return c.Bytes }),
}

var holderOrders = []order[control.Holder]{
	most("bytes", func(h *control.Holder) int64 { return h.Bytes }),
	most("leases", func(h *control.Holder) int { return h.Leases }),
	least("id", func(h *control.Holder) string { return h.ID }),
}

var settingOrders = []order[control.Setting]{
	least("key", func(c *control.Setting) string { return c.Key }),
	least("source", func(c *control.Setting) string { return c.Source }),
}

// cut sorts and shortens a table as a request asks. What is wrong with the
// request it says in one line.
func cut[T any](q url.Values, all []T, total int, orders []order[T]) (list[T], string) {
	limit, wrong := parseLimit(q.Get("limit"))
	if wrong != "" {
		return list[T]{}, wrong
	}
	by := q.Get("sort")
	i := slices.IndexFunc(orders, func(o order[T]) bool { return o.name == by })
	if by != "" && i < 0 {
		var names []string
		for _, o := range orders {
			names = append(names, o.name)
		}
		return list[T]{}, "sort is one of " + strings.Join(names, ", ")
	}
	out := slices.Clone(all)
	if i >= 0 {
		slices.SortStableFunc(out, func(a, b T) int { return orders[i].cmp(&a, &b) })
	}
	out = out[:min(limit, len(out))]
	if out == nil {
		out = []T{} // a list in JSON, also an empty one
	}
	return list[T]{Total: max(total, len(all)), Shown: len(out), Sort: by, List: out}, ""
}

// parseLimit reads how many rows are wanted; empty means all that there are.
func parseLimit(text string) (int, string) {
	if text == "" {
		return control.MaxListed, ""
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > control.MaxListed {
		return 0, "limit is a number from 1 to " + strconv.Itoa(control.MaxListed)
	}
	return n, ""
}

// reply writes v as JSON, for people too.
func reply(w http.ResponseWriter, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Write(append(data, '\n'))
}

func replyList[T any](w http.ResponseWriter, r *http.Request, all []T, total int, orders []order[T]) {
	l, wrong := cut(r.URL.Query(), all, total, orders)
	if wrong != "" {
		refuse(w, http.StatusBadRequest, wrong)
		return
	}
	reply(w, l)
}

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) { reply(w, s.node.Status()) }

func (s *Server) serveConns(w http.ResponseWriter, r *http.Request) {
	st := s.node.Status()
	replyList(w, r, st.PeerList, st.Pool.Now, connOrders)
}

func (s *Server) serveClients(w http.ResponseWriter, r *http.Request) {
	st := s.node.Status()
	replyList(w, r, st.ClientList, st.Clients.Now, connOrders)
}

func (s *Server) serveServices(w http.ResponseWriter, r *http.Request) {
	st := s.node.Status()
	replyList(w, r, st.ServiceList, st.Registry.Now, serviceOrders)
}

func (s *Server) serveCalls(w http.ResponseWriter, r *http.Request) {
	replyList(w, r, s.node.Calls(), 0, callOrders)
}

func (s *Server) serveConfig(w http.ResponseWriter, r *http.Request) {
	replyList(w, r, s.node.Settings(), 0, settingOrders)
}

// serveLedger shows the classes against their limits, and who holds the most.
func (s *Server) serveLedger(w http.ResponseWriter, r *http.Request) {
	holders, wrong := cut(r.URL.Query(), s.node.Holders(), 0, holderOrders)
	if wrong != "" {
		refuse(w, http.StatusBadRequest, wrong)
		return
	}
	reply(w, struct {
		control.Ledger
		Holders []control.Holder `json:"holders"` // those that hold the most; at most MaxHolders
	}{s.node.Status().Ledger, holders.List})
}
