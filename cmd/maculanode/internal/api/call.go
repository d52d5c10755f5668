package api

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
)

// The headers of requests.
const (
	headerAPI        = "Macula-Api"
	headerTimeout    = "Macula-Timeout-Ms"
	headerIdempotent = "Macula-Idempotent"
)

// maxTimeout is the longest time that a call may ask for. The node's own limit
// is usually lower, and then that one counts.
const maxTimeout = time.Hour

// call passes a call on. It ends with its client.
func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	req := &control.Request{Name: r.PathValue("service")}
	var err error
	if req.Timeout, err = parseTimeout(r.Header.Get(headerTimeout)); err != nil {
		refuse(w, err)
		return
	}
	if req.Idempotent, err = parseFlag(r.Header.Get(headerIdempotent)); err != nil {
		refuse(w, err)
		return
	}
	if req.Body, err = s.body(w, r, control.MaxBody); err != nil {
		refuse(w, err)
		return
	}
	reply, err := s.node.Call(r.Context(), req)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	send(w, http.StatusOK, reply)
}

// body reads the body of a request, of at most so many bytes.
func (s *Server) body(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		// What is on its way is not waited for.
		w.Header().Set("Connection", "close")
		return nil, fault.New("", fault.TooLarge, "the body has %d bytes, the limit is %d", r.ContentLength, most)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, fault.New("", fault.TooLarge, "the body has more than %d bytes", most)
	case err != nil:
		w.Header().Set("Connection", "close")
		return nil, fault.New("", fault.Invalid, "the body did not arrive within %v", s.cfg.BodyTime)
	}
	return data, nil
}

// parseTimeout reads the header; without it the node's default counts.
func parseTimeout(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 1 || ms > maxTimeout.Milliseconds() {
		return 0, fault.New("", fault.Invalid, "%s is a number of milliseconds from 1 to %d", headerTimeout, maxTimeout.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// parseFlag reads a header that is true, false or absent.
func parseFlag(text string) (bool, error) {
	switch text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fault.New("", fault.Invalid, "%s is true or false", headerIdempotent)
}
