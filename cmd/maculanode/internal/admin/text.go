package admin

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// count prints a number of things: 12,345.
func count(v float64) string {
	return grouped(strconv.FormatFloat(v, 'f', 0, 64))
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	sign := ""
	if rest, ok := strings.CutPrefix(digits, "-"); ok {
		sign, digits = "-", rest
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// number prints an integer of any type.
func number[N int | int64 | uint64](v N) string { return grouped(fmt.Sprint(v)) }

// bytesText prints an amount of memory.
func bytesText(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if v >= u.size {
			return strconv.FormatFloat(v/u.size, 'g', digitsOf(v/u.size), 64) + " " + u.name
		}
	}
	return fmt.Sprintf("%.0f B", v)
}

// digitsOf is how many digits keep a number below 1024 short and whole.
func digitsOf(v float64) int {
	if v >= 1000 {
		return 4
	}
	return 3
}

// perSecond prints a rate.
func perSecond(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0"
	case v < 0.01:
		return "< 0.01"
	case v < 10:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
	case v < 100:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	return count(math.Round(v))
}

// latencyText prints a short time of so many seconds.
func latencyText(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1e-3:
		return fmt.Sprintf("%.3g µs", v*1e6)
	case v < 1:
		return fmt.Sprintf("%.3g ms", v*1e3)
	}
	return fmt.Sprintf("%.3g s", v)
}

// span prints a time of so many seconds with its two largest units.
func span(v float64) string {
	d := time.Duration(v * float64(time.Second))
	switch {
	case d < 0:
		return "-" + span(-v)
	case d < time.Second:
		return latencyText(v)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", v)
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", math.Floor(v))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// short is how an id stands in a table: as in the log.
func short(id string) string {
	if len(id) <= 8 {
		return id
	}
	return id[:8]
}
