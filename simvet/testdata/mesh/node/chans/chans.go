package chans

import "context"

type T struct {
	c chan int // want `a channel blocks .*\[chan\]`
}

func ops(t T, ctx context.Context) {
	t.c <- 1        // want `a send blocks .* use rt.Queue.Put \[chan\]`
	<-ctx.Done()    // want `a receive blocks .* rt.Parker.Park with the context \[chan\]`
	for range t.c { // want `a range over a channel blocks .* use rt.Queue.Get \[chan\]`
	}
	close(t.c) // want `close of a channel: use rt.Queue.Close or rt.Event \[chan\]`
}

func choice(t T, ctx context.Context) {
	select { // want `select chooses at random: .*\[select\]`
	case <-ctx.Done():
	case t.c <- 1:
	case v := <-t.c:
		_ = v
		<-t.c // want `a receive blocks`
	}
}

func fine(ctx context.Context, close func(int)) bool {
	close(1)
	return ctx.Done() == nil
}
