package cli_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/maculamesh/macula/sim/cli"
)

// sharded plays a sweep in four shards, each into a folder of its own, and
// returns the line that merges them.
func sharded(d *desk, line string) (merge string) {
	merge = "merge"
	for _, i := range []int{2, 0, 3, 1} {
		dir := fmt.Sprintf("shard-%d", i)
		d.do("%s --shard %d/4 --out %s", line, i, dir)
		merge += " " + dir
	}
	return merge
}

func TestShardsThatAreMergedAreTheWholeSweep(t *testing.T) {
	for _, line := range []string{
		"sweep shop --seeds 41", "sweep sometimes --seeds 41 --from 9", "sweep never --seeds 10", "sweep good --seeds 9",
		"sweep burst --seeds 8", "sweep shop.plan --seeds 20 --strategy fifo --set takes=30ms", "sweep sometimes --seeds 3",
	} {
		d := shopDesk(t)
		code := d.do("%s --json", line)
		whole := d.sweep(t, line, code)[0]
		merged := d.sweep(t, sharded(d, line), code)[0]
		for i := range merged.Failures {
			if file := merged.Failures[i].File; d.files[file] == "" {
				t.Errorf("%s: there is no file %q", line, file)
			}
			merged.Failures[i].File = ""
		}
		if !reflect.DeepEqual(merged, whole) {
			t.Errorf("%s:\nmerged: %+v\nwhole:  %+v", line, merged, whole)
		}
	}
}

func TestScenariosAreMergedEachForItself(t *testing.T) {
	d := newDesk()
	d.Scenarios = d.Scenarios[:4]
	merge := sharded(d, "sweep all --seeds 10")
	d.want(t, merge+" --coverage", cli.Violated, "good             10 seeds, 10 held", "bad              10 seeds, 0 held", "VIOLATED in 3 seeds: seeds are not divisible", "NEVER MET: the moon")
	d.want(t, merge+" --junit x.xml", cli.Violated)
	r := d.report(t, "x.xml")
	if !strings.Contains(r["never: sometimes: the moon"], "none of 10 seeds") || !strings.Contains(r["bad: it holds"], "in 10 of 10 seeds; again: simtest run bad --seed 1") {
		t.Errorf("%q", r)
	}
	d.want(t, merge+" --junit nowhere/x.xml", cli.Usage, "--junit=nowhere/x.xml")
}

// TestAFolderIsMergedWhereverItIsCopied: the files of failures are beside the
// books, wherever that was when they were written.
func TestAFolderIsMergedWhereverItIsCopied(t *testing.T) {
	d := newDesk()
	d.want(t, "sweep sometimes --seeds 9 --out here", cli.Violated, "here/sometimes-3.json")
	for name, data := range maps.Clone(d.files) {
		d.files["there/"+strings.TrimPrefix(name, "here/")] = data
		delete(d.files, name)
	}
	d.want(t, "merge there", cli.Violated, "file:  there/sometimes-3.json", "simtest shrink there/sometimes-3.json")
	d.want(t, "sweep sometimes --seeds 9 --out there", cli.Violated, "file:  there/sometimes-3.json")
}

func TestAMissingShardIsNoResult(t *testing.T) {
	d := newDesk()
	merge := sharded(d, "sweep sometimes --seeds 12")
	d.want(t, strings.Replace(merge, " shard-2", "", 1)+" --junit x.xml", cli.Internal, "simtest: sometimes: 3 of 4 shards are there; missing: 2\n")
	if r := d.report(t, "x.xml"); !strings.Contains(r["sometimes: every seed was played"], "missing: 2") {
		t.Errorf("%q", r)
	}
	d.want(t, merge, cli.Violated, "12 seeds")
}

func TestAShardThatWasNotPlayedToItsEndIsNoResult(t *testing.T) {
	d := newDesk()
	d.slow()
	merge := sharded(d, "sweep good --seeds 400 --jobs 1 --for 30s")
	d.want(t, merge, cli.Internal, "of 400 seeds were played; run the same sweep")
	merge = sharded(d, "sweep good --seeds 400 --jobs 1")
	d.want(t, merge, cli.Held, "400 seeds, 400 held")
}

func TestShardsThatDoNotFitAreRefused(t *testing.T) {
	d := newDesk()
	d.do("sweep good --seeds 8 --shard 0/4 --out a")
	none := func() {
		maps.DeleteFunc(d.files, func(name, _ string) bool { return strings.HasPrefix(name, "b/") })
	}
	for line, want := range map[string]string{
		"sweep good --seeds 9 --shard 1/4 --out b":                 "b/sweep-good-1-of-4.json is from a sweep with another --from or --seeds",
		"sweep good --seeds 8 --shard 1/4 --out b --set n=2":       "another --set",
		"sweep good --seeds 8 --shard 1/4 --out b --strategy fifo": "another --strategy",
		"sweep good --seeds 8 --shard 1/3 --out b":                 "one of 3 shards, the others are of 4",
		"sweep good --seeds 8 --shard 0/4 --out b":                 "shard 0 of good is there twice",
	} {
		none()
		d.want(t, line, cli.Held)
		d.want(t, "merge a b", cli.Usage, want)
	}
	d.want(t, "merge a a", cli.Usage, "shard 0 of good is there twice")
	d.want(t, "merge a empty", cli.Usage, "empty holds no books of a sweep")
	none()
	d.Version = "v1"
	d.want(t, "sweep good --seeds 8 --shard 1/4 --out b", cli.Held)
	d.want(t, "merge a b", cli.Usage, "another version")
}
