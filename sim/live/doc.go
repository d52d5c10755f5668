// Package live plays the stories of sim/scenario on the system clock and over
// real connections, in one process.
//
// A World implements scenario.World. Its tasks are goroutines, yet they take
// turns: each holds one lock while it runs, and gives it up exactly where it
// waits. So a story may share plain variables between its tasks, as in the
// simulator, properties are checked whenever a task gives up its turn, and
// nothing changes while they are. What differs from the simulator is what
// decides the order: the machine, the kernel and the clock, and not a seed.
//
// Between the sockets of the machines lies a Network that delays, loses and
// reorders packets, and has the faults of netsim as far as that is possible
// from outside of a connection. With Config.InProcess there are no sockets and
// packets go from host to host: then a world can be played in a bubble of
// testing/synctest, in virtual time.
//
// The package knows no transport and no runtime of its own: Config has them.
package live
