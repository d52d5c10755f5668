// Package worlds plays the same thing in three worlds and compares what comes
// of it: netsim in the simulator, quic-go over simulated packets in virtual
// time, and quic-go over the sockets of the loopback interface.
//
// Netsim takes quic-go as the truth, and this is where that is held against
// quic-go beyond the suite transport/transporttest: whole nodes and clients,
// written against the same contracts, must see the same results and faults.
//
// The second world lies in a bubble of testing/synctest, so a minute passes in
// a moment. With the switches that only a process as a whole has (one
// processor, no garbage collection, a random source of the test) it is also
// repeatable: the same seed is the same packets, byte for byte.
package worlds
