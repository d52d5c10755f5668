package measures

import (
	"io/ioutil"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"golang.org/x/sys/unix"
)

func measure() {
	_ = runtime.NumCPU()        // want `runtime.NumCPU reads the process.*\[io\]`
	_ = runtime.GOMAXPROCS(0)   // want `runtime.GOMAXPROCS reads the process`
	debug.ReadGCStats(nil)      // want `runtime/debug.ReadGCStats reads the process`
	_ = debug.SetMemoryLimit(1) // want `runtime/debug.SetMemoryLimit reads the process`
	debug.FreeOSMemory()        // want `runtime/debug.FreeOSMemory reads the process`
	metrics.Read(nil)           // want `runtime/metrics.Read reads the process`
	_ = unix.Getpid()           // want `golang.org/x/sys/unix.Getpid is input or output past the injected world`
	_, _ = ioutil.ReadFile("x") // want `io/ioutil.ReadFile .* use package io \[io\]`
}

func fine() string { return runtime.GOOS + runtime.Version() }
