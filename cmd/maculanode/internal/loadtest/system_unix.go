//go:build unix

package loadtest

import (
	"os"
	"syscall"
)

// killed reports whether a process was ended by SIGKILL.
func killed(s *os.ProcessState) bool {
	ws, ok := s.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// fileLimit is how many descriptors this process may have; ok is false when
// nobody knows. The Go runtime has raised the soft limit to the hard one.
func fileLimit() (limit int, ok bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return int(min(uint64(l.Cur), 1<<31-1)), true
}
