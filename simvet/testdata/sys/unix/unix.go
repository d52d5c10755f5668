// Package unix stands in for golang.org/x/sys/unix.
package unix

// Getpid stands in for one of its many calls.
func Getpid() int { return 0 }
