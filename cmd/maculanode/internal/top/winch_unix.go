//go:build unix

package top

import (
	"os"
	"os/signal"
	"syscall"
)

// watchSize tells of changes of the terminal's size, until stop is called.
func watchSize() (changed <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	return c, func() { signal.Stop(c) }
}
