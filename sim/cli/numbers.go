package cli

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// joined is args with "--flag=-1" for "--flag -1", which the parser of flags
// takes for another flag: no flag here is a digit.
func joined(args []string) []string {
	var out []string
	for i, arg := range args {
		if arg == "--" {
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

// numbers are the mappers of the flags that are whole numbers.
func numbers() []kong.Option {
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
