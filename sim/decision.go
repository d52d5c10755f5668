package sim

import (
	"fmt"
	"strconv"
	"strings"
)

// Decision is one choice in which a run deviates from FIFO: a task ran before
// another one that had waited longer, or before a timer that was due. It names
// both by what they are and not by when it was, so that it still makes sense
// when something unrelated has changed.
type Decision struct {
	Task TaskKey // that ran
	Step uint64  // which of its steps it was, from one

	Over     TaskKey // the task that had waited longest, perhaps the same one
	OverStep uint64  // the step that it would have made

	Timer  bool   // whether a timer was due, which FIFO would have fired
	Passed uint64 // with Timer: how many had fired by choice while Task was ready for this step
}

// String returns the decision in one line: "a/reader#1:4<b/writer#2:7" when the
// fourth step of the first reader of machine a came before the seventh of the
// second writer of b, and "a/reader#1:4<b/writer#2:7+0" when a timer was due
// besides, and none had fired before it.
func (d Decision) String() string {
	s := fmt.Sprintf("%v:%d<%v:%d", d.Task, d.Step, d.Over, d.OverStep)
	if d.Timer {
		s += "+" + strconv.FormatUint(d.Passed, 10)
	}
	return s
}

// ParseDecision reads what Decision.String has written, and nothing else.
func ParseDecision(text string) (Decision, error) {
	d, rest, err := parseDecision(text)
	if err == nil && rest != "" {
		err = fmt.Errorf("there is more: %.40q", rest)
	}
	if err != nil {
		return Decision{}, fmt.Errorf("sim: not a decision: %.100q: %w", text, err)
	}
	return d, nil
}

func parseDecision(s string) (d Decision, rest string, err error) {
	if d.Task, d.Step, s, err = parseStep(s); err != nil {
		return d, "", err
	}
	s, ok := strings.CutPrefix(s, "<")
	if !ok {
		return d, "", fmt.Errorf("no < at %.40q", s)
	}
	if d.Over, d.OverStep, s, err = parseStep(s); err != nil {
		return d, "", err
	}
	if s, d.Timer = strings.CutPrefix(s, "+"); d.Timer {
		d.Passed, s, err = cutNumber(s)
	}
	return d, s, err
}

// parseStep reads a task and one of its steps.
func parseStep(s string) (k TaskKey, step uint64, rest string, err error) {
	if k, s, err = parseKey(s); err != nil {
		return k, 0, "", err
	}
	s, ok := strings.CutPrefix(s, ":")
	if !ok {
		return k, 0, "", fmt.Errorf("no : at %.40q", s)
	}
	step, rest, err = cutNumber(s)
	return k, step, rest, err
}
