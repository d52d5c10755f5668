package admin

import (
	"bytes"
	"net/http"
	"time"
)

// streamTime is how long a page may follow before it has to ask again.
const streamTime = time.Hour

// serveEvents tells a page what has changed, as server-sent events (WHATWG
// HTML, 9.2): the name of the fragment on the first line, then its HTML. It
// ends with the client, with the server, and with the token that let it in.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	if !enter(s.streams, w) {
		return
	}
	defer leave(s.streams)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	var sent [len(fragments)]uint64
	tick := time.NewTicker(s.cfg.Refresh)
	defer tick.Stop()
	for until := time.Now().Add(streamTime); time.Now().Before(until); {
		if token := s.cfg.Token(); token != "" && !s.known(r, token) {
			return
		}
		p, err := s.current()
		if err != nil {
			s.cfg.Log.Error("the status page cannot be made", "err", err)
			return
		}
		b := []byte(":\n\n") // that the client still reads is found out by writing
		for i, part := range p.parts {
			if part.sum != sent[i] {
				b = event(b, fragments[i], part.html)
				sent[i] = part.sum
			}
		}
		out.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err := w.Write(b); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// event appends one event.
func event(b []byte, name string, html []byte) []byte {
	b = append(b, "event: part\ndata: "...)
	b = append(b, name...)
	b = append(b, '\n')
	for line := range bytes.SplitSeq(bytes.TrimSpace(html), []byte{'\n'}) {
		b = append(b, "data: "...)
		b = append(b, bytes.TrimRight(line, "\r")...)
		b = append(b, '\n')
	}
	return append(b, '\n')
}
