package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/maculamesh/macula/sim"
	"github.com/maculamesh/macula/sim/plan"
	"github.com/maculamesh/macula/sim/scenario"
)

// failure is a failure file: what is needed to play a run again, and what it
// showed. The plan is there as it was drawn, and the schedule as it was, so
// that the run can be played when the code has changed a little.
type failure struct {
	Version   string            `json:"version"`
	Scenario  string            `json:"scenario"`
	Seed      uint64            `json:"seed"`
	Strategy  string            `json:"strategy"`
	Params    map[string]string `json:"params,omitempty"`
	Signature string            `json:"signature"`
	Saw       string            `json:"saw"`
	Hash      string            `json:"hash"`
	Events    int               `json:"events"`
	Points    []point           `json:"checkpoints,omitempty"`
	Plan      []string          `json:"plan,omitempty"`
	TieSeed   uint64            `json:"tie_seed,omitempty"`
	Small     bool              `json:"small,omitempty"`  // the schedule, and not the strategy, is what fails
	Stride    int               `json:"stride,omitempty"` // events between two recounts, if it is not the usual number
	Decisions []string          `json:"decisions,omitempty"`
}

// point is a checkpoint of the hash.
type point struct {
	Event uint64 `json:"event"`
	Hash  string `json:"hash"`
}

// maxPoints bounds the checkpoints in a failure file.
const maxPoints = 64

// maxDecisions bounds the schedule in a failure file; of a longer run it is
// left out.
const maxDecisions = 50_000

// failureOf describes a run that failed.
func (a *App) failureOf(r *scenario.Result) *failure {
	j := resultJSON(r, 0)
	f := &failure{
		Version: a.Version, Scenario: r.Scenario, Seed: r.Seed, Strategy: r.Strategy, Params: j.Params,
		Signature: r.Failure.Signature(), Saw: r.Failure.Err.Error(), Hash: j.Hash, Events: r.Events,
	}
	for i := 0; i < len(r.Points); i += 1 + len(r.Points)/maxPoints {
		p := r.Points[i]
		f.Points = append(f.Points, point{p.Event, fmt.Sprintf("%016x", p.Hash)})
	}
	if r.Plan != nil {
		f.Plan, f.Params = strings.Split(strings.TrimSuffix(r.Plan.String(), "\n"), "\n"), nil
	}
	if r.Schedule != nil {
		f.TieSeed = r.Schedule.TieSeed
		for _, d := range r.Schedule.Decisions {
			f.Decisions = append(f.Decisions, d.String())
		}
	}
	return f
}

// schedule is that of the file, or nil.
func (f *failure) schedule() (*scenario.Schedule, error) {
	if len(f.Decisions) == 0 && !f.Small {
		return nil, nil
	}
	s := &scenario.Schedule{TieSeed: f.TieSeed}
	for i, text := range f.Decisions {
		d, err := sim.ParseDecision(text)
		if err != nil {
			return nil, fmt.Errorf("decision %d: %w", i+1, err)
		}
		s.Decisions = append(s.Decisions, d)
	}
	return s, nil
}

func (a *App) write(name string, f *failure) error {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetIndent("", " ")
	out.SetEscapeHTML(false) // decisions have a "<"
	if err := out.Encode(f); err != nil {
		return err
	}
	return a.WriteFile(name, b.Bytes())
}

// filePlan marks the plan of a failure file in messages.
const filePlan = " (its plan)"

// load reads a failure file and finds its scenario: the plan of the file, or
// the one of that name in the program.
func (a *App) load(name string) (*failure, *scenario.Scenario, error) {
	data, err := a.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	f := &failure{}
	if err := json.Unmarshal(data, f); err != nil || f.Scenario == "" || f.Signature == "" {
		return nil, nil, fmt.Errorf("%s is no failure file; sweep --out and shrink write them", name)
	}
	if _, err := f.schedule(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(f.Plan) == 0 {
		s, err := a.find(f.Scenario)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		return f, s, nil
	}
	p, err := plan.Parse(name+filePlan, []byte(strings.Join(f.Plan, "\n")))
	if err != nil {
		return nil, nil, err
	}
	s, err := scenario.FromPlan(p, a.Systems...)
	return f, s, err
}

// options are those with which the run of the file was played.
func (f *failure) options(a *App, s *scenario.Scenario) (scenario.Options, error) {
	opt := scenario.Options{Seed: f.Seed, Strategy: f.Strategy, Set: f.Params, Watch: a.watched(s, f.Seed, nil), Stride: f.Stride}
	if f.Small {
		var err error
		if opt.Schedule, err = f.schedule(); err != nil {
			return opt, err
		}
	}
	return opt, nil
}
