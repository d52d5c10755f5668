package load_test

import (
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/load"
)

// FuzzValidate demands that under every configuration which is taken there is a
// crowd that overruns what it meets, and numbers that a machine can have; of
// what is refused, the reason is one line.
func FuzzValidate(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 2, 3, 100_000, 100_001, 1 << 32, 1<<63 - 1, -1 << 63} {
		f.Add(n, int64(0), int64(0), int64(0), uint8(0))
		f.Add(int64(0), n, n, n, uint8(3))
		f.Add(n, n, int64(time.Second), int64(time.Second), uint8(5))
	}
	f.Fuzz(func(t *testing.T, crowd, limit, ttl, idle int64, which uint8) {
		c := load.Config{TTL: time.Duration(ttl), Idle: time.Duration(idle)}
		few := []*int{&c.Services, &c.Leaving, &c.Callers, &c.Lanes}[which%4]
		if *few = int(limit); which%2 == 0 {
			c.Peers, c.Cap = int(crowd), int(limit)
		} else {
			c.Clients, c.Limit = int(crowd), int(limit)
		}
		if err := c.Validate(); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 300 {
				t.Fatalf("%q", err.Error())
			}
			return
		}
		d := c.WithDefaults()
		if d.Peers <= d.Cap || d.Clients <= d.Limit || d.Peers > load.MaxCrowd || d.Clients > load.MaxCrowd || d.Cap < 1 || d.Limit < 1 {
			t.Fatalf("%+v is no crowd", d)
		}
		if *few < 0 || d.Services < 1 || d.Leaving < 1 || d.Callers < 1 || d.Lanes < 1 || d.Lanes > d.Peers+1000 || d.TTL <= 0 || d.Idle <= 0 {
			t.Fatalf("%+v cannot be played", d)
		}
		for _, test := range []string{"pool", "clients", "streams", "services", "callers"} {
			if n := c.Hosts(test); n < 1 || n > 2*load.MaxCrowd {
				t.Fatalf("%s: %d hosts of %+v", test, n, d)
			}
		}
	})
}
