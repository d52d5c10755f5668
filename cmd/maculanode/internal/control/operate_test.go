package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// Calls implements Node; so do those that follow.
func (f *fake) Calls() []Call { return []Call{{Service: "demo.echo", Out: true}} }

func (f *fake) Lookup(_ context.Context, name string) ([]Service, error) {
	return []Service{{Name: name}}, nil
}

func (f *fake) Settings() []Setting { return []Setting{{Key: "max_peers", Value: "7"}} }

func (f *fake) Reload() (Reload, error) {
	return Reload{Changed: []Change{{Key: "max_peers", Old: "7", New: "8"}}}, nil
}

func (f *fake) SetLimits(set []string, lasts time.Duration) ([]Setting, error) {
	if len(set) > 0 && set[0] == "bad" {
		return nil, fault.New("", fault.Invalid, "bad is not KEY=VALUE")
	}
	return []Setting{{Key: strings.Join(set, " "), For: lasts.Seconds()}}, nil
}

func (f *fake) Drain(ctx context.Context) (Drained, error) {
	if _, ok := ctx.Deadline(); ok {
		return Drained{}, errors.New("a deadline that nobody gave")
	}
	return Drained{Clients: 3}, nil
}

func (f *fake) Metrics() ([]byte, error) { return []byte("macula_ready 1\n"), nil }

func (f *fake) Profile(name string) ([]byte, error) { return []byte("profile of " + name), nil }

func TestEveryVerbReachesTheNodeWithWhatItCarries(t *testing.T) {
	_, path := start(t, &fake{}, Config{})
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{Verb: VerbCalls}, "[{demo.echo   true 0 0 0}]"},
		{Request{Verb: VerbLookup, Name: "demo.x"}, "demo.x"},
		{Request{Verb: VerbConfig}, "max_peers 7"},
		{Request{Verb: VerbReload}, "{max_peers 7 8}"},
		{Request{Verb: VerbLimits, Set: []string{"a=1", "b=2"}, For: time.Minute}, "a=1 b=2"},
		{Request{Verb: VerbDrain}, "3"},
		{Request{Verb: VerbMetrics}, "macula_ready 1\n"},
		{Request{Verb: VerbProfile, Name: "heap"}, "profile of heap"},
	} {
		resp, err := Do(t.Context(), path, &c.req)
		if err != nil {
			t.Errorf("%s: %v", c.req.Verb, err)
			continue
		}
		got := fmt.Sprint(resp.Calls, resp.Services, resp.Settings, string(resp.Body))
		if resp.Reload != nil {
			got += fmt.Sprint(resp.Reload.Changed)
		}
		if resp.Drained != nil {
			got += fmt.Sprint(*resp.Drained)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s in it", c.req.Verb, got, c.want)
		}
	}
	if _, err := Do(t.Context(), path, &Request{Verb: VerbLimits, Set: []string{"bad"}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a limit that is none: %v", err)
	}
}

// Calls implements Node; so do those that follow.
func (n *askedNode) Calls() []Call { n.asked++; return nil }

func (n *askedNode) Lookup(_ context.Context, name string) ([]Service, error) {
	n.asked++
	return []Service{{Name: name}}, nil
}

func (n *askedNode) Settings() []Setting { n.asked++; return nil }

func (n *askedNode) Reload() (Reload, error) { n.asked++; return Reload{}, nil }

func (n *askedNode) SetLimits(set []string, lasts time.Duration) ([]Setting, error) {
	n.asked++
	return []Setting{{Key: strings.Join(set, ","), For: lasts.Seconds()}}, nil
}

func (n *askedNode) Drain(context.Context) (Drained, error) { n.asked++; return Drained{}, nil }

func (n *askedNode) Metrics() ([]byte, error) { n.asked++; return nil, nil }

func (n *askedNode) Profile(name string) ([]byte, error) { n.asked++; return []byte(name), nil }
