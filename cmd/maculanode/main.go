// Maculanode runs a node of the mesh, and is the way to look at a running one
// and to use it; see "maculanode --help".
//
// Its exit codes are stable: 0 ok, 1 failed, 2 usage, 3 unreachable, 4 refused
// or overloaded, 5 deadline.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the system's own action is back: the second one
	// ends the process at once.
	context.AfterFunc(ctx, stop)
	m := Main{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), OwnsProcess: true,
	}
	os.Exit(m.Run(ctx))
}
