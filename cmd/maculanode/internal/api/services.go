package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
)

// registration is the body of a PUT.
type registration struct {
	URL string `json:"url"`
	TTL string `json:"ttl,omitempty"`

	ttl time.Duration
}

// maxRegistration bounds that body in bytes.
const maxRegistration = 16 << 10

// advert is a service that was registered here.
type advert struct {
	control.Advert
	url string
	ttl time.Duration
}

// over reports whether the service has ended.
func (a *advert) over() bool {
	select {
	case <-a.Done():
		return true
	default:
		return false
	}
}

// register provides a service with an HTTP backend. Doing it again with the
// same body changes nothing; with another one it replaces the backend.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	data, err := s.body(w, r, maxRegistration)
	if err != nil {
		refuse(w, err)
		return
	}
	reg, err := parseRegistration(data)
	if err != nil {
		refuse(w, err)
		return
	}
	name := r.PathValue("name")
	made, err := s.advertise(name, reg)
	if err != nil {
		refuse(w, err)
		return
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	answer(w, status, struct {
		Name string `json:"name"`
		URL  string `json:"url"`
		TTL  string `json:"ttl,omitempty"`
	}{name, reg.URL, reg.TTL})
}

// advertise reports whether there was no such service before.
func (s *Server) advertise(name string, reg registration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, a := range s.adverts {
		if a.over() {
			delete(s.adverts, n)
		}
	}
	old := s.adverts[name]
	if old != nil && old.url == reg.URL && old.ttl == reg.ttl {
		return false, nil
	}
	if old != nil && old.ttl == reg.ttl && s.node.Replace(old.Advert, reg.URL) == nil {
		old.url = reg.URL // it was there all the time
		return false, nil
	}
	if old != nil {
		old.Withdraw()
		delete(s.adverts, name)
	}
	ad, err := s.node.Advertise(&control.Request{Name: name, HTTP: reg.URL, TTL: reg.ttl, Detach: true})
	if err != nil {
		return false, err
	}
	s.adverts[name] = &advert{ad, reg.URL, reg.ttl}
	return old == nil, nil
}

// parseRegistration reads one JSON object and nothing else. Without a URL the
// service would be an echo.
func parseRegistration(data []byte) (registration, error) {
	var reg registration
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&reg); err != nil {
		return reg, fault.New("", fault.Invalid, "the body is not as in {\"url\": \"http://127.0.0.1:8080/\", \"ttl\": \"60s\"}: %.200v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return reg, fault.New("", fault.Invalid, "there is something after the JSON object")
	}
	if reg.URL == "" {
		return reg, fault.New("", fault.Invalid, "\"url\" is missing: it is the address of the HTTP server that answers the calls")
	}
	b, err := backend.NewHTTP(reg.URL, backend.Limits{})
	if err != nil {
		return reg, err
	}
	b.Close()
	if reg.TTL != "" {
		ttl, err := time.ParseDuration(reg.TTL)
		if err != nil || ttl <= 0 {
			return reg, fault.New("", fault.Invalid, "\"ttl\" is a time such as \"60s\", not %.40q", reg.TTL)
		}
		reg.ttl = ttl
	}
	return reg, nil
}

// withdraw ends a service of this node, whoever started it.
func (s *Server) withdraw(w http.ResponseWriter, r *http.Request) {
	if err := s.node.Withdraw(r.PathValue("name")); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// provider is who provides a service.
type provider struct {
	Name     string  `json:"name"`
	Provider string  `json:"provider"`
	Addr     string  `json:"addr,omitempty"`
	Local    bool    `json:"local"`
	Left     float64 `json:"left_seconds"`
}

func providers(list []control.Service) []provider {
	out := []provider{}
	for _, s := range list[:min(len(list), control.MaxListed)] {
		out = append(out, provider(s))
	}
	return out
}

// listed is the answer of both questions for services.
type listed struct {
	Total    int        `json:"total"` // also those that are too many to be listed
	Services []provider `json:"services"`
}

// services lists what the node knows.
func (s *Server) services(w http.ResponseWriter, _ *http.Request) {
	st := s.node.Status()
	answer(w, http.StatusOK, listed{max(st.Registry.Now, len(st.ServiceList)), providers(st.ServiceList)})
}

// lookup asks who provides a name, the mesh too.
func (s *Server) lookup(w http.ResponseWriter, r *http.Request) {
	list, err := s.node.Lookup(r.Context(), r.PathValue("name"))
	if err == nil && len(list) == 0 {
		err = fault.New("", fault.NotFound, "nobody provides %.255q", r.PathValue("name"))
	}
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, listed{len(list), providers(list)})
}

// status says in short how the node is.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	st := s.node.Status()
	answer(w, http.StatusOK, struct {
		ID       string  `json:"id"`
		Realm    string  `json:"realm"`
		Addr     string  `json:"addr"`
		Version  string  `json:"version"`
		Uptime   float64 `json:"uptime_seconds"`
		Ready    bool    `json:"ready"`
		NotReady string  `json:"not_ready,omitempty"`
		Peers    int     `json:"peers"`
		Clients  int     `json:"clients"`
		Services int     `json:"services"`
		Calls    int     `json:"calls_in_flight"`
	}{st.ID, st.Realm, st.Addr, st.Version, st.Uptime, st.Ready, st.NotReady, st.Pool.Now, st.Clients.Now, st.Registry.Now, st.Caller.InFlight})
}
