//go:build unix

package doctor

import "syscall"

// ownLimit is how many files this process may have open; the Go runtime has
// raised the soft limit to the hard one, as it does for the node.
func ownLimit() (int, bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return int(min(uint64(l.Cur), 1<<31-1)), true
}
