package admin

import (
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/maculamesh/macula/node/wire"
)

// maxProfile is the longest time over which a profile or a trace is taken.
const maxProfile = 60 * time.Second

// scrapes is how many may read the metrics at a time.
const scrapes = 4

// serveHealth says that the process lives. Whoever restarts it when this does
// not answer restarts it for nothing else.
func serveHealth(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusOK, "ok") }

// serveReady says whether others should be sent here.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if ok, why := s.node.Ready(); !ok {
		refuse(w, http.StatusServiceUnavailable, "not ready: "+oneLine(why))
		return
	}
	refuse(w, http.StatusOK, "ready")
}

// serveInvariants recounts everything, one request at a time.
func (s *Server) serveInvariants(w http.ResponseWriter, _ *http.Request) {
	if !enter(s.recount, w) {
		return
	}
	defer leave(s.recount)
	if err := s.node.Audit(); err != nil {
		s.cfg.Log.Error("a recount found what must not be", "err", err)
		refuse(w, http.StatusInternalServerError, oneLine(err.Error()))
		return
	}
	refuse(w, http.StatusOK, "ok: everything was counted again and agrees")
}

// enter takes a place of places, or says that there is none.
func enter(places chan struct{}, w http.ResponseWriter) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "too many ask for this at a time: try again in a few seconds")
		return false
	}
}

func leave(places chan struct{}) { <-places }

// oneLine makes text of elsewhere fit to be shown.
func oneLine(text string) string { return wire.Shown(text, 1024) }

func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: scrapes, ErrorHandling: promhttp.ContinueOnError})
}

// profiles are those of net/http/pprof, bounded in time. Of those that take
// time there is one at a time.
func (s *Server) profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", s.profile(pprof.Index, false))
	mux.HandleFunc("GET /debug/pprof/cmdline", s.profile(pprof.Cmdline, false))
	mux.HandleFunc("GET /debug/pprof/symbol", s.profile(pprof.Symbol, false))
	mux.HandleFunc("GET /debug/pprof/profile", s.profile(pprof.Profile, true))
	mux.HandleFunc("GET /debug/pprof/trace", s.profile(pprof.Trace, true))
}

func (s *Server) profile(h http.HandlerFunc, long bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		takes := long
		if v := r.URL.Query().Get("seconds"); v != "" {
			most := int(maxProfile / time.Second)
			if n, err := strconv.Atoi(v); err != nil || n < 1 || n > most {
				refuse(w, http.StatusBadRequest, "seconds is a number from 1 to "+strconv.Itoa(most))
				return
			}
			takes = true
		}
		if takes {
			if !enter(s.profiling, w) {
				return
			}
			defer leave(s.profiling)
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxProfile + writeTime))
		h(w, r)
	}
}
