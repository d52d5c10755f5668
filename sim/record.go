package sim

// Recorder is a strategy that lets another one choose and notes where that
// deviates from FIFO.
type Recorder struct {
	inner   Strategy
	limit   int
	ties    *ties // its own, when inner does not say where its ties come from
	tieSeed uint64
	follow  follower
	noted   []Decision
	dropped int
}

// defaultDecisions is how many decisions a Recorder keeps unless told.
const defaultDecisions = 1 << 20

// Recording returns a strategy that chooses as inner does and keeps at most
// limit decisions of 112 bytes each; zero is 2^20. The run is the same as with
// inner alone.
//
// The strategies of this package say where their ties come from by a method
// TieSeed() uint64: ties are the upper halves of the numbers that splitmix64
// draws from that seed, and all zero when the seed is. For an inner strategy
// without one the ties are drawn here instead of there.
func Recording(inner Strategy, limit int) *Recorder {
	if limit <= 0 {
		limit = defaultDecisions
	}
	return &Recorder{inner: inner, limit: limit}
}

// Name implements Strategy.
func (r *Recorder) Name() string { return r.inner.Name() }

// Reset implements Strategy.
func (r *Recorder) Reset(seed uint64) {
	r.inner.Reset(seed)
	r.follow, r.noted, r.dropped, r.ties = newFollower(), nil, 0, nil
	if s, ok := r.inner.(interface{ TieSeed() uint64 }); ok {
		r.tieSeed = s.TieSeed()
		return
	}
	own := tiesFrom(derive(seed, "ties"))
	r.ties, r.tieSeed = &own, own.seed
}

// Tie implements Strategy.
func (r *Recorder) Tie() uint32 {
	if r.ties != nil {
		return r.ties.Tie()
	}
	return r.inner.Tie()
}

// Pick implements Strategy.
func (r *Recorder) Pick(ready []*Task, due bool) int {
	r.follow.look(ready)
	i := r.inner.Pick(ready, due)
	switch {
	case i < 0 || (i == 0 && !due):
	case len(r.noted) == r.limit:
		r.dropped++
	default:
		r.note(ready, due, i)
	}
	r.follow.took(ready, i)
	return i
}

func (r *Recorder) note(ready []*Task, due bool, i int) {
	k, over := r.follow.of(ready[i]), r.follow.of(ready[0])
	d := Decision{Task: k.key, Step: k.next(), Over: over.key, OverStep: over.next(), Timer: due}
	if due {
		d.Passed = k.passed
	}
	r.noted = append(r.noted, d)
}

// Decisions returns what was recorded, in order.
func (r *Recorder) Decisions() []Decision { return append([]Decision(nil), r.noted...) }

// Dropped is the number of decisions that were not kept because there were too
// many. With any of them a replay takes another path.
func (r *Recorder) Dropped() int { return r.dropped }

// TieSeed is what Replaying needs besides the decisions.
func (r *Recorder) TieSeed() uint64 { return r.tieSeed }
