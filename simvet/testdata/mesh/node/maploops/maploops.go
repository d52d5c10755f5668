package maploops

import (
	"maps"
	"reflect"
	"slices"
	"sort"

	"example.test/mesh/mono"
)

type entry struct {
	n     int
	until mono.Time
}

func call(string) {}

func bites(m map[string]entry, s map[string]bool) {
	for k := range m { // want `a range over a map has a random order: go by slices.Sorted\(maps.Keys\(m\)\), .*\[maprange\]`
		call(k)
	}
	for k := range maps.Keys(m) { // want `maps.Keys yields in random order: use slices.Sorted\(maps.Keys\(m\)\) \[maprange\]`
		call(k)
	}
	for range maps.Values(m) { // want `maps.Values`
	}
	for k := range maps.All(m) { // want `maps.All`
		call(k)
	}
	_ = reflect.ValueOf(m).MapRange() // want `\(reflect.Value\).MapRange .*\[maprange\]`
	_ = reflect.ValueOf(m).MapKeys()  // want `\(reflect.Value\).MapKeys .*\[maprange\]`
}

func first(m map[string]entry) string {
	for k := range m { // want `a range over a map`
		return k
	}
	return ""
}

func last(m map[string]entry) (v entry) {
	for _, v = range m { // want `a range over a map`
		v = v
	}
	return v
}

func unsorted(m map[string]entry) []string {
	var keys []string
	for k := range m { // want `fills keys in random order: sort it in this function`
		keys = append(keys, k)
	}
	return keys
}

func sortedBefore(m map[string]entry) []string {
	var keys []string
	slices.Sort(keys)
	for k := range m { // want `fills keys in random order`
		keys = append(keys, k)
	}
	return keys
}

func evict(m map[string]entry, limit int) {
	for k := range m { // want `a range over a map has a random order`
		if len(m) > limit {
			delete(m, k)
		}
	}
}

func counterInCondition(m map[string]entry) (n int) {
	for _, e := range m { // want `a range over a map`
		if n < 3 {
			n += e.n
		}
	}
	return n
}

func floats(m map[string]float64) (sum float64) {
	for _, v := range m { // want `a range over a map`
		sum += v
	}
	return sum
}

func texts(m map[string]string) (all string) {
	for _, v := range m { // want `a range over a map`
		all += v
	}
	return all
}

func effect(m map[string]entry, f func(string) bool) (n int) {
	for k := range m { // want `a range over a map`
		if f(k) {
			n++
		}
	}
	return n
}

func otherKey(m map[string]entry) map[int]string {
	inverse := map[int]string{}
	for k, v := range m { // want `a range over a map`
		inverse[v.n] = k
	}
	return inverse
}

func generic[M ~map[K]V, K comparable, V any](m M, f func(K)) {
	for k := range m { // want `a range over a map`
		f(k)
	}
}

func nested(m map[string]map[string]int) {
	for _, inner := range m { // want `a range over a map`
		for k := range inner { // want `a range over a map`
			call(k)
		}
	}
}

func counts(m map[string]entry, now mono.Time) (n, sum, most int) {
	for range m {
		call("as often as there are entries")
	}
	for _, e := range m {
		if e.until.Before(now) {
			continue
		}
		n++
		sum += e.n
		most = max(most, e.n)
	}
	return n, sum, most
}

func expire(m map[string]entry, now mono.Time) {
	for k, e := range m {
		if e.until < now {
			delete(m, k)
		}
	}
}

func collects(m map[string]entry) []string {
	var keys []string
	for k, e := range m {
		if e.n > 0 {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

type byN []entry

func (b byN) Len() int           { return len(b) }
func (b byN) Less(i, j int) bool { return b[i].n < b[j].n }
func (b byN) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

func collectsValues(m map[string]entry) []entry {
	var all []entry
	for _, e := range m {
		all = append(all, e)
	}
	sort.Sort(byN(all))
	return all
}

func copies(m map[string]entry) map[string]int {
	out := map[string]int{}
	for k, e := range m {
		twice := 2 * e.n
		out[k] = twice
	}
	return out
}

func deep(m map[string][]entry) (n int) {
	for _, list := range m {
		for _, e := range list {
			n += e.n
		}
	}
	return n
}

func sorted(m map[string]entry) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		call(k)
	}
}
