package fleet

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// How long things may take. They are bounds for a machine under load, and no
// measure: what is judged is that it happens.
const (
	joining  = 60 * time.Second // all nodes have connections to all others
	noticing = 60 * time.Second // a node that is gone is found to be
	asked    = 8 * time.Second  // a call of the story
)

// Story is one run.
type Story struct {
	Stage Stage
	Load  LoadConfig
	// Say is told what happens, in one line each.
	Say func(format string, args ...any)
}

// Play plays the story to its end. The error says what did not hold.
func (s *Story) Play(ctx context.Context) error {
	for _, chapter := range []struct {
		what string
		play func(context.Context) error
	}{
		{"four nodes join", s.joined},
		{"every node calls every node by name", s.named},
		{"a node is killed", s.killed},
		{"a node is cut off", s.cut},
		{"all nodes are restarted under load", s.rolled},
	} {
		begun := time.Now()
		if err := chapter.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", chapter.what, err)
		}
		s.Say("%s: ok (%v)", chapter.what, time.Since(begun).Round(100*time.Millisecond))
	}
	return nil
}

// joined waits until every node has a connection to every other one.
func (s *Story) joined(ctx context.Context) error {
	return until(ctx, joining, func(ctx context.Context) error {
		for n := range Size {
			if err := s.ready(ctx, n, Size-1); err != nil {
				return err
			}
		}
		return nil
	})
}

// ready returns nil when a node is ready and has so many peers.
func (s *Story) ready(ctx context.Context, node, peers int) error {
	st, err := statusOf(ctx, s.Stage, node)
	switch {
	case err != nil:
		return err
	case !st.Ready:
		return fmt.Errorf("%s is not ready: %s", Name(node), st.NotReady)
	case st.Pool.Now != peers:
		return fmt.Errorf("%s has %d peers, not %d", Name(node), st.Pool.Now, peers)
	}
	return nil
}

// call calls a service from a node as an idempotent one, and checks the
// answer.
func (s *Story) call(ctx context.Context, from int, service string) error {
	body := fmt.Sprintf("%s asks %s", Name(from), service)
	out, err := s.Stage.Exec(ctx, from, "call", service, "--data", body, "--idempotent", "--timeout", asked.String())
	if err != nil {
		return fmt.Errorf("%s cannot call %s: %w", Name(from), service, err)
	}
	if !bytes.Equal(out, []byte(body)) {
		return fmt.Errorf("%s called %s with %q and got %q", Name(from), service, body, out)
	}
	return nil
}

// named demands that every node can call what only one of them provides.
func (s *Story) named(ctx context.Context) error {
	for from := range Size {
		for to := range Size {
			if err := s.call(ctx, from, own(to)); err != nil {
				return err
			}
		}
	}
	return nil
}

// others demands calls between the nodes without node: a service that it
// provided together with another one is found, by every one of them, every
// time.
func (s *Story) others(ctx context.Context, node int) error {
	for range 3 {
		for from := range Size {
			if from == node {
				continue
			}
			if err := s.call(ctx, from, ofSome); err != nil {
				return err
			}
		}
	}
	return nil
}

// gone demands that a call of what only node provides ends with a failure.
func (s *Story) gone(ctx context.Context, node int) error {
	from := (node + 1) % Size
	_, err := s.Stage.Exec(ctx, from, "call", own(node), "--data", "?", "--timeout", "3s")
	switch code := exitCode(err); {
	case err == nil:
		return fmt.Errorf("%s is answered, and nobody is there who could", own(node))
	case code != exitFailed && code != exitUnreachable && code != exitDeadline:
		return fmt.Errorf("a call of %s, which is gone, has exit code %d: %w", own(node), code, err)
	}
	return nil
}

// noticed waits until those that are left have no connection to node.
func (s *Story) noticed(ctx context.Context, node int) error {
	return until(ctx, noticing, func(ctx context.Context) error {
		for n := range Size {
			if n == node {
				continue
			}
			if err := s.ready(ctx, n, Size-2); err != nil {
				return err
			}
		}
		return nil
	})
}

// Exit codes of maculanode.
const (
	exitFailed      = 1
	exitUnreachable = 3
	exitDeadline    = 5
)

// back waits until all nodes are joined again and a node's own service is
// found by all. What others remember of a node that was gone may take a
// moment to be forgotten.
func (s *Story) back(ctx context.Context, node int) error {
	if err := s.joined(ctx); err != nil {
		return err
	}
	return until(ctx, joining, func(ctx context.Context) error {
		for from := range Size {
			if err := s.call(ctx, from, own(node)); err != nil {
				return err
			}
		}
		return s.call(ctx, node, ofSome)
	})
}

// killed kills the last node, which provides a service together with n3, and
// starts it again while the others still have connections to the dead one.
func (s *Story) killed(ctx context.Context) error {
	const victim = Size - 1
	if err := s.Stage.Kill(ctx, victim); err != nil {
		return err
	}
	// At once: nobody knows yet that it is gone.
	if err := s.others(ctx, victim); err != nil {
		return err
	}
	if err := s.gone(ctx, victim); err != nil {
		return err
	}
	if err := s.Stage.Start(ctx, victim); err != nil {
		return err
	}
	return s.back(ctx, victim)
}

// cut takes n3 off the network, for longer than connections last without a
// word. It has to live on by itself.
func (s *Story) cut(ctx context.Context) error {
	const victim = Size - 2
	if err := s.Stage.Cut(ctx, victim); err != nil {
		return err
	}
	if err := s.others(ctx, victim); err != nil {
		return err
	}
	if err := s.call(ctx, victim, ofAll); err != nil { // its own
		return err
	}
	if err := s.gone(ctx, victim); err != nil {
		return err
	}
	if err := s.noticed(ctx, victim); err != nil {
		return err
	}
	if err := s.Stage.Heal(ctx, victim); err != nil {
		return err
	}
	return s.back(ctx, victim)
}

// rolled restarts every node, one after the other, each when the one before
// is back, while clients call.
func (s *Story) rolled(ctx context.Context) error {
	load, err := StartLoad(ctx, s.Stage, s.Load)
	if err != nil {
		return err
	}
	err = s.roll(ctx, load)
	r := load.Stop()
	s.Say("load: %d calls, %d lost, %d asked again by their caller, slowest %v", r.Calls, r.Lost, r.Repeated, r.Slowest.Round(time.Millisecond))
	switch {
	case err != nil:
		return err
	case r.Lost > 0:
		return fmt.Errorf("%d of %d calls were lost, for example: %s", r.Lost, r.Calls, strings.Join(r.Why, "; "))
	}
	return nil
}

// eachRestart is how many calls at least there are for each restart.
const eachRestart = 500

func (s *Story) roll(ctx context.Context, load *Load) error {
	for n := range Size {
		begun, before := time.Now(), load.Calls()
		if err := s.Stage.Restart(ctx, n); err != nil {
			return fmt.Errorf("restart of %s: %w", Name(n), err)
		}
		if err := s.back(ctx, n); err != nil {
			return fmt.Errorf("after the restart of %s: %w", Name(n), err)
		}
		if err := until(ctx, joining, func(context.Context) error {
			if calls := load.Calls() - before; calls < eachRestart {
				return fmt.Errorf("%d calls since the restart of %s began, fewer than %d: the load stands still, or has used up its calls", calls, Name(n), eachRestart)
			}
			return nil
		}); err != nil {
			return err
		}
		calls := load.Calls() - before
		s.Say("restart of %s: %v, %d calls", Name(n), time.Since(begun).Round(100*time.Millisecond), calls)
	}
	return nil
}
