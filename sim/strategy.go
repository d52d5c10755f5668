package sim

// Strategy decides what runs next when there is a choice. A strategy belongs
// to one world, and everything it does must derive from its seed and from
// what it is asked.
type Strategy interface {
	// Name is part of the run's identity, parameters included: "random",
	// "pct:3".
	Name() string
	// Reset is called once by New, before anything else.
	Reset(seed uint64)
	// Pick returns the index in ready of the task that runs next. With due,
	// a timer has reached its time too, and -1 fires it first. ready is never
	// empty and must not be kept or changed. It is ordered by when the tasks
	// became ready as long as index 0 is picked; picking another one moves
	// task 0 into its place.
	Pick(ready []*Task, due bool) int
	// Tie is drawn for each timer when it is set: timers of one instant fire
	// in ascending order of their ties, equal ties in the order in which they
	// were set.
	Tie() uint32
}

// Random returns the strategy that picks every candidate with the same
// probability.
func Random() Strategy { return &random{} }

type random struct {
	ties
	picks splitmix
}

func (*random) Name() string { return "random" }

func (r *random) Reset(seed uint64) {
	r.ties = tiesFrom(derive(seed, "ties"))
	r.picks = splitmix(derive(seed, "picks"))
}

func (r *random) Pick(ready []*Task, due bool) int {
	n := len(ready)
	if due {
		n++
	}
	if n == 1 {
		return 0
	}
	i := r.picks.below(n)
	if i == len(ready) {
		return -1
	}
	return i
}

// FIFO returns the strategy without chance: timers that are due come first,
// in the order in which they were set, and then the task that has waited
// longest.
func FIFO() Strategy { return fifo{} }

type fifo struct{}

func (fifo) Name() string    { return "fifo" }
func (fifo) Reset(uint64)    {}
func (fifo) Tie() uint32     { return 0 }
func (fifo) TieSeed() uint64 { return 0 }
func (fifo) Pick(_ []*Task, due bool) int {
	if due {
		return -1
	}
	return 0
}

// ties draws what Strategy.Tie answers, from a stream of its own: one pick more
// or less must not change the order of timers from then on.
type ties struct {
	seed uint64
	rng  splitmix
}

// tiesFrom returns the ties of that seed; zero makes all of them equal.
func tiesFrom(seed uint64) ties { return ties{seed, splitmix(seed)} }

// Tie implements Strategy.
func (t *ties) Tie() uint32 {
	if t.seed == 0 {
		return 0
	}
	return uint32(t.rng.next() >> 32)
}

// TieSeed is what Recorder.TieSeed asks for.
func (t *ties) TieSeed() uint64 { return t.seed }
