package live

import (
	"fmt"
	"slices"
)

// left lists what is there of a life, a line for each, but for one task.
func (l *life) left(but *task) []string {
	var tasks, rest []string
	for _, t := range l.tasks {
		if t != but {
			tasks = append(tasks, fmt.Sprintf("task %s, made at %s, %s", t.name, t.site, t.waiting()))
		}
	}
	for t := range l.timers {
		rest = append(rest, fmt.Sprintf("timer %s, made at %s", t.name, t.site))
	}
	for h := range l.hooks {
		if h.ctx.Err() == nil { // else it is about to run
			rest = append(rest, "context hook AfterDone, made at "+h.site)
		}
	}
	for c := range l.contexts {
		switch {
		case c.Err() != nil:
			delete(l.contexts, c) // its parent holds it no more
		case c.timer == nil || !c.timer.pending: // else it is among the timers
			rest = append(rest, fmt.Sprintf("context %s, made at %s", c.name, c.site))
		}
	}
	slices.Sort(rest)
	return append(tasks, rest...)
}
