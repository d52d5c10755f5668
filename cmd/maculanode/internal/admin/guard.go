package admin

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/door"
)

// The paths that never need a token: whoever restarts or routes around a node
// asks for them, and they tell no more than that.
const (
	pathHealth = "/healthz"
	pathReady  = "/readyz"
)

// writeTime is how long a client may take for an answer.
const writeTime = 30 * time.Second

// guard is what every request passes first.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header())
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
		token := s.cfg.Token()
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "nothing here can be changed: use GET")
		case r.ContentLength != 0:
			refuse(w, http.StatusBadRequest, "send no body with GET")
		case r.URL.Path == pathHealth || r.URL.Path == pathReady:
			next.ServeHTTP(w, r)
		case door.Foreign(r):
			refuse(w, http.StatusForbidden, "a page of another site asked for this")
		case token == "" && !s.local:
			refuse(w, http.StatusForbidden, "others can reach this address, so a token is needed: set admin_token_file")
		case token == "" && !door.LocalHost(r):
			refuse(w, http.StatusForbidden, "without a token only localhost, 127.0.0.1 and [::1] are answered: use one of these names, or set admin_token_file")
		case token == "" || s.known(r, token):
			next.ServeHTTP(w, r)
		case r.URL.Path == "/" && r.URL.Query().Has("token"):
			s.login(w, r, token)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="macula admin"`)
			refuse(w, http.StatusUnauthorized, "a token is needed: send \"Authorization: Bearer TOKEN\", or open /?token=TOKEN once in a browser; the token is in the file of admin_token_file")
		}
	})
}

// headers keep a page from being framed, and from loading or running anything
// that is not of this server.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// known reports whether a request shows the token, or the cookie that was
// given for it.
func (s *Server) known(r *http.Request, token string) bool {
	if door.Bearer(r, token) {
		return true
	}
	c, err := r.Cookie(s.cookie)
	return err == nil && door.Same(c.Value, pass(token))
}

// pass is what the cookie holds: it ends with the token that it was given for.
func pass(token string) string { return door.Derived(token, "macula admin page") }

// login turns the token of an address into a cookie, so that the address
// without it is what stays in the browser.
func (s *Server) login(w http.ResponseWriter, r *http.Request, token string) {
	if !door.Same(r.URL.Query().Get("token"), token) {
		refuse(w, http.StatusUnauthorized, "this is not the token of this node")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: s.cookie, Value: pass(token), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	http.Redirect(w, r, (&url.URL{Path: "/"}).String(), http.StatusSeeOther)
}

// refuse answers with one line.
func refuse(w http.ResponseWriter, code int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	w.Write([]byte(strings.TrimSpace(line) + "\n"))
}
