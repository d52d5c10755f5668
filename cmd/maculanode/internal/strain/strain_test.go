package strain

import (
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// files is a file system of texts.
func files(texts map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range texts {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func TestTheLimitIsTheLowestOfTheGroupAndThoseAboveIt(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no groups":              {nil, 0},
		"version 2, no limit":    {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		"version 2, in a slice":  {map[string]string{"proc/self/cgroup": "0::/a/b.service\n", "sys/fs/cgroup/a/b.service/memory.max": "900\n", "sys/fs/cgroup/a/memory.max": "800\n", "sys/fs/cgroup/memory.max": "max"}, 800},
		"version 2, a container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 536870912},
		"path of the host":       {map[string]string{"proc/self/cgroup": "0::/docker/0123/x\n", "sys/fs/cgroup/memory.max": "77\n"}, 77},
		"above the root":         {map[string]string{"proc/self/cgroup": "0::/../../other\n", "sys/fs/cgroup/memory.max": "78\n"}, 78},
		"version 1":              {map[string]string{"proc/self/cgroup": "11:cpu,cpuacct:/\n4:memory:/docker/ab\n", "sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes": "1000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 1000},
		"version 1, no limit":    {map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"both":                   {map[string]string{"proc/self/cgroup": "4:memory:/a\n0::/b\n", "sys/fs/cgroup/b/memory.max": "max\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5\n"}, 5},
		"nonsense":               {map[string]string{"proc/self/cgroup": "0::a\n::\n0:/x\n4:memory:/m", "sys/fs/cgroup/memory/m/memory.limit_in_bytes": "-1\n"}, 0},
	} {
		if got := groupLimit(files(c.files)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestLatencyIsWhatNinetyNineOfAHundredDoNotPass(t *testing.T) {
	bounds := []float64{math.Inf(-1), 0.001, 0.01, 0.1, math.Inf(1)}
	for _, c := range []struct {
		before, now []uint64
		want        time.Duration
	}{
		{[]uint64{0, 0, 0, 0}, []uint64{200, 0, 0, 0}, time.Millisecond},
		{[]uint64{0, 0, 0, 0}, []uint64{198, 0, 2, 0}, time.Millisecond},
		{[]uint64{0, 0, 0, 0}, []uint64{197, 0, 3, 0}, 100 * time.Millisecond},
		{[]uint64{900, 900, 900, 900}, []uint64{900, 1000, 900, 900}, 10 * time.Millisecond},
		{[]uint64{0, 0, 0, 0}, []uint64{0, 0, 0, 100}, 100 * time.Millisecond},
		{[]uint64{0, 0, 0, 0}, []uint64{0, 0, 0, 99}, 0},
		{nil, []uint64{0, 0, 0, 500}, 0},
	} {
		if got := since(bounds, c.before, c.now); got != c.want {
			t.Errorf("%v to %v: %v, want %v", c.before, c.now, got, c.want)
		}
	}
}

// What is in use counts, and what a collection would free does not. The limit
// is that of the process.
func TestUsedIsWhatACollectionWouldLeave(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	m := newMeter(files(map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}))
	if s := m.Read(); s.Limit != 1<<30 {
		t.Errorf("without GOMEMLIMIT the limit is %d, that of the group is %d", s.Limit, 1<<30)
	}
	debug.SetMemoryLimit(3 << 30)
	runtime.GC()
	before := m.Read()
	const size = 64 << 20
	block := make([]byte, size)
	runtime.GC()
	with := m.Read()
	runtime.KeepAlive(block)
	block = nil
	runtime.GC()
	after := m.Read()
	if before.Limit != 3<<30 {
		t.Errorf("the limit is %d", before.Limit)
	}
	if grown := with.Used - before.Used; grown < size || grown > size+size/4 {
		t.Errorf("with %d more the figure is %d higher", size, grown)
	}
	if left := after.Used - before.Used; left > size/4 {
		t.Errorf("when it is free, %d of %d still count", left, size)
	}
}

// A process that allocates nothing makes no collections: what has become free
// counts no longer all the same.
func TestWhatBecameFreeIsNoticedWithoutACollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	m := New()
	m.Read()
	const size = 256 << 20
	block := make([]byte, size)
	runtime.GC()
	m.Read()
	debug.SetMemoryLimit(2 * size)
	runtime.KeepAlive(block)
	block = nil
	least := int64(math.MaxInt64)
	for range 2 * collectAfter {
		least = min(least, m.Read().Used)
	}
	if least > size/2 {
		t.Errorf("%d bytes are free and %d still count", size, least)
	}
}

func FuzzParseGroups(f *testing.F) {
	for _, s := range []string{"", "0::/", "0::/a\n4:memory:/b\n", "1:name=systemd,memory:/x", "0::/../..", ":::::", "0::/a:b", strings.Repeat("9", 400) + "::/", "4:memory:\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		two, one := parseGroups(s)
		for _, g := range []string{two, one} {
			if g != "" && (!strings.HasPrefix(g, "/") || strings.Contains(g+"/", "/../")) {
				t.Errorf("the group %q", g)
			}
		}
		if l := groupLimit(files(map[string]string{"proc/self/cgroup": s})); l != 0 {
			t.Errorf("a limit of %d, and no file has one", l)
		}
	})
}

func FuzzParseLimit(f *testing.F) {
	for _, s := range []string{"", "max", "max\n", "0", "-1", "1", " 12 \n", "9223372036854771712", "9223372036854775808", "1e9", "0x10", "1_000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := parseLimit(s); ok != (n > 0) || n >= math.MaxInt64/2 {
			t.Errorf("%q is %d, %v", s, n, ok)
		}
	})
}
