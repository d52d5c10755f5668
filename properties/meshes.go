package properties

// Meshes returns the texts of plans that stand for many: what is drawn of them
// are whole meshes, with their topology, their limits, their links, their work
// and their faults. Each is small, so that many can be played.
func Meshes() []string { return []string{full, ring, narrow, realms} }

// full is nodes that all know each other.
const full = `
plan drawn-full
system mesh
set pool=2..10 clients=3..8
node n count=2..6
node c count=1..3 kind=client
link latency=0s..50ms jitter=0s..10ms loss=0%..3%
at 0s advertise n0 a
at 0s advertise n1 b
from 1s to 20s draw 0..3 advertise
from 1s to 20s draw 0..3 withdraw
from 1s to 20s draw 0..3 restart
from 1s to 20s draw 0..2 leave
from 2s to 28s draw 0..40 call
from 2s to 28s draw 0..4 call size=20KiB
from 2s to 20s draw 0..8 fault
calm 30s
within 10s answered
within 3m reachable
`

// ring is nodes that are connected to some others each, where everybody has to
// be known all the same.
const ring = `
plan drawn-ring
system mesh
set pool=8..20 clients=3..8
node n count=3..6 degree=2..5
node c count=1..2 kind=client
link latency=0s..30ms jitter=0s..5ms loss=0%..1%
at 0s advertise n0 a ttl=5s..20s
at 0s advertise n1 a work=50ms
from 1s to 20s draw 0..3 advertise
from 1s to 20s draw 0..2 restart
from 2s to 28s draw 0..40 call
from 2s to 20s draw 0..6 fault
calm 30s
within 10s answered
within 3m reachable
`

// narrow is nodes of which everything is scarce. The call of a client to a
// service of its own gateway takes two handlers there: one passes it on.
const narrow = `
plan drawn-narrow
system mesh
set pool=1..4 clients=1..3
node n count=2..4 handshakes=1..3 handlers=2..5 calls=1..4
node c count=1..2 kind=client
link latency=1ms..20ms jitter=0s..5ms
at 0s advertise n0 a work=20ms
at 0s advertise n1 b
from 1s to 20s draw 0..2 restart
from 2s to 28s draw 20..80 call
from 2s to 20s draw 0..6 fault
calm 30s
within 10s answered
within 3m reachable
`

// realms is two meshes in one network, each of whose members tries all others.
const realms = `
plan drawn-realms
system mesh
set pool=6..10 clients=4..8
node n count=2..3
node m count=1..3 realm=org.example.elsewhere
node c count=1..2 kind=client
node d count=1..2 kind=client realm=org.example.elsewhere
link latency=0s..30ms jitter=0s..5ms loss=0%..2%
at 0s advertise n0 a
at 0s advertise m0 b
at 1s advertise n1 c
from 1s to 20s draw 0..3 advertise
from 1s to 20s draw 0..2 restart
from 2s to 28s draw 0..40 call
from 2s to 20s draw 0..6 fault
calm 30s
within 10s answered
within 2m converged
within 2m known
within 1m reachable
`
