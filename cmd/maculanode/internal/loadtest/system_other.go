//go:build !unix

package loadtest

import "os"

// killed reports whether a process was ended from outside, as far as the
// system tells.
func killed(s *os.ProcessState) bool { return !s.Success() }

// fileLimit is how many descriptors this process may have: nobody knows.
func fileLimit() (limit int, ok bool) { return 0, false }
