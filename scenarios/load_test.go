package scenarios

import (
	"context"
	"strings"
	"testing"

	"github.com/maculamesh/macula/load"
	"github.com/maculamesh/macula/sim/scenario"
	"github.com/maculamesh/macula/transport"
)

func TestTheLoadTestsHoldAtFullScale(t *testing.T) {
	if testing.Short() {
		t.Skip("1,500 nodes; the small ones run with -short too")
	}
	for _, s := range All() {
		if s.Name != "load" {
			continue
		}
		res, err := scenario.Play(s, scenario.Options{Seed: 1})
		if err != nil || !res.Held() {
			t.Fatal(err, res.Failure)
		}
		want := []string{
			"pool: 1500 peers, cap 1000: 1000 open here, 1000 open there, 500 evicted",
			"clients: 150 clients, limit 100: 100 attached, 50 refused",
			"services: 10 services", "streams: 10 clients left", "callers: 10 calls each",
		}
		for i, w := range want {
			if len(res.Facts) != len(want) || !strings.HasPrefix(res.Facts[i], w) {
				t.Fatalf("got %q", res.Facts)
			}
		}
		return
	}
	t.Fatal("there is no scenario load")
}

// broken is a world with a mistake in it, which a test must notice.
type broken struct {
	*loadWorld
	deaf     string // closes no connection that it has accepted
	immortal bool   // its processes survive being killed
}

func (b *broken) Host(cfg load.HostConfig) (load.Host, error) {
	h := b.host(cfg)
	if cfg.Name == b.deaf {
		h.transport = deafTransport{h.transport}
	}
	return h, nil
}

type immortal struct{}

func (immortal) Kill() error { return nil }

func (b *broken) Start(ctx context.Context, name string, v load.Victim, near ...load.Host) (load.Process, error) {
	p, err := b.loadWorld.Start(ctx, name, v, near...)
	if err == nil && b.immortal {
		b.s.Defer(func() { p.Kill() })
		p = immortal{}
	}
	return p, err
}

type deafTransport struct{ transport.Transport }

func (t deafTransport) Listen(cfg transport.ListenConfig) (transport.Listener, error) {
	l, err := t.Transport.Listen(cfg)
	return deafListener{l}, err
}

type deafListener struct{ transport.Listener }

func (l deafListener) Accept(ctx context.Context) (transport.Conn, error) {
	c, err := l.Listener.Accept(ctx)
	return deafConn{c}, err
}

type deafConn struct{ transport.Conn }

func (deafConn) CloseWithError(transport.Code, string) error { return nil }

func TestAMistakeMakesALoadTestFail(t *testing.T) {
	for _, x := range []struct {
		test     string
		deaf     string
		immortal bool
		property string // which finds it
	}{
		{"pool", "hub", false, "the pool is full at both ends: what was evicted is closed"},
		{"clients", "gateway", false, "a refusal says overload and when to come back"},
		{"streams", "", true, "clients that left are gone, and their calls with them"},
		{"callers", "", true, "the handler's context ends in time"},
	} {
		t.Run(x.test, func(t *testing.T) {
			story := &scenario.Scenario{Name: "broken", Shows: "a mistake", Params: loadSystem().Params, Play: func(s *scenario.Stage) {
				lt, _ := load.Find(x.test)
				w := &broken{&loadWorld{s: s, test: x.test}, x.deaf, x.immortal}
				load.Run(context.Background(), w, loadConfig(s), lt)
			}}
			set := map[string]string{"peers": "12", "cap": "8", "clients": "6", "limit": "4", "leaving": "3", "callers": "2"}
			res, err := scenario.Play(story, scenario.Options{Seed: 1, Set: set})
			if err != nil {
				t.Fatal(err)
			}
			if res.Held() {
				t.Fatal("it held")
			}
			t.Log(res.Failure)
			if res.Failure.Property != x.property {
				t.Errorf("found by %q, want %q", res.Failure.Property, x.property)
			}
		})
	}
}
