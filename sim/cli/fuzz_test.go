package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/sim/scenario"
)

// fileApp is a program with one scenario in front of files that are a map.
func fileApp(files map[string][]byte) *App {
	return &App{
		Name: "simtest", Version: "v0", Stdout: io.Discard, Stderr: io.Discard, Now: func() time.Time { return time.Unix(0, 0) },
		Scenarios: []*scenario.Scenario{{
			Name: "good", Shows: "nothing", Limit: time.Minute, Params: []scenario.Param{{Name: "n", Default: "1", Least: "1", Doc: "a number"}},
			Play: func(s *scenario.Stage) { s.Sleep(time.Second) },
		}},
		ReadFile: func(name string) ([]byte, error) {
			if data, ok := files[name]; ok {
				return data, nil
			}
			return nil, fs.ErrNotExist
		},
		WriteFile: func(name string, data []byte) error { files[name] = bytes.Clone(data); return nil },
		MakeDir:   func(string) error { return nil },
	}
}

// oneLine demands that an error is one short line of text.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if msg := err.Error(); strings.ContainsAny(msg, "\n\r") || len(msg) > 1500 {
		t.Fatalf("an error of %d bytes: %.2000q", len(msg), msg)
	}
}

// FuzzFailureFile reads failure files of any sort. One that is taken is written
// and read again as it was, and has options with which a run can be played; of
// one that is not, the error is one line.
func FuzzFailureFile(f *testing.F) {
	const head = `{"version":"v0","scenario":"good","seed":7,"strategy":"random","signature":"a: b","saw":"b","hash":"00ff","events":3`
	for _, s := range []string{
		head + `}`, head + `,"params":{"n":"2"},"checkpoints":[{"event":1,"hash":"0f"}],"tie_seed":18446744073709551615,"small":true,"stride":5,"decisions":["a/reader#1:4<b/writer#2:7+0"]}`,
		head + `,"decisions":["nonsense"]}`, head + `,"decisions":[null]}`, head + `,"small":true}`, head + `,"stride":-9223372036854775808}`, head + `,"strategy":"pct:1000000000000"}`, head + `,"strategy":"exhaustive:1:5"}`,
		head + `,"params":{"n":"NaN"}}`, head + `,"params":{"a\nb":"\n"}}`, head + `,"seed":18446744073709551616}`, head + `,"seed":-1}`, head + `,"seed":1e400}`, head + `,"seed":NaN}`, head + `,"scenario":"other"}`, head + `,"scenario":"a\nb"}`, head + `,"scenario":"` + strings.Repeat("s", 5000) + `"}`,
		head + `,"plan":["plan p","system mesh"]}`, head + `,"plan":["plan \u0000"]}`, head + `,"plan":["a\nb"]}`, head + `,"plan":["` + strings.Repeat(`\"`, 3000) + `"]}`, head + `,"decisions":["` + strings.Repeat("d", 5000) + `"]}`,
		head, head + `}}`, head + `}` + head + `}`, ``, `{}`, `null`, `[]`, strings.Repeat("[", 20000), head + `,"plan":` + strings.Repeat("[", 9000), "{\"scenario\":\"good\",\"signature\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		files := map[string][]byte{"f.json": text}
		a := fileApp(files)
		got, s, err := a.load("f.json")
		if err != nil {
			oneLine(t, err)
			return
		}
		if got.Scenario == "" || got.Signature == "" || s == nil {
			t.Fatalf("%+v", got)
		}
		if err := a.write("g.json", got); err != nil {
			t.Fatal(err)
		}
		again, _, err := a.load("g.json")
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		one, _ := json.Marshal(got)
		two, _ := json.Marshal(again)
		if !bytes.Equal(one, two) {
			t.Fatalf("%s became %s", one, two)
		}
		opt, err := got.options(a, s)
		if err != nil {
			t.Fatalf("it was taken, and its schedule is none: %v", err)
		}
		if strings.HasPrefix(opt.Strategy, "exhaustive:") {
			return // the number in it is what it costs
		}
		opt.Watch = nil
		if _, err := scenario.Play(s, opt); err != nil {
			oneLine(t, err)
		}
	})
}

// FuzzBooks reads the books of sweeps of any sort. What is taken makes sense
// and can be counted, merged, gone on with, written, and read again as it was.
func FuzzBooks(f *testing.F) {
	const head = `{"scenario":"good","from":0,"total":10,"shard":0,"shards":2,"of":5,"seeds":2,"held":2,"done":[{"from":0,"to":1}],"paths":1,"hashes":"AAAAAAAAAAE="`
	w := newSwept("good", 5, 9, 1, 2)
	w.did(0)
	w.Seeds, w.Held = 1, 1
	own, err := json.Marshal(w)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		string(own), head + `}`, head + `,"marks":{"m":1},"checks":{"c":18446744073709551615}}`, head + `,"marks":{"m":-1}}`, head + `,"failures":[{"signature":"s","seed":3,"file":"../../etc/x.json"}]}`, head + `,"failures":[null]}`, head + `,"coverage":[{}]}`,
		head + `,"seeds":3}`, head + `,"held":3}`, head + `,"seeds":-1,"done":[]}`, head + `,"done":[{"from":1,"to":0}]}`, head + `,"done":[{"from":0,"to":3},{"from":2,"to":4}]}`, head + `,"done":[{"from":0,"to":9223372036854775807}]}`, head + `,"done":[{"from":-5,"to":1}]}`,
		head + `,"total":1000000000001}`, head + `,"shards":9223372036854775807,"total":1000000000000}`, head + `,"shards":9223372036854775807,"of":-9223372036854775808,"seeds":0,"done":[]}`, head + `,"shard":2}`, head + `,"shard":-1}`, head + `,"total":0}`, head + `,"of":-1}`, head + `,"from":18446744073709551615}`, head + `,"from":18446744073709551616}`,
		head + `,"strategy":"exhaustive:1","of":9223372036854775807,"seeds":-7}`, head + `,"strategy":"exhaustive:1","of":-9}`, head + `,"paths":2}`, head + `,"hashes":"AA"}`, head + `,"hashes":"!"}`, head + `,"paths":2,"hashes":"AAAAAAAAAAEAAAAAAAAAAQ=="}`, head + `,"paths":-1}`,
		head + `,"scenario":"../x"}`, head + `,"scenario":"` + strings.Repeat("s", 5000) + `"}`, head + `,"events":NaN}`, head + `,"events":1e400}`, head, ``, `{}`, `null`, `[]`, strings.Repeat("[", 20000), "{\"scenario\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		files := map[string][]byte{"d/b.json": text}
		a := fileApp(files)
		w, err := a.readBooks("d", "b.json")
		if err != nil {
			oneLine(t, err)
			return
		}
		demandSense(t, w)
		c := &sweepCmd{Out: "d"}
		if err := c.writeBooks(a, w); err != nil {
			t.Fatal(err)
		}
		again, err := a.readBooks("d", path.Base(booksFile(w)))
		if path.Dir(booksFile(w)) == "." {
			if err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			if !reflect.DeepEqual(again, w) {
				t.Fatalf("%+v became %+v", w, again)
			}
		}
		all, err := join(nil, w, "b.json")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := join(all, w, "b.json"); err == nil {
			t.Fatal("the same shard is merged twice")
		}
		if m := all[0]; m.Seeds != w.Seeds || m.Held != w.Held || m.Paths != len(m.hashes) {
			t.Fatalf("merged it is %+v", m)
		}
		all[0].missing()
	})
}

// demandSense looks at what the sweep relies on.
func demandSense(t *testing.T, w *swept) {
	t.Helper()
	if w.Of < 0 || w.Seeds < 0 || w.Held < 0 || w.Held > w.Seeds || w.Marks == nil || w.Checks == nil || w.Paths != len(w.hashes) && w.Paths < 0 {
		t.Fatalf("these make no sense: %+v", w)
	}
	for _, g := range w.Failures {
		if g.File != "" && (path.Dir(g.File) != "d" && g.File != "d" && g.File != "." && g.File != "/") {
			t.Fatalf("a failure file outside of the folder: %q", g.File)
		}
	}
	left, next := 0, -1
	spans := w.left()
	for _, x := range spans {
		if x.From <= next || x.To < x.From || x.To >= w.Of {
			t.Fatalf("seeds %d to %d are left of %d, done are %v", x.From, x.To, w.Of, w.Done)
		}
		left, next = left+x.To-x.From+1, x.To
	}
	if _, ok := exhaustive(w.Strategy); !ok && left != w.Of-w.Seeds {
		t.Fatalf("%d seeds are left of %d, and %d were played", left, w.Of, w.Seeds)
	}
	if left > 0 {
		if k := nth(spans, left-1); w.number(w.seed(k)) != k {
			t.Fatalf("seed %d is number %d, and not %d", w.seed(k), w.number(w.seed(k)), k)
		}
	}
}

// FuzzShard demands that a shard that is taken is one of so many, and that all
// of them together are all seeds.
func FuzzShard(f *testing.F) {
	for _, s := range []string{"", "0/1", "1/1", "0/0", "-1/2", "1/2/3", "a/b", "1/", "/1", "9223372036854775806/9223372036854775807", "0/9223372036854775808", "NaN/1", "0x0/1", "+0/1", "\xff/1", "0/1\n", strings.Repeat("9", 3000) + "/1"} {
		f.Add(s, uint16(10))
	}
	f.Fuzz(func(t *testing.T, text string, total uint16) {
		c := &sweepCmd{Shard: text}
		i, n, err := c.shard()
		if err != nil {
			if i != 0 || n != 0 || !strings.HasSuffix(err.Error(), "want I/N with I from 0 to N-1") {
				t.Fatalf("%q is shard %d of %d: %v", text, i, n, err)
			}
			return
		}
		if i < 0 || i >= n || n < 1 {
			t.Fatalf("%q is shard %d of %d", text, i, n)
		}
		if n > 1000 {
			return
		}
		sum := 0
		for k := range n {
			w := newSwept("good", 0, 1+int(total), k, n)
			if w.Of > 0 && w.seed(w.Of-1) > uint64(total) {
				t.Fatalf("the last seed of shard %d/%d is %d of %d", k, n, w.seed(w.Of-1), 1+int(total))
			}
			sum += w.Of
		}
		if sum != 1+int(total) {
			t.Fatalf("%d shards have %d seeds of %d", n, sum, 1+int(total))
		}
	})
}

// FuzzExhaustive demands that the strategy is named with a number of
// deviations and nothing else.
func FuzzExhaustive(f *testing.F) {
	for _, s := range []string{"", "exhaustive", "exhaustive:", "exhaustive:1", "exhaustive:1:2", "exhaustive:-1", "exhaustive:NaN", "exhaustive:9223372036854775808", "exhaustive:+1", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := exhaustive(s)
		if ok && (n < 0 || !strings.HasPrefix(s, "exhaustive:") || strings.Count(s, ":") != 1) {
			t.Fatalf("%q allows %d deviations", s, n)
		}
	})
}

// FuzzBooksName demands that the name of any books is known as one, and that of
// a failure file not.
func FuzzBooksName(f *testing.F) {
	f.Add("mesh-4", uint64(7), 0, 1)
	f.Add("a-of-b", uint64(0), -1, 1<<62)
	f.Add("sweep-x-1-of-2", uint64(1), 3, 4)
	f.Fuzz(func(t *testing.T, name string, seed uint64, shard, shards int) {
		if strings.ContainsAny(name, "/") {
			return
		}
		if b := booksFile(&swept{Scenario: name, Shard: shard, Shards: shards}); !isBooks(b) {
			t.Fatalf("%q are no books", b)
		}
		file := failureFile(name, &group{Seed: seed, Strategy: "random"})
		if isBooks(file) && !strings.HasPrefix(name, "sweep-") {
			t.Fatalf("the failure file %q is taken for books", file)
		}
	})
}
