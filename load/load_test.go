package load_test

import (
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/load"
)

func TestNumbersThatMakeNoSenseAreRefusedInOneLine(t *testing.T) {
	for _, x := range []struct {
		cfg  load.Config
		want string
	}{
		{load.Config{Peers: 10}, "peers: 10 peers do not overrun a pool of 1000"},
		{load.Config{Peers: 10, Cap: 10}, "do not overrun a pool of 10"},
		{load.Config{Cap: 1}, "cap: 1 is out of range: 2 to"},
		{load.Config{Cap: -1}, "cap: -1 is out of range"},
		{load.Config{Clients: 5, Limit: 9}, "clients: 5 clients do not overrun a limit of 9"},
		{load.Config{Limit: -3}, "limit: -3 is out of range"},
		{load.Config{Services: 1001}, "services: 1001 is out of range: 1 to 1000"},
		{load.Config{Leaving: -1}, "leaving: -1 is out of range"},
		{load.Config{Callers: 401}, "callers: 401 is out of range: 1 to 400"},
		{load.Config{Lanes: 33}, "lanes: 33 is out of range: 1 to 32"},
		{load.Config{TTL: time.Millisecond}, "ttl: 1ms is out of range: 1s to 10m"},
		{load.Config{Idle: time.Hour}, "idle: 1h0m0s is out of range"},
	} {
		err := x.cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: got %v, want %q", x.cfg, err, x.want)
		}
	}
	if err := (load.Config{}).Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestTheDefaultsAreThoseThatWereAskedFor(t *testing.T) {
	c := load.Config{}.WithDefaults()
	if c.Peers != 1500 || c.Cap != 1000 || c.Clients != 150 || c.Limit != 100 || c.Services != 10 || c.Leaving != 10 {
		t.Errorf("got %+v", c)
	}
}

func TestEveryTestIsFoundByItsName(t *testing.T) {
	for _, x := range load.Tests() {
		got, ok := load.Find(x.Name)
		if !ok || got.Name != x.Name || got.Shows == "" {
			t.Errorf("%s: got %+v, %v", x.Name, got, ok)
		}
		if (load.Config{}).Hosts(x.Name) < 4 {
			t.Errorf("%s: fewer machines than it starts", x.Name)
		}
	}
	if _, ok := load.Find("all"); ok {
		t.Error("all is no test of its own")
	}
}
