package netsim

import "math/bits"

// ring holds the bytes of one direction of a stream that are written and not
// yet read, in flight or arrived: the stream's window bounds them.
type ring []byte // a power of two long, or nil

const (
	minRing   = 64
	keptRing  = 256 // an empty ring up to this size stays with its stream
	keptFree  = 32  // free rings of each size
	ringSizes = 32
)

// bufPool keeps rings for those who need one next.
type bufPool [ringSizes][]ring

func (p *bufPool) get(size int) ring {
	class := bits.Len(uint(max(size, minRing) - 1))
	if free := p[class]; len(free) > 0 {
		r := free[len(free)-1]
		p[class] = free[:len(free)-1]
		return r
	}
	return make(ring, 1<<class)
}

func (p *bufPool) put(r ring) {
	if len(r) == 0 {
		return
	}
	class := bits.Len(uint(len(r) - 1))
	if len(p[class]) < keptFree {
		p[class] = append(p[class], r)
	}
}

// set copies b into the ring at the offset, which must have room.
func (r ring) set(off int64, b []byte) {
	i := int(off) & (len(r) - 1)
	copy(r, b[copy(r[i:], b):])
}

// get fills b from the ring at the offset.
func (r ring) get(off int64, b []byte) {
	i := int(off) & (len(r) - 1)
	copy(b[copy(b, r[i:]):], r)
}

// room makes the ring hold what is between the offsets and more bytes.
func (p *bufPool) room(r ring, from, to int64, more int) ring {
	need := int(to-from) + more
	if need <= len(r) {
		return r
	}
	bigger := p.get(need)
	for from < to {
		i := int(from) & (len(r) - 1)
		part := r[i:min(len(r), i+int(to-from))]
		bigger.set(from, part)
		from += int64(len(part))
	}
	p.put(r)
	return bigger
}
