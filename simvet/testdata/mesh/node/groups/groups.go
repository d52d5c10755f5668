package groups

import "golang.org/x/sync/errgroup"

type T struct {
	tasks errgroup.Group // want `golang.org/x/sync/errgroup.Group starts goroutines .* use rt.Group or rt.Semaphore \[sync\]`
}

func fine(t *T) error {
	t.tasks.Go(func() error { return nil }) // the field was refused
	return t.tasks.Wait()
}
