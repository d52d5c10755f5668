package top

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The styles, as parameters of the escape sequence that sets them.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// painter makes lines of a width.
type painter struct {
	width int
	color bool
	lines []string
}

// line is the one that is being written. Its text is in painter.lines at any
// time.
type line struct {
	p    *painter
	at   int
	used int // columns
}

// line begins a new line.
func (p *painter) line() *line {
	p.lines = append(p.lines, "")
	return &line{p: p, at: len(p.lines) - 1}
}

// add writes text in a style, as far as it fits. Whatever is no printable
// character is shown as a question mark: a name may not move the cursor.
func (l *line) add(style, text string) *line {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if room := l.p.width - l.used; utf8.RuneCountInString(text) > room {
		text = string([]rune(text)[:room])
	}
	if text == "" {
		return l
	}
	l.used += utf8.RuneCountInString(text)
	if style != "" && l.p.color {
		text = "\x1b[" + style + "m" + text + "\x1b[0m"
	}
	l.p.lines[l.at] += text
	return l
}

// to adds blanks up to a column, at least one when something stands there.
func (l *line) to(column int) *line {
	n := column - l.used
	if n <= 0 && l.used > 0 {
		n = 1
	}
	return l.add("", strings.Repeat(" ", max(n, 0)))
}
