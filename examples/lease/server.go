package lease

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/maculamesh/macula/mono"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/store"
	"github.com/maculamesh/macula/transport"
)

// MaxClients is how many clients may be connected to a server.
const MaxClients = 1000

// Server grants the lease. Serve runs it.
type Server struct {
	cfg    Config
	deps   Deps
	store  store.Store
	turn   *rt.Semaphore // one question at a time: the disk makes it wait
	tasks  *rt.Group
	token  uint64           // of the last lease
	until  mono.Time        // when it ends
	holder transport.PeerID // who got it, when that was not before the start
}

// NewServer returns a server that keeps its tokens in a store.
func NewServer(cfg Config, deps Deps, s store.Store) *Server {
	return &Server{
		cfg: cfg.withDefaults(), deps: deps, store: s,
		turn: rt.NewSemaphore(deps.Runtime, 1), tasks: rt.NewGroup(deps.Runtime),
	}
}

// Serve answers clients until ctx ends, and returns when nothing of it runs
// any more. The error says why it could not begin, or is the cause of ctx.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.load(); err != nil {
		return fmt.Errorf("lease: the last token cannot be read: %w", err)
	}
	// A lease that was granted before a restart may go on for as long as any.
	s.until = s.deps.Runtime.Now().Add(s.cfg.TTL)
	l, err := s.deps.Transport.Listen(transport.ListenConfig{})
	if err != nil {
		return err
	}
	defer s.tasks.Wait(context.Background())
	defer s.tasks.Close()
	defer l.Close()
	for {
		conn, err := l.Accept(ctx)
		if err != nil {
			return err
		}
		if s.tasks.Count() == MaxClients {
			conn.CloseWithError(1, "too many clients")
			continue
		}
		s.tasks.Go("lease: a client", func() { s.talk(ctx, conn) })
	}
}

// talk answers the questions of a client until its connection or ctx ends.
func (s *Server) talk(ctx context.Context, conn transport.Conn) {
	defer conn.CloseWithError(0, "")
	defer s.deps.Runtime.AfterDone(ctx, func() { conn.CloseWithError(0, "") })()
	stream, err := conn.AcceptStream(ctx)
	for err == nil {
		var m message
		if m, err = read(stream); err != nil {
			return
		}
		if m, err = s.decide(ctx, conn.Peer(), m.token); err == nil {
			err = write(stream, m)
		}
	}
	s.deps.Log.Info("no answer", "err", err)
}

// decide answers a client that has the lease of a token, or none.
func (s *Server) decide(ctx context.Context, who transport.PeerID, has uint64) (message, error) {
	if err := s.turn.Acquire(ctx); err != nil {
		return message{}, err
	}
	defer s.turn.Release()
	now := s.deps.Runtime.Now()
	switch over := s.until.Reached(now); {
	case !over && has == s.token && has != 0:
		s.until = now.Add(s.cfg.TTL)
		return message{s.token, s.cfg.TTL}, nil
	case !over:
		return message{0, s.until.Sub(now)}, nil
	}
	if err := s.keep(s.token + 1); err != nil {
		return message{}, err // nobody has heard of it: it can be given later
	}
	if s.token++; s.token > 1 && s.holder != who {
		s.deps.mark("the lease changed hands")
	}
	s.holder, s.until = who, s.deps.Runtime.Now().Add(s.cfg.TTL)
	s.deps.Log.Info("granted", "token", s.token)
	return message{s.token, s.cfg.TTL}, nil
}

// slots are the keys of the token. It goes to one and then to the other, so
// that a write which a crash tears leaves the one before.
var slots = [2]string{"token.0", "token.1"}

// keep makes a token durable.
func (s *Server) keep(token uint64) error {
	err := s.store.Put(slots[token%2], binary.BigEndian.AppendUint64(nil, token))
	if err != nil {
		return err
	}
	if s.cfg.Bug == AnswerBeforeSync {
		s.tasks.Go("lease: sync", func() { s.store.Sync() })
		return nil
	}
	return s.store.Sync()
}

// load reads the greater one of the tokens that are there.
func (s *Server) load() error {
	for _, key := range slots {
		data, err := s.store.Get(key)
		switch {
		case err == nil && len(data) == 8:
			s.token = max(s.token, binary.BigEndian.Uint64(data))
		case err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrCorrupt):
			return err
		}
	}
	return nil
}
