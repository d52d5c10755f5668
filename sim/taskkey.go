package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// TaskKey names a task in a way that lasts: it is the same in two runs of one
// program, and mostly still the same when the program has changed a little,
// which Task.ID is not.
type TaskKey struct {
	Machine string
	Name    string
	// N counts the tasks of that name on that machine from one, in the order
	// in which the strategy saw them first.
	N uint64
}

// String returns the key as machine/name#n. A machine or name that has other
// characters than letters, digits and -._ is quoted as in Go.
func (k TaskKey) String() string {
	return quoted(k.Machine) + "/" + quoted(k.Name) + "#" + strconv.FormatUint(k.N, 10)
}

// quoted returns s so that cutWord finds its end again.
func quoted(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return strconv.Quote(s)
}

// parseKey reads a key at the start of s.
func parseKey(s string) (k TaskKey, rest string, err error) {
	if k.Machine, s, err = cutWord(s, "/"); err != nil {
		return k, "", err
	}
	if k.Name, s, err = cutWord(s, "#"); err != nil {
		return k, "", err
	}
	k.N, rest, err = cutNumber(s)
	return k, rest, err
}

// cutWord reads what quoted has written, and the mark behind it.
func cutWord(s, mark string) (word, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		word, rest, ok := strings.Cut(s, mark)
		if !ok || word != quoted(word) {
			return "", "", fmt.Errorf("no word with %s behind it at %.40q", mark, s)
		}
		return word, rest, nil
	}
	q, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", fmt.Errorf("no quoted word at %.40q", s)
	}
	rest, ok := strings.CutPrefix(s[len(q):], mark)
	if !ok {
		return "", "", fmt.Errorf("no %s after %.40q", mark, q)
	}
	word, err = strconv.Unquote(q)
	if err == nil && quoted(word) != q {
		err = fmt.Errorf("%.40q is written %.40q", q, quoted(word))
	}
	return word, rest, err
}

// cutNumber reads the digits at the start of s.
func cutNumber(s string) (n uint64, rest string, err error) {
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	n, err = strconv.ParseUint(s[:end], 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s[:end] {
		return 0, "", fmt.Errorf("no number at %.40q", s)
	}
	return n, s[end:], nil
}

// follower knows the tasks by their keys and counts their steps. It costs a
// look at every ready task for each choice, which is why only the strategies
// that need it have one.
type follower struct {
	seen  []uint64            // a bit for each task's number
	tasks []*known            // in the order of first sight; bound: tasks that have not ended, twice
	byID  map[uint64]*known   // the same
	named map[taskName]uint64 // how many there were; bound: the names
	clean int                 // the size at which those that have ended are forgotten
	added func(k *known)      // may be nil
}

type taskName struct{ machine, name string }

// known is a task that a follower has seen.
type known struct {
	task   *Task
	key    TaskKey
	steps  uint64 // how many times it was picked
	passed uint64 // timers that were picked before it since its last step, while it was ready
	weight uint64 // for URW
}

// next is the number of the step that the task would make next.
func (k *known) next() uint64 { return k.steps + 1 }

const minClean = 1024

func newFollower() follower {
	return follower{byID: map[uint64]*known{}, named: map[taskName]uint64{}, clean: minClean}
}

// look takes notice of tasks that were not there before. It must be called at
// each choice, so that two tasks of one name are numbered by when they became
// ready and not by when they were picked.
func (f *follower) look(ready []*Task) {
	for _, t := range ready {
		word, bit := t.id/64, uint64(1)<<(t.id%64)
		for word >= uint64(len(f.seen)) {
			f.seen = append(f.seen, 0)
		}
		if f.seen[word]&bit == 0 {
			f.seen[word] |= bit
			f.add(t)
		}
	}
}

func (f *follower) add(t *Task) {
	if len(f.tasks) >= f.clean {
		f.forget()
	}
	name := taskName{t.m.name, t.name}
	f.named[name]++
	k := &known{task: t, key: TaskKey{name.machine, name.name, f.named[name]}}
	f.tasks = append(f.tasks, k)
	f.byID[t.id] = k
	if f.added != nil {
		f.added(k)
	}
}

// forget lets go of the tasks that have ended.
func (f *follower) forget() {
	kept := f.tasks[:0]
	for _, k := range f.tasks {
		if k.task.state == taskEnded {
			delete(f.byID, k.task.id)
		} else {
			kept = append(kept, k)
		}
	}
	clear(f.tasks[len(kept):])
	f.tasks = kept
	f.clean = max(2*len(kept), minClean)
}

// of returns what is known of a task that look has seen.
func (f *follower) of(t *Task) *known { return f.byID[t.id] }

// took takes notice of what was picked.
func (f *follower) took(ready []*Task, i int) {
	if i < 0 {
		for _, t := range ready {
			f.of(t).passed++
		}
		return
	}
	k := f.of(ready[i])
	k.steps++
	k.passed = 0
}
