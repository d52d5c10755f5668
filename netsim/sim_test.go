package netsim_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/transport/transporttest"
)

// recorder folds what the network decides into the hash of a world.
type recorder struct{ w *sim.World }

func (r recorder) machine(h *netsim.Host) *sim.Machine {
	if h == nil {
		return nil
	}
	return r.w.Machine(h.Name())
}

func (r recorder) Delivered(p *netsim.Packet) { r.packet(sim.KindDeliver, p) }

func (r recorder) Dropped(p *netsim.Packet) { r.packet(sim.KindDrop, p) }

func (r recorder) packet(k sim.Kind, p *netsim.Packet) {
	a, b := p.Words()
	r.w.FoldDetail(k, r.machine(p.To), a, b, func(rec *sim.Record) {
		rec.Peer, rec.Took, rec.Text = p.From.Name(), p.Took, p.String()
	})
}

func (r recorder) Fault(h *netsim.Host, text string) { r.w.Note(sim.KindFault, r.machine(h), text) }

// newSimWorld is a world in which the books are checked after every event, and
// recounted often.
func newSimWorld(t testing.TB, cfg sim.Config, link netsim.Link) *world {
	w := sim.New(cfg)
	t.Cleanup(w.Close)
	m := w.Machine("m")
	x := &world{Runtime: m, net: netsim.New(netsim.Config{Runtime: w.Machine("net"), Recorder: recorder{w}, Link: link})}
	if os.Getenv(mutantEnv) != "" { // the case is to notice by itself
		x.run = func(f func()) {
			m.Go("case", f)
			w.Run()
		}
		return x
	}
	w.AfterEach(x.net.Check)
	w.Every(10, x.net.Audit)
	x.run = func(f func()) {
		m.Go("case", f)
		if err := w.Run(); err != nil {
			t.Errorf("%v\n%s", err, err.(*sim.Failure).Stack)
			return
		}
		for _, l := range w.Leaks() {
			t.Error("left:", l)
		}
		audit(t, x.net)
		x.hash = w.Hash()
	}
	return x
}

// links are the kinds of network that the suite runs over.
var links = []netsim.Link{
	{},
	{Latency: 3 * time.Millisecond},
	{Latency: time.Millisecond, Jitter: 4 * time.Millisecond, Reorder: netsim.Percent(10)},
	{Latency: 200 * time.Microsecond, Loss: netsim.Percent(5), Retransmit: 2 * time.Millisecond},
	{Bandwidth: 20 << 20},
}

func TestItConformsInSimulation(t *testing.T) {
	for seed := range uint64(20) {
		link := links[int(seed)%len(links)]
		t.Run(fmt.Sprintf("seed %d, %v", seed, link), func(t *testing.T) {
			transporttest.Run(t, func(t *testing.T) transporttest.World {
				return newSimWorld(t, sim.Config{Seed: seed}, link)
			})
		})
	}
}

func TestTheSuiteTakesTheSamePathWithTheSameSeed(t *testing.T) {
	for seed, link := range links {
		run := func() []uint64 {
			var worlds []*world
			transporttest.Run(t, func(t *testing.T) transporttest.World {
				w := newSimWorld(t, sim.Config{Seed: uint64(seed)}, link)
				worlds = append(worlds, w)
				return w
			})
			var hashes []uint64
			for _, w := range worlds {
				hashes = append(hashes, w.hash)
			}
			return hashes
		}
		if a, b := run(), run(); !slices.Equal(a, b) {
			t.Errorf("seed %d gave the hashes %x and %x", seed, a, b)
		}
	}
}
