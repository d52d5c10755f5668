package node_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/bounded"
	"github.com/maculamesh/macula/node/discovery"
	"github.com/maculamesh/macula/sim/scenario"
)

const module = "github.com/maculamesh/macula"

// walker goes through everything of ours that can be reached from a value, and
// notes the bounded containers by name.
type walker struct {
	seen  map[visit]bool
	found map[string]string // the first path to a container of that name
}

type visit struct {
	at unsafe.Pointer
	t  reflect.Type
}

// containers returns the names of the bounded containers that can be reached
// from root, with a path to each.
func containers(root any) map[string]string {
	w := &walker{seen: map[visit]bool{}, found: map[string]string{}}
	w.walk(reflect.ValueOf(root), "node")
	return w.found
}

// ours reports whether the walk goes into values of a type: runtimes,
// transports and libraries are none of the node's.
func ours(t reflect.Type) bool {
	return t.PkgPath() == "" || strings.HasPrefix(t.PkgPath(), module+"/node")
}

func (w *walker) walk(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		at := visit{v.UnsafePointer(), v.Type()}
		if v.IsNil() || w.seen[at] {
			return
		}
		w.seen[at] = true
		w.walk(v.Elem(), path)
	case reflect.Interface:
		if !v.IsNil() {
			w.walk(v.Elem(), path)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.walk(v.Index(i), path+"[]")
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			w.walk(it.Key(), path+"{}")
			w.walk(it.Value(), path+"{}")
		}
	case reflect.Struct:
		w.fields(v, path)
	}
}

func (w *walker) fields(v reflect.Value, path string) {
	t := v.Type()
	if !ours(t) {
		return
	}
	if !v.CanAddr() { // the value of a map or an interface
		c := reflect.New(t).Elem()
		c.Set(v)
		v = c
	}
	if t.PkgPath() == module+"/node/bounded" && strings.HasPrefix(t.Name(), "Map[") {
		if name := v.FieldByName("name").String(); w.found[name] == "" {
			w.found[name] = path
		}
	}
	for i := range t.NumField() {
		f := v.Field(i)
		open := reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem() // as if it were exported
		w.walk(open, path+"."+t.Field(i).Name)
	}
}

// unlisted returns the containers that can be reached and are not in Tables.
func unlisted(n *node.Node) (missing []string) {
	listed := map[string]bool{}
	for _, t := range n.Tables() {
		listed[t.Name] = true
	}
	found := containers(n)
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !listed[name] {
			missing = append(missing, fmt.Sprintf("%q at %s", name, found[name]))
		}
	}
	return missing
}

func TestEveryBoundedContainerOfALiveNodeIsInTables(t *testing.T) {
	play(t, 3, func(t *testing.T, s *scenario.Stage) {
		m, other, rest := busy(t, s)
		for range 20 {
			s.Sleep(100 * time.Millisecond)
			for _, missing := range unlisted(m.node) {
				t.Errorf("a table without metrics: %s", missing)
			}
		}
		found := containers(m.node)
		for _, name := range []string{"pool", "clients", "services", "calls in", "calls out", "half-closed streams", "handshakes", "local services", "told peers", "lookups", "local calls"} {
			if found[name] == "" {
				t.Errorf("the walk does not find %q, it has found %v", name, found)
			}
		}
		names := map[string]bool{}
		for _, table := range m.node.Tables() {
			if names[table.Name] {
				t.Errorf("two tables are called %q", table.Name)
			}
			names[table.Name] = true
			if table.Entries > table.Limit || table.Entries > table.Peak {
				t.Errorf("%+v", table)
			}
		}
		rest()
		m.close()
		other.close()
	})
}

// planted is a part of a node with a container that nobody lists.
type planted struct {
	discovery.Discovery
	deep map[string][]any
}

func TestAContainerWithoutMetricsIsFound(t *testing.T) {
	play(t, 1, func(t *testing.T, s *scenario.Stage) {
		m := start(t, s, "n", node.Config{})
		part := reflect.ValueOf(m.node).Elem().FieldByName("discovery")
		place := (*discovery.Discovery)(unsafe.Pointer(part.UnsafeAddr()))
		real := *place
		type box struct{ hidden *bounded.LRU[string, int] }
		*place = &planted{real, map[string][]any{"x": {1, box{bounded.NewLRU[string, int]("hidden", 7)}}}}
		if missing := unlisted(m.node); len(missing) != 1 || !strings.Contains(missing[0], `"hidden"`) {
			t.Errorf("found: %v", missing)
		}
		*place = real
		m.close()
	})
}
