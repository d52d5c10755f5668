package sim

import "math/bits"

// fold takes one decision into the hash and the trace. For a given decision
// the step is a bijection of the hash, so two runs that differed once cannot
// meet again by taking the same decisions.
func (w *World) fold(k Kind, m *Machine, a, b uint64) {
	x := uint64(k)
	if m != nil {
		x |= uint64(m.id) << 8
	}
	h := w.hash
	h = bits.RotateLeft64(h^x, 29) * 0x9fb21c651e98df25
	h = bits.RotateLeft64(h^a, 31) * 0xd6e8feb86659fd93
	h = bits.RotateLeft64(h^b, 27) * 0xff51afd7ed558ccd
	w.hash = h
	w.decisions++
	if w.cfg.Trace != nil {
		w.emit(k, m, a, b, "")
	}
}

// foldText is fold for a decision that is a text.
func (w *World) foldText(k Kind, m *Machine, text string) {
	sink := w.cfg.Trace
	w.cfg.Trace = nil
	w.fold(k, m, hashString(text), uint64(len(text)))
	w.cfg.Trace = sink
	if sink != nil {
		w.emit(k, m, 0, 0, text)
	}
}

// foldNamed is fold with a text beside the numbers that only the trace gets,
// because b is its hash.
func (w *World) foldNamed(k Kind, m *Machine, a, b uint64, text string) {
	sink := w.cfg.Trace
	w.cfg.Trace = nil
	w.fold(k, m, a, b)
	w.cfg.Trace = sink
	if sink != nil {
		w.emit(k, m, a, b, text)
	}
}

// finish spreads the last decision over all bits.
func finish(h uint64) uint64 { return mix(h + 0x9e3779b97f4a7c15) }

// Fold takes a decision of a package on top of sim into the hash and the
// trace: a delivery, a loss, a fault. It costs a few nanoseconds and nothing
// on the heap. m may be nil. In the name of a dying task it does nothing.
func (w *World) Fold(k Kind, m *Machine, a, b uint64) {
	if !w.deaf() {
		w.fold(k, m, a, b)
	}
}

// FoldDetail is Fold for a decision of which the trace says more than the
// hash: detail fills in Peer, Took and Text of the record. It is called only
// when there is a trace, and must not call into the world.
func (w *World) FoldDetail(k Kind, m *Machine, a, b uint64, detail func(*Record)) {
	switch sink := w.cfg.Trace; {
	case w.deaf():
	case sink == nil:
		w.fold(k, m, a, b)
	default:
		w.cfg.Trace = nil
		w.fold(k, m, a, b)
		w.cfg.Trace = sink
		w.emitDetail(k, m, a, b, detail)
	}
}

// Note is Fold for a text.
func (w *World) Note(k Kind, m *Machine, text string) {
	if !w.deaf() {
		w.foldText(k, m, text)
	}
}
