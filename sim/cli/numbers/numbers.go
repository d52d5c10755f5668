// Package numbers lets the flags of both commands take whole numbers, negative
// ones too, and says in words of its own what is wrong with one.
package numbers

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// Join returns args with "--flag=-1" for "--flag -1", which the parser of flags
// takes for another flag: no flag is a digit. It leaves alone what comes after "--"
// or one of stop.
func Join(args []string, stop ...string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" || slices.Contains(stop, arg) {
			return append(out, args[i:]...)
		}
		if negative(arg) && i > 0 && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "=") {
			out[len(out)-1] += "=" + arg
			continue
		}
		out = append(out, arg)
	}
	return out
}

func negative(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9'
}

// Mappers read the flags that are whole numbers.
func Mappers() []kong.Option {
	return []kong.Option{kong.KindMapper(reflect.Int, kong.MapperFunc(intFlag)), kong.KindMapper(reflect.Uint64, kong.MapperFunc(uintFlag))}
}

func intFlag(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("int")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(fmt.Sprint(t.Value), 0, strconv.IntSize)
	if err != nil {
		return fmt.Errorf("%.100q is out of range: want a whole number, %d at most", t.Value, math.MaxInt)
	}
	target.SetInt(n)
	return nil
}

func uintFlag(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("uint")
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(fmt.Sprint(t.Value), 0, 64)
	if err != nil {
		return fmt.Errorf("%.100q is out of range: want a whole number from 0 to %d", t.Value, uint64(math.MaxUint64))
	}
	target.SetUint(n)
	return nil
}
