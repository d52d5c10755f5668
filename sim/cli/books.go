package cli

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/maculamesh/macula/sim/scenario"
)

// open finds the books of every scenario before anything is played, so that
// what does not fit is told at once, and so that merge misses a scenario that
// a shard has never come to.
func (c *sweepCmd) open(a *App, list []*scenario.Scenario) ([]*swept, error) {
	var all []*swept
	for _, s := range list {
		w, err := c.books(a, s)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	for _, w := range all {
		if err := c.writeBooks(a, w); err != nil {
			return nil, fmt.Errorf("--out=%s: %w", c.Out, err)
		}
	}
	return all, nil
}

// books are those that an earlier sweep with the same options has left in the
// folder, or empty ones.
func (c *sweepCmd) books(a *App, s *scenario.Scenario) (*swept, error) {
	i, n, err := c.shard()
	if err != nil {
		return nil, err
	}
	w := newSwept(s.Name, c.From, c.Seeds, i, n)
	w.Strategy, w.Set, w.Version, w.Plan, w.Sometimes = c.Strategy, c.Set, a.Version, planID(s), append(w.Sometimes, s.Sometimes...)
	if c.Out == "" {
		return w, nil
	}
	old, err := a.readBooks(c.Out, booksFile(w))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return w, nil
	case err != nil:
		return nil, err
	}
	if why := old.differs(w); why != "" {
		return nil, fmt.Errorf("%s is from a sweep with another %s: choose another folder, or remove it", path.Join(c.Out, booksFile(w)), why)
	}
	if _, ok := exhaustive(c.Strategy); ok {
		return w, nil // a schedule derives from the one before it, so it begins again
	}
	return old, nil
}

// planID tells a plan from one that was edited; empty is a story in Go.
func planID(s *scenario.Scenario) string {
	if s.Plan == nil {
		return ""
	}
	h := fnv.New64a()
	h.Write([]byte(s.Plan.String()))
	return fmt.Sprintf("%016x", h.Sum64())
}

// booksFile is the name of the books within their folder.
func booksFile(w *swept) string {
	return fmt.Sprintf("sweep-%s-%d-of-%d.json", w.Scenario, w.Shard, w.Shards)
}

// isBooks reports whether a file in such a folder is named like books. The
// others are failure files: SCENARIO-SEED.json.
func isBooks(name string) bool {
	ok, err := path.Match("sweep-*-*-of-*.json", name)
	return ok && err == nil
}

// writeBooks writes the books, if there is a folder for them. The names of the
// failure files in them are relative to it: it is copied to where it is merged.
func (c *sweepCmd) writeBooks(a *App, w *swept) error {
	if c.Out == "" {
		return nil
	}
	out := *w
	out.Failures = slices.Clone(w.Failures)
	for i := range out.Failures {
		if f := &out.Failures[i].File; *f != "" {
			*f = path.Base(*f)
		}
	}
	hashes := make([]uint64, 0, len(w.hashes))
	for h := range w.hashes {
		hashes = append(hashes, h)
	}
	slices.Sort(hashes)
	out.Hashes = make([]byte, 0, 8*len(hashes))
	for _, h := range hashes {
		out.Hashes = binary.BigEndian.AppendUint64(out.Hashes, h)
	}
	data, err := json.Marshal(&out)
	if err != nil {
		return err
	}
	return a.WriteFile(path.Join(c.Out, booksFile(w)), append(data, '\n'))
}

// readBooks reads books and looks whether they make sense.
func (a *App) readBooks(dir, name string) (*swept, error) {
	file := path.Join(dir, name)
	data, err := a.ReadFile(file)
	if err != nil {
		return nil, err
	}
	w := &swept{}
	if err := json.Unmarshal(data, w); err != nil {
		return nil, fmt.Errorf("%s: not the books of a sweep: %w", file, err)
	}
	if why := w.broken(); why != "" {
		return nil, fmt.Errorf("%s: not the books of a sweep: %s", file, why)
	}
	for i := range w.Failures {
		if f := &w.Failures[i].File; *f != "" {
			*f = path.Join(dir, path.Base(*f))
		}
	}
	return w, nil
}

// broken says what is wrong with books that were read, and makes what they
// leave out.
func (w *swept) broken() string {
	if w.Scenario == "" || w.Total < 1 || w.Total > maxSeeds || w.Shards < 1 || w.Shards > maxSeeds || w.Shard < 0 || w.Shard >= w.Shards || w.Of < 0 {
		return "no scenario with seeds"
	}
	_, ok := exhaustive(w.Strategy)
	if of := newSwept(w.Scenario, w.From, w.Total, w.Shard, w.Shards).Of; !ok && w.Of != of {
		return fmt.Sprintf("%d seeds of %d in shard %d/%d", w.Of, w.Total, w.Shard, w.Shards)
	}
	done, next := 0, 0
	for _, d := range w.Done {
		if d.From < next || d.To < d.From || d.To >= w.Of {
			return fmt.Sprintf("seeds %d to %d of %d are done", d.From, d.To, w.Of)
		}
		done, next = done+d.To-d.From+1, d.To+1
	}
	if !ok && done != w.Seeds {
		return fmt.Sprintf("%d seeds were played, and %d are done", w.Seeds, done)
	}
	if w.Held < 0 || w.Held > w.Seeds {
		return fmt.Sprintf("%d seeds were played, and %d of them held", w.Seeds, w.Held)
	}
	if w.Marks == nil {
		w.Marks = map[string]uint64{}
	}
	if w.Checks == nil {
		w.Checks = map[string]uint64{}
	}
	return w.unpack()
}

// unpack takes the hashes out of the form that they have in a file, and says
// what is wrong with them.
func (w *swept) unpack() string {
	w.hashes = map[uint64]bool{}
	size := len(w.Hashes)
	for ; len(w.Hashes) >= 8; w.Hashes = w.Hashes[8:] {
		w.hashes[binary.BigEndian.Uint64(w.Hashes)] = true
	}
	if len(w.Hashes) != 0 || len(w.hashes) != w.Paths || size != 8*w.Paths {
		return fmt.Sprintf("%d bytes of hashes for %d paths", size, w.Paths)
	}
	return ""
}

// keep writes the books, and a file for each kind of failure.
func (c *sweepCmd) keep(a *App, s *scenario.Scenario, w *swept) error {
	if c.Out == "" {
		return nil
	}
	// First the books: writing the files takes a run each, and whoever ends the
	// program may not wait for that.
	if err := c.writeBooks(a, w); err != nil {
		return fmt.Errorf("--out=%s: %w", c.Out, err)
	}
	for i := range w.Failures {
		g := &w.Failures[i]
		if g.Property == stuck || g.File != "" && g.shortest == nil {
			continue // cannot be played to its end, or is written
		}
		file := path.Join(c.Out, failureFile(s.Name, g))
		if err := c.save(a, file, s, g); err != nil {
			fmt.Fprintf(a.Stderr, "%s: %s: %v\n", a.Name, file, err)
			continue
		}
		g.File = file
	}
	if err := c.writeBooks(a, w); err != nil {
		return fmt.Errorf("--out=%s: %w", c.Out, err)
	}
	return nil
}

// failureFile is the name of the file of a group within its folder. Of
// exhaustive, all runs have one seed, and the schedules have numbers.
func failureFile(scenario string, g *group) string {
	if parts := strings.Split(g.Strategy, ":"); parts[0] == "exhaustive" {
		return fmt.Sprintf("%s-%d-%s.json", scenario, g.Seed, parts[len(parts)-1])
	}
	return fmt.Sprintf("%s-%d.json", scenario, g.Seed)
}

// save writes the shortest failure of a group, which is played once more for
// its schedule.
func (c *sweepCmd) save(a *App, file string, s *scenario.Scenario, g *group) error {
	r, err := scenario.Play(s, scenario.Options{Seed: g.Seed, Strategy: g.Strategy, Set: c.Set, Record: maxDecisions, Watch: a.watched(s, g.Seed, nil)})
	if err != nil {
		return err
	}
	if old := g.shortest; old != nil && r.Hash != old.Hash {
		r = old
	}
	if r.Held() || r.Failure.Signature() != g.Signature {
		return fmt.Errorf("seed %d does not fail as before: %s", g.Seed, g.Signature)
	}
	return a.write(file, a.failureOf(r))
}
