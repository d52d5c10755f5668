package plan

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a word, an "=", or a comment.
type token struct {
	Word
	equals, quoted bool
}

// scan cuts a line into tokens and the comment at its end.
func (p *Plan) scan(n int, text string) (tokens []token, comment string, err error) {
	for i := 0; i < len(text); {
		at := Pos{n, i + 1}
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '#':
			j := i + 1 + plain(text[i+1:], "")
			if j < len(text) {
				return nil, "", p.unprintable(n, text, j)
			}
			return tokens, text[i+1:], nil
		case c == '=':
			tokens = append(tokens, token{Word: Word{"=", at}, equals: true})
			i++
		case i > 0 && !strings.ContainsRune(" \t=", rune(text[i-1])):
			return nil, "", p.errorf(at, "want a space between two words")
		case c == '"':
			s, size, err := p.quoted(text[i:], at)
			if err != nil {
				return nil, "", err
			}
			tokens = append(tokens, token{Word: Word{s, at}, quoted: true})
			i += size
		default:
			size := plain(text[i:], " \t#=\"")
			if j := i + size; j < len(text) && !strings.ContainsRune(" \t#=\"", rune(text[j])) {
				return nil, "", p.unprintable(n, text, j)
			}
			tokens = append(tokens, token{Word: Word{text[i : i+size], at}})
			i += size
		}
	}
	return tokens, "", nil
}

// quoted reads the string at the beginning of text and returns how long it is
// there.
func (p *Plan) quoted(text string, at Pos) (s string, size int, err error) {
	q, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", 0, p.errorf(at, "a string that does not end, or with a wrong escape")
	}
	s, err = strconv.Unquote(q)
	if err != nil || !utf8.ValidString(q) || !utf8.ValidString(s) {
		return "", 0, p.errorf(at, "a string that is no UTF-8")
	}
	return s, len(q), nil
}

// plain returns how many bytes of text come before one of those in stop and
// before the first character that cannot be printed.
func plain(text, stop string) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if odd(r) || r == utf8.RuneError && size == 1 || strings.ContainsRune(stop, r) {
			return i
		}
		i += size
	}
	return len(text)
}

// unprintable refuses the character at text[i].
func (p *Plan) unprintable(n int, text string, i int) error {
	r, size := utf8.DecodeRuneInString(text[i:])
	if r == utf8.RuneError && size == 1 {
		return p.errorf(Pos{n, i + 1}, "a byte that is no UTF-8")
	}
	return p.errorf(Pos{n, i + 1}, "the character %U cannot be printed; a string can have it as an escape", r)
}

func odd(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }

// after is behind a word that stands without quotes.
func after(w Word) Pos { return Pos{w.Pos.Line, w.Pos.Col + len(w.Text)} }
