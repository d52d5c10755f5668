package quic

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// mesh is a UDP network with faults between hosts on loopback. Each host has a
// port in it, whose address is the one that the others know it by: what it
// sends leaves the mesh from there.
type mesh struct {
	t  *testing.T
	wg sync.WaitGroup // one for each port

	mu     sync.Mutex
	rand   *rand.Rand
	ports  map[netip.AddrPort]*port // by the host's own address
	closed bool
	cut    bool
	faults faults

	passed, lost int
}

// faults says what happens to a packet, in percent and at most.
type faults struct {
	loss, duplicate, reorder int
	delay                    time.Duration // of each packet, one way
	detour                   time.Duration // more for one that is reordered
}

type port struct {
	outside *net.UDPConn
	host    netip.AddrPort
}

func newMesh(t *testing.T, seed uint64) *mesh {
	return &mesh{t: t, rand: rand.New(rand.NewPCG(seed, 0)), ports: map[netip.AddrPort]*port{}}
}

// join gives a host a port and returns its address.
func (m *mesh) join(host netip.AddrPort) netip.AddrPort {
	outside, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		m.t.Fatal(err)
	}
	growBuffers(outside, 4<<20)
	p := &port{outside, host}
	m.mu.Lock()
	m.ports[host] = p
	m.mu.Unlock()
	m.wg.Go(func() { m.run(p) })
	return unmap(outside.LocalAddr())
}

// close ends the mesh. Packets in flight are lost.
func (m *mesh) close() {
	m.mu.Lock()
	m.closed = true
	for _, p := range m.ports {
		p.outside.Close()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

func (m *mesh) set(change func(m *mesh)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// run takes what arrives at a port to its host.
func (m *mesh) run(to *port) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := to.outside.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		for _, d := range m.fate(from) {
			if d.after == 0 {
				d.from.WriteToUDPAddrPort(buf[:n], to.host)
				continue
			}
			packet := append([]byte(nil), buf[:n]...)
			time.AfterFunc(d.after, func() {
				if !m.isCut() {
					d.from.WriteToUDPAddrPort(packet, to.host)
				}
			})
		}
	}
}

func (m *mesh) isCut() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cut
}

// delivery is one copy of a packet.
type delivery struct {
	from  *net.UDPConn
	after time.Duration
}

// fate decides what becomes of a packet of the host at from.
func (m *mesh) fate(from netip.AddrPort) []delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	sender, f := m.ports[netip.AddrPortFrom(from.Addr().Unmap(), from.Port())], m.faults
	if sender == nil || m.cut || m.rand.IntN(100) < f.loss {
		m.lost++
		return nil
	}
	copies := []delivery{{sender.outside, f.delay}}
	if m.rand.IntN(100) < f.duplicate {
		copies = append(copies, copies[0])
	}
	for i := range copies {
		if m.rand.IntN(100) < f.reorder {
			copies[i].after += time.Duration(m.rand.Int64N(int64(f.detour)))
		}
	}
	m.passed += len(copies)
	return copies
}
