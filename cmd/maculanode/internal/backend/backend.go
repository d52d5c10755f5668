// Package backend is what a node can be told to answer a service with, without
// a program inside the node: echo, or an HTTP server beside it.
package backend

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
)

// Echo answers with what it was asked.
func Echo(_ context.Context, req *node.Request) ([]byte, error) { return req.Body, nil }

// What an HTTP backend is told of the call, beside its body.
const (
	HeaderService    = "Macula-Service"
	HeaderCaller     = "Macula-Caller"     // the id of who asked
	HeaderTimeout    = "Macula-Timeout-Ms" // what is left of the caller's deadline
	HeaderIdempotent = "Macula-Idempotent" // true or absent
	contentType      = "application/octet-stream"
)

// Limits of one HTTP backend. Zero fields take the default beside them.
type Limits struct {
	Conns   int           // connections at a time, so calls too; 64; further calls wait within their deadline
	MaxBody int           // bytes of an answer; 1 MiB, that of the mesh
	Idle    time.Duration // an unused connection is closed; 30 s
}

// WithDefaults returns l with every zero field set.
func (l Limits) WithDefaults() Limits {
	l.Conns = cmp.Or(l.Conns, 64)
	l.MaxBody = cmp.Or(l.MaxBody, 1<<20)
	l.Idle = cmp.Or(l.Idle, 30*time.Second)
	return l
}

// HTTP passes calls to an HTTP server by POST.
type HTTP struct {
	url    string
	max    int
	client *http.Client
	tr     *http.Transport
}

// NewHTTP checks the address; nothing is connected before the first call.
func NewHTTP(address string, lim Limits) (*HTTP, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fault.New("", fault.Invalid, "%.200q is not a URL", Shown(address))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fault.New("", fault.Invalid, "%.200q is not the address of an HTTP backend: it starts with http:// or https://, for example http://127.0.0.1:8080/path", Shown(address))
	case u.Hostname() == "":
		return nil, fault.New("", fault.Invalid, "%.200q names no host", Shown(address))
	}
	lim = lim.WithDefaults()
	tr := &http.Transport{
		MaxConnsPerHost: lim.Conns, MaxIdleConnsPerHost: min(lim.Conns, 8), IdleConnTimeout: lim.Idle,
		MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
	// A redirect would send the body somewhere that the operator did not name.
	c := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &HTTP{url: u.String(), max: lim.MaxBody, client: c, tr: tr}, nil
}

// Shown is an address as it may stand in logs, on pages and in errors: without
// the user and the password in front of its host, and without its query.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "[removed]"
	}
	if u.User != nil {
		u.User = url.User("removed")
	}
	if u.RawQuery != "" {
		u.RawQuery = "removed"
	}
	u.Fragment = ""
	return u.String()
}

// Close gives the idle connections back. Calls in progress end with their
// contexts.
func (h *HTTP) Close() { h.tr.CloseIdleConnections() }

// Handle is the handler of the service. An answer of 2xx is the reply; another
// one is an Application error with its status and the first line of its body,
// but 429 and 503 are Overload. It blocks until ctx ends at the latest.
func (h *HTTP) Handle(ctx context.Context, req *node.Request) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(req.Body))
	if err != nil {
		return nil, fault.New("backend", fault.Internal, "%v", err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set(HeaderService, req.Name)
	r.Header.Set(HeaderCaller, ident.String(req.Caller))
	if d, ok := ctx.Deadline(); ok {
		r.Header.Set(HeaderTimeout, strconv.FormatInt(max(0, time.Until(d).Milliseconds()), 10))
	}
	if req.Idempotent {
		r.Header.Set(HeaderIdempotent, "true")
	}
	resp, err := h.client.Do(r)
	if err != nil {
		return nil, h.failed(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(h.max)+1))
	switch {
	case err != nil:
		return nil, h.failed(ctx, err)
	case len(body) > h.max:
		return nil, fault.New("backend", fault.TooLarge, "the backend of %s answered with more than %d bytes", req.Name, h.max)
	case resp.StatusCode/100 != 2:
		return nil, refusal(req.Name, resp, body)
	}
	return body, nil
}

// failed says why there is no answer. The address stays here: callers are told
// of the service, not of what is behind it.
func (h *HTTP) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Wrap("backend", context.Cause(ctx))
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fault.New("backend", fault.Unreachable, "the backend does not answer: %s", shown(err.Error()))
}

// shown is text of the backend as it may stand in an error: it goes to callers,
// into logs and onto terminals.
func shown(text string) string {
	if len(text) > 200 {
		text = text[:200]
	}
	return wire.Printable(text)
}

func refusal(name string, resp *http.Response, body []byte) error {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body[:min(len(body), 200)])), "\n")
	e := &fault.Error{Op: "backend", Kind: fault.Application, Detail: fmt.Sprintf("the backend of %s answered %s", name, shown(resp.Status))}
	if line != "" {
		e.Detail += ": " + shown(line)
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		e.Kind = fault.Overload
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			e.RetryAfter = time.Duration(min(s, 3600)) * time.Second
		}
	}
	return e
}
