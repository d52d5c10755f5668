package link

import "sync/atomic"

// Sizes of write buffers in bytes.
const (
	keepBuffer = 1 << 10  // an idle writer keeps no more: ten thousand idle links must not hold what their busiest moment needed
	maxBuffer  = 64 << 10 // a larger one is not shared
)

// Buffers lends write buffers to the links of a node: those that are busy at
// the moment share what none of them keeps. The zero value is empty and ready;
// it holds at most 16 buffers of 64 KiB. It may be used with a lock held.
type Buffers struct {
	slots [16]atomic.Pointer[[]byte]
}

// get returns an empty buffer, or nil when there is none to share.
func (s *Buffers) get() []byte {
	for i := range s.slots {
		if s.slots[i].Load() == nil {
			continue
		}
		if b := s.slots[i].Swap(nil); b != nil {
			return (*b)[:0]
		}
	}
	return nil
}

// put takes a buffer that an idle writer should not keep, and returns what the
// writer keeps.
func (s *Buffers) put(b []byte) (kept []byte) {
	if cap(b) <= keepBuffer {
		return b
	}
	if cap(b) <= maxBuffer {
		for i := range s.slots {
			if s.slots[i].Load() == nil && s.slots[i].CompareAndSwap(nil, &b) {
				break
			}
		}
	}
	return nil
}
