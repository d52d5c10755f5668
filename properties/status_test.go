package properties_test

import (
	"reflect"
	"testing"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ledger"
)

// What is shown of a node as figures is made of fields: a map or a slice could
// have as many series as there are peers. Arrays are fixed.
func TestTheStatusOfANodeHasNoSeriesThatGrow(t *testing.T) {
	fields := 0
	var walk func(path string, x reflect.Type)
	walk = func(path string, x reflect.Type) {
		if x == reflect.TypeFor[[]ledger.Usage]() {
			return // one for each class of the ledger, which the code names
		}
		switch x.Kind() {
		case reflect.Map, reflect.Slice, reflect.Interface, reflect.Chan, reflect.Func:
			t.Errorf("%s is a %s", path, x.Kind())
		case reflect.Struct:
			for i := range x.NumField() {
				fields++
				f := x.Field(i)
				if x.PkgPath() == "net/netip" {
					continue // an address
				}
				walk(path+"."+f.Name, f.Type)
			}
		case reflect.Array, reflect.Pointer:
			walk(path, x.Elem())
		}
	}
	walk("Status", reflect.TypeFor[node.Status]())
	if fields < 20 {
		t.Errorf("only %d fields were looked at", fields)
	}
}
