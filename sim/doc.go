// Package sim is a deterministic simulator for protocols that are written
// against package rt: it runs many machines in one process, in virtual time,
// and makes every decision from one seed.
//
// A World holds the virtual clock, the scheduler and the machines. A Machine
// is an rt.Runtime: the code under test gets it in place of the real one and
// cannot tell the difference. Tasks are coroutines; one runs at a time, until
// it parks, yields or ends. When no task can run, time jumps to the next
// timer, so waiting costs nothing.
//
// The same seed, configuration and program give the same run: the same order
// of tasks, timers, random draws and log lines. World.Hash folds all of those
// decisions; two runs with one hash took the same path, at every GOMAXPROCS,
// with and without -race, whatever else the process did before.
//
// What can go wrong in a run becomes a *Failure with the virtual time and the
// event's number: a check that did not hold, a panic in a task, a mutex held
// across a park. A failure ends the run; it never ends the process.
//
// Machines crash and restart. A crash unwinds every task of the machine: the
// deferred functions run, but nothing that they do through the machine
// reaches the world, and a recover does not keep the task alive.
//
// A task must not call runtime.Goexit, and so not FailNow, Fatal or Skip of
// package testing; that fails the run. The goroutine that drives a world must
// not be locked to its thread.
//
// Nothing in this package is global, and nothing in it may be used by two
// goroutines at once, with the exception of World.Running. Many worlds may
// run in one process, each on a goroutine of its own. What needs real time
// and real goroutines around a world is in package host.
package sim
