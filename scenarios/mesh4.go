package scenarios

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/rt"
	"github.com/maculamesh/macula/sim/scenario"
)

func mesh4() *scenario.Scenario {
	return &scenario.Scenario{
		Name:  "mesh-4",
		Shows: "four nodes that call each other through loss, a partition, a crash and a restart: every call ends once and in time, and the mesh converges",
		Params: []scenario.Param{
			{Name: "rate", Default: "10", Least: "1", Doc: "calls a second of each node"},
			{Name: "time", Default: "60s", Least: "12s", Doc: "how long they call"},
		},
		Sometimes: []string{"failed over", "duplicate refused"},
		Play:      playMesh4,
	}
}

// traffic is the workload of a mesh, with its own books.
type traffic struct {
	s      *scenario.Stage
	nodes  []*member
	nextID uint64
	runs   map[uint64]int // executions of the calls that must run at most once; for lookup only
	made   int
	ok     int
	failed int
	open   int
	stop   bool
}

const (
	callTimeout = 3 * time.Second
	advertised  = 20 * time.Second // how long an advertisement counts
)

func playMesh4(s *scenario.Stage) {
	stage(s)
	nodes := meshOf(s, scenario.WAN(), node.Config{}, "n0", "n1", "n2", "n3")
	t := &traffic{s: s, nodes: nodes, runs: map[uint64]int{}}
	for i := range nodes {
		t.advertise(i)
	}
	s.Sleep(time.Second)
	var jobs []*scenario.Job
	for i := range nodes {
		jobs = append(jobs, s.Go("workload", func() { t.drive(i) }))
	}
	t.faults()
	t.stop = true
	for _, j := range jobs {
		j.Wait()
	}
	s.Eventually(2*callTimeout, "every call ends by its deadline", func() bool { return t.open == 0 })
	s.Eventually(2*time.Minute, "the mesh converges when the faults are over", func() bool { return converged(nodes) })
	s.Sleep(5 * time.Second)
	t.everybodyCanCall()
	s.Factf("%d calls: %d answered, %d failed; %s", t.made, t.ok, t.failed, "none ran twice without leave")
}

// advertise provides on node i a service of its own and one that two nodes
// have.
func (t *traffic) advertise(i int) {
	m := t.nodes[i]
	h := func(ctx context.Context, req *node.Request) ([]byte, error) {
		if !req.Idempotent {
			id := binary.BigEndian.Uint64(req.Body)
			t.runs[id]++
			t.s.Check(t.runs[id] == 1, "a call that is not idempotent runs at most once", "call %d ran %d times", id, t.runs[id])
		}
		wait := time.Duration(m.place.Runtime().Rand("work").IntN(50)) * time.Millisecond
		return req.Body, rt.Sleep(ctx, m.place.Runtime(), wait)
	}
	m.provideWith(fmt.Sprintf("own.%d", i), node.AdvertiseOptions{TTL: advertised}, h)
	m.provideWith(fmt.Sprintf("shared.%d", i/2), node.AdvertiseOptions{TTL: advertised}, h)
}

// drive lets node i make calls until the story says stop. A crash of its
// machine is a break.
func (t *traffic) drive(i int) {
	m := t.nodes[i]
	r := t.s.Rand("workload")
	for !t.stop {
		t.s.Sleep(time.Second / time.Duration(t.s.Int("rate")))
		if m.node == nil {
			continue
		}
		name := fmt.Sprintf("own.%d", r.IntN(len(t.nodes)))
		if r.IntN(2) == 0 {
			name = fmt.Sprintf("shared.%d", r.IntN(2))
		}
		body := make([]byte, 8+r.IntN(256))
		if r.IntN(20) == 0 {
			body = make([]byte, 20<<10)
		}
		t.nextID++
		binary.BigEndian.PutUint64(body, t.nextID)
		t.call(m, name, body, r.IntN(2) == 0)
	}
}

// call makes one call as a task of its node and books its end.
func (t *traffic) call(m *member, name string, body []byte, idempotent bool) {
	t.made++
	t.open++
	begun := t.s.Runtime().Now()
	t.s.Go("call", func() {
		answer, err := m.call(name, body, callTimeout, idempotent)
		t.open--
		took := t.s.Runtime().Now().Sub(begun)
		t.s.Check(took <= callTimeout+time.Millisecond, "every call ends by its deadline", "one took %v", took)
		if err != nil {
			t.failed++
			t.s.Check(fault.KindOf(err) != fault.Internal && fault.KindOf(err) != fault.Protocol, "faults of the network are not taken for others", "%v", err)
			return
		}
		t.ok++
		t.s.Check(string(answer) == string(body), "an answer is the answer to its call", "%d bytes came back of %d", len(answer), len(body))
	})
}

// faults plays what happens to the mesh: connections that break, one partition,
// for longer or shorter than the idle timeout, one crash with a restart, and two
// restarts in good order.
func (t *traffic) faults() {
	s, n := t.s, t.nodes
	r := s.Rand("faults")
	total := s.Duration("time")
	s.Sleep(total / 6)
	for range 20 { // calls that may have run, and whose answers are lost
		i := r.IntN(len(n))
		s.Kill(n[i].place, n[(i+1+r.IntN(len(n)-1))%len(n)].place)
		s.Sleep(100 * time.Millisecond)
	}
	k := r.IntN(len(n))
	a := []*scenario.Place{n[k].place, n[(k+1)%4].place}
	b := []*scenario.Place{n[(k+2)%4].place, n[(k+3)%4].place}
	s.Partition(a, b)
	s.Sleep(total/12 + time.Duration(r.Int64N(int64(total/2))))
	s.HealAll()
	s.Sleep(total / 12)
	m := n[r.IntN(len(n))]
	i := 0
	for n[i] != m {
		i++
	}
	// A connection that was silent for long sends again only after a while.
	s.Eventually(2*time.Minute, "the mesh converges when the faults are over", func() bool { return converged(n) && t.everybodyReached() })
	m.crash()
	t.failsOver(i)
	s.Sleep(time.Second + time.Duration(r.Int64N(int64(total/6))))
	m.restart()
	t.advertise(i)
	s.Sleep(total / 6)
	for range 2 {
		i := r.IntN(len(n))
		n[i].drain()
		s.Sleep(time.Second)
		n[i].start()
		t.advertise(i)
		s.Sleep(2 * time.Second)
	}
}

// everybodyReached reports whether every node has an answer of every other.
func (t *traffic) everybodyReached() bool {
	for _, m := range t.nodes {
		for j := range t.nodes {
			t.nextID++
			if _, err := m.call(fmt.Sprintf("own.%d", j), binary.BigEndian.AppendUint64(nil, t.nextID), callTimeout, true); err != nil {
				return false
			}
		}
	}
	return true
}

// failsOver demands that calls to a service of two nodes get through while one
// of them is dead and its connections do not know it yet.
func (t *traffic) failsOver(dead int) {
	var jobs []*scenario.Job
	for i, m := range t.nodes {
		if m.node == nil || i/2 == dead/2 {
			continue
		}
		for range 8 {
			jobs = append(jobs, t.s.Go("call", func() {
				t.nextID++
				body := binary.BigEndian.AppendUint64(nil, t.nextID)
				_, err := m.call(fmt.Sprintf("shared.%d", dead/2), body, callTimeout, true)
				t.s.Check(err == nil, "a call fails over while there is a provider", "n%d: %v", i, err)
			}))
		}
	}
	for _, j := range jobs {
		j.Wait()
	}
}

// everybodyCanCall demands that, with the faults over, every node reaches
// every service, and knows all of its providers.
func (t *traffic) everybodyCanCall() {
	want := len(t.nodes) + 4 // one of its own each, and two that have two
	for range advertised / time.Second {
		for i, m := range t.nodes {
			have := len(m.node.Services())
			t.s.Check(have == want, "every provider is known when the faults are over", "n%d knows %d, want %d", i, have, want)
		}
		t.s.Sleep(time.Second)
	}
	for i, m := range t.nodes {
		for j := range t.nodes {
			body := make([]byte, 8)
			t.nextID++
			binary.BigEndian.PutUint64(body, t.nextID)
			_, err := m.call(fmt.Sprintf("own.%d", j), body, callTimeout, false)
			t.s.Check(err == nil, "every service can be called when the faults are over", "n%d calls own.%d: %v", i, j, err)
		}
	}
}
