package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what a value is.
type Kind uint8

// The kinds. Numbers are whole, in the unit that is named here, and may be
// written as ranges.
const (
	Text     Kind = iota
	Name          // a word that names something, such as a service
	Node          // the name of a node
	Nodes         // names of nodes with commas between them, "*" for any letters
	Duration      // nanoseconds; as Go writes durations: 1m30s
	Count         // a number
	Bytes         // 512, 64KiB, 2MiB, 1GiB
	Speed         // bytes a second: 64KiB/s
	Ratio         // parts per million: 1%, 0.25%, 40ppm
	Flag          // yes or no, 1 or 0
	Choice        // one of the words that the field names
)

var kindNames = [...]string{
	"a text", "a name", "a node", "nodes with commas between them", "a duration such as 250ms", "a whole number",
	"a size such as 64KiB", "a speed such as 1MiB/s", "a share such as 1% or 50ppm", "yes or no", "a word",
}

// String says what a value of the kind looks like.
func (k Kind) String() string { return kindNames[k] }

// Numeric reports whether values of the kind are numbers.
func (k Kind) Numeric() bool { return k >= Duration && k <= Flag }

// Value is what a word of a plan means.
type Value struct {
	Lo, Hi int64    // a number, or a range of them
	Text   string   // of the other kinds
	Nodes  []string // of Node and Nodes, each a node of the plan
}

// ranged reports whether it is a range.
func (v *Value) ranged() bool { return v.Lo < v.Hi }

// parseValue reads a word as a value of the field, without looking at nodes.
func (f *Field) parseValue(text string) (Value, error) {
	if f.Kind == Choice {
		if !slices.Contains(f.Choices, text) {
			return Value{}, fmt.Errorf("want one of %s", strings.Join(f.Choices, ", "))
		}
		return Value{Text: text}, nil
	}
	if !f.Kind.Numeric() {
		if text == "" {
			return Value{}, fmt.Errorf("want %v", f.Kind)
		}
		return Value{Text: text}, nil
	}
	first, second, ranged := strings.Cut(text, "..")
	lo, err := parseNumber(f.Kind, first)
	hi := lo
	if err == nil && ranged {
		hi, err = parseNumber(f.Kind, second)
	}
	switch least, most := f.bounds(); {
	case err != nil:
		return Value{}, err
	case lo < least || hi < least:
		return Value{}, fmt.Errorf("want at least %s", formatNumber(f.Kind, least))
	case hi > most || lo > most:
		return Value{}, fmt.Errorf("want at most %s", formatNumber(f.Kind, most))
	case ranged && lo >= hi:
		return Value{}, fmt.Errorf("a range goes from a smaller value to a greater one")
	}
	return Value{Lo: lo, Hi: hi}, nil
}

// longest bounds every duration, so that sums of a few cannot overflow, and
// largest every size and speed: a tebibyte.
const (
	longest = int64(1000 * 24 * time.Hour)
	largest = int64(1 << 40)
)

// bounds are the least and the greatest value of the field.
func (f *Field) bounds() (least, most int64) {
	most = f.Most
	if most == 0 {
		switch f.Kind {
		case Duration:
			most = longest
		case Bytes, Speed:
			most = largest
		case Ratio:
			most = 1_000_000
		case Flag:
			most = 1
		default:
			most = math.MaxInt32
		}
	}
	return f.Least, most
}

var units = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// errHuge is about a number that int64 cannot hold.
var errHuge = errors.New("the number is too large")

// parseNumber reads a number in the unit of its kind.
func parseNumber(k Kind, s string) (int64, error) {
	bad := fmt.Errorf("want %v", k)
	switch k {
	case Duration:
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, bad
		}
		return int64(d), nil
	case Flag:
		switch s {
		case "yes":
			return 1, nil
		case "no":
			return 0, nil
		}
		return 0, bad
	case Ratio:
		if n, ok := strings.CutSuffix(s, "ppm"); ok {
			return parseInt(n, bad)
		}
		n, ok := strings.CutSuffix(s, "%")
		if !ok {
			return 0, bad
		}
		whole, part, point := strings.Cut(n, ".")
		switch _, err := parseInt(whole, bad); {
		case err != nil:
			return 0, err
		case len(part) > 4:
			return 0, fmt.Errorf("%w, with at most four decimals", bad)
		case point && (part == "" || strings.Trim(part, "0123456789") != ""):
			return 0, bad
		}
		return parseInt(whole+part+strings.Repeat("0", 4-len(part)), bad)
	case Speed:
		n, ok := strings.CutSuffix(s, "/s")
		if !ok {
			return 0, bad
		}
		s = n
		fallthrough
	case Bytes:
		for _, u := range units {
			if n, ok := strings.CutSuffix(s, u.suffix); ok {
				v, err := parseInt(n, bad)
				if err == nil && (v > math.MaxInt64/u.size || v < math.MinInt64/u.size) {
					err = errHuge
				}
				return v * u.size, err
			}
		}
	}
	return parseInt(s, bad)
}

func parseInt(s string, bad error) (int64, error) {
	v, err := strconv.ParseInt(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errHuge
	case err != nil:
		return 0, bad
	}
	return v, nil
}

// formatNumber writes a number as parseNumber reads it.
func formatNumber(k Kind, v int64) string {
	switch k {
	case Duration:
		return FormatDuration(time.Duration(v))
	case Flag:
		if v == 1 {
			return "yes"
		}
		return "no"
	case Ratio:
		return formatRatio(v)
	case Bytes:
		return formatBytes(v)
	case Speed:
		return formatBytes(v) + "/s"
	}
	return strconv.FormatInt(v, 10)
}

// FormatDuration prints a duration without the zeros at its end that
// time.Duration.String prints: 1m, not 1m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func formatRatio(v int64) string {
	if v%10_000 == 0 {
		return fmt.Sprintf("%d%%", v/10_000)
	}
	if v < 100 {
		return fmt.Sprintf("%dppm", v)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%04d", v/10_000, v%10_000), "0") + "%"
}

func formatBytes(v int64) string {
	for _, u := range units {
		if v%u.size == 0 && (v != 0 || u.size == 1) {
			return strconv.FormatInt(v/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(v, 10)
}
