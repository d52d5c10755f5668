package churn

import (
	"bytes"
	"context"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/rt"
)

// What a handler is to do is the first byte of the body.
const (
	answerAtOnce byte = iota
	answerLater
	neverAnswer // until the context ends
	orders
)

// The mix of calls: enough of each kind to be met every few seconds.
const (
	shareLater  = 0.20
	shareNever  = 0.05
	shareCancel = 0.10 // of calls whose caller gives up early
	shareNobody = 0.05 // of calls that nobody provides
)

const (
	nobody = "churn.nobody"
	shared = "churn.shared" // everybody provides it, more than a name may have providers
)

// maxInFlight bounds the calls of one party.
const maxInFlight = 4

// caller is one party as far as calls go: a client, or a peer.
type caller func(ctx context.Context, name string, body []byte, idempotent bool) ([]byte, error)

// handler answers as the body says.
func (l *Load) handler(r rt.Runtime) node.Handler {
	return func(ctx context.Context, req *node.Request) ([]byte, error) {
		if len(req.Body) == 0 || req.Body[0] >= orders {
			l.wrong("a handler got a body of %d bytes that nobody sends", len(req.Body))
			return nil, nil
		}
		var err error
		switch req.Body[0] {
		case answerLater:
			err = rt.Sleep(ctx, r, time.Duration(r.Rand("churn").Int64N(int64(l.cfg.Work)+1)))
		case neverAnswer:
			err = r.NewParker().Park(ctx)
		}
		return req.Body, err
	}
}

// call makes one call that is drawn, and waits for its end.
func (l *Load) call(r rt.Runtime, c caller) {
	draw := r.Rand("churn")
	name := l.names[draw.IntN(len(l.names))]
	switch {
	case chance(r, shareNobody):
		name = nobody
	case chance(r, 0.25):
		name = shared
	}
	large := chance(r, l.cfg.Large)
	body := make([]byte, 1+draw.IntN(1024))
	if large {
		body = make([]byte, min(17<<10, l.cfg.Most)+draw.IntN(max(1, l.cfg.Most-17<<10)))
	}
	for i := range body {
		body[i] = byte(i)
	}
	body[0] = answerAtOnce
	switch {
	case chance(r, shareNever):
		body[0] = neverAnswer
	case chance(r, shareLater):
		body[0] = answerLater
	}
	ctx, cancel := r.WithTimeout(context.Background(), l.cfg.Timeout)
	defer cancel()
	if chance(r, shareCancel) {
		defer r.AfterFunc(time.Duration(draw.Int64N(int64(l.cfg.Timeout)/4)), cancel).Stop()
	}
	begun := r.Now()
	answer, err := c(ctx, name, body, chance(r, 0.5))
	if r.Now().Sub(begun) > l.cfg.Timeout+time.Second {
		l.count(func(c *Counts) { c.Late++ })
	}
	if err == nil && (name == nobody || !bytes.Equal(answer, body)) {
		l.wrong("a call of %s with %d bytes was answered with %d others", name, len(body), len(answer))
	}
	l.ended(large, err)
}
