package tasks

import (
	"iter"
	"runtime"
)

func start(f func()) {
	go f()            // want `a go statement .* use rt.Runtime.Go.* \[go\]`
	runtime.Gosched() // want `runtime.Gosched .* use rt.Runtime.Yield \[go\]`
}

func coroutine(seq iter.Seq[int]) {
	next, stop := iter.Pull(seq) // want `iter.Pull starts a coroutine: start a task by rt.Runtime.Go \[go\]`
	defer stop()
	next()
}

func coroutine2(seq iter.Seq2[int, int]) {
	_, stop := iter.Pull2(seq) // want `iter.Pull2 starts a coroutine: start a task by rt.Runtime.Go \[go\]`
	stop()
}

func fine(seq iter.Seq[int], f func()) {
	for range seq {
	}
	defer f()
}
