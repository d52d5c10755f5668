package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/wire"
)

// failure is the body of every answer that is not 2xx. Code is the number of
// the kind in the protocol; it is 0 for what was refused at the door.
type failure struct {
	Error      string `json:"error"`
	Kind       string `json:"kind"`
	Code       uint16 `json:"code"`
	RetryAfter int64  `json:"retry_after_ms,omitempty"`

	status int
}

// write sends the failure. An Overload says when to come again.
func (f failure) write(w http.ResponseWriter) {
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		f.RetryAfter = max(f.RetryAfter, 1)
		w.Header().Set("Retry-After", strconv.FormatInt((f.RetryAfter+999)/1000, 10))
	}
	data, err := json.Marshal(f)
	if err != nil {
		panic("macula bug: " + err.Error()) // two texts and two numbers
	}
	w.Header().Set("Content-Type", "application/json")
	send(w, f.status, append(data, '\n'))
}

// fail answers a request that the node was not asked about.
func fail(w http.ResponseWriter, status int, text string) {
	kind := "invalid"
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = "unauthorized"
	case http.StatusRequestEntityTooLarge:
		kind = "too large"
	}
	failure{Error: text, Kind: kind, status: status}.write(w)
}

// refuse answers with what the node said.
func refuse(w http.ResponseWriter, err error) {
	kind := fault.KindOf(err)
	f := failure{Error: wire.Shown(err.Error(), 1024), Kind: kind.String(), Code: uint16(kind), RetryAfter: fault.RetryAfter(err).Milliseconds(), status: statusOf(kind)}
	if f.RetryAfter == 0 && kind == fault.Overload {
		f.RetryAfter = 1000
	}
	f.write(w)
}

// statusOf is the status of a kind of error.
func statusOf(k fault.Kind) int {
	switch k {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unauthorized, fault.RealmMismatch:
		return http.StatusForbidden
	case fault.Deadline:
		return http.StatusGatewayTimeout
	case fault.Overload, fault.Draining, fault.Cancelled, fault.CallerGone, fault.Superseded:
		return http.StatusServiceUnavailable
	case fault.Application, fault.Unreachable, fault.HopLimit, fault.Protocol, fault.Version:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

// writeTime is how long a client may take for an answer.
const writeTime = 30 * time.Second

// send writes an answer, bounded in time.
func send(w http.ResponseWriter, status int, body []byte) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		refuse(w, fault.New("api", fault.Internal, "%v", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	send(w, status, append(data, '\n'))
}
