package finalizers

import (
	"runtime"
	"weak"
)

type T struct{ n int }

func attach(t *T) {
	runtime.SetFinalizer(t, nil)           // want `release by an owner's Close \[finalizer\]`
	runtime.AddCleanup(t, func(int) {}, 1) // want `release by an owner's Close \[finalizer\]`
	_ = weak.Make(t)                       // want `weak.Make .*\[finalizer\]`
}

func fine(t *T) { runtime.KeepAlive(t) }
