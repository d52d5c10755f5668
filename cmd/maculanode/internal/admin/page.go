package admin

import (
	"bytes"
	"embed"
	"hash/maphash"
	"html/template"
	"net/http"
	"time"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{"short": short}).ParseFS(pageFiles, "page/*.html"))

// fragments are the parts of the page that are replaced while it is open; each
// is a template of that name.
var fragments = [...]string{"head", "facts", "limits", "tables", "charts", "rates", "holders", "calls", "peers", "clients", "services"}

// page is the status page of one moment.
type page struct {
	made  time.Time
	view  *view
	parts [len(fragments)]part
}

// part is a fragment, and what tells whether it has changed.
type part struct {
	html []byte
	sum  uint64
}

// lasting is how long a page is shown to everybody who asks, so that many who
// look cost no more than one.
const lasting = time.Second

var seed = maphash.MakeSeed()

// current returns a page that is at most a moment old.
func (s *Server) current() (*page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.page != nil && time.Since(s.page.made) < lasting {
		return s.page, nil
	}
	ready, why := s.node.Ready()
	samples, holders := s.history.read()
	p := &page{made: time.Now(), view: viewOf(s.node.Status(), ready, why, s.node.Calls(), samples, holders)}
	for i, name := range fragments {
		var b bytes.Buffer
		if err := pageTemplate.ExecuteTemplate(&b, name, p.view); err != nil {
			return nil, err
		}
		p.parts[i] = part{b.Bytes(), maphash.Bytes(seed, b.Bytes())}
	}
	s.page = p
	return p, nil
}

// serveIndex is the status page.
func (s *Server) serveIndex(w http.ResponseWriter, _ *http.Request) {
	p, err := s.current()
	var b bytes.Buffer
	if err == nil {
		err = pageTemplate.ExecuteTemplate(&b, "page.html", p.view)
	}
	if err != nil {
		s.cfg.Log.Error("the status page cannot be made", "err", err)
		refuse(w, http.StatusInternalServerError, "the page cannot be made: "+oneLine(err.Error()))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}

// asset serves a file of the page.
func asset(name, kind string) http.HandlerFunc {
	data, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic("macula bug: " + err.Error())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Write(data)
	}
}
