package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// syntaxError says where the file is no YAML, and what to write: the words of
// the parser are for those who know how it works.
func syntaxError(name string, data []byte, err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil {
		return fmt.Errorf("%s: this is no YAML: %s", name, shown(strings.TrimSpace(err.Error())))
	}
	at := e.GetToken().Position
	lines := strings.Split(string(data), "\n")
	line := lines[min(max(at.Line, 1), len(lines))-1]
	text := strings.TrimSpace(line)
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	if i := strings.IndexByte(indent, '\t'); i >= 0 {
		return fmt.Errorf("%s:%d:%d: there is a tab: YAML indents with spaces", name, at.Line, i+1)
	}
	return fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, syntax(e.GetMessage(), text, line[min(max(at.Column, 1)-1, len(line)):]))
}

// syntax says what is wrong with a line; from is its end from the mistake on.
func syntax(message, line, from string) string {
	said := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(message, p) {
				return true
			}
		}
		return false
	}
	noPair := said("non-map value", "unexpected map key", "unexpected key name", "invalid key for this map", "block sequence entries", "unexpected scalar")
	switch {
	case noPair && (line == "-" || strings.HasPrefix(line, "- ")):
		return fmt.Sprintf("%.100q is an item of a list: write it below the key that it is for, for example \"peers:\", with no value behind the colon", line)
	case noPair:
		return fmt.Sprintf("expected a line of the form \"key: value\", not %.100q", line)
	case said("mapping value is not allowed"):
		return "a key begins in the first column, and a value with \": \" in it needs quotes"
	case said("value is not allowed"):
		return "this does not go with the lines above it: a key begins in the first column, and the items of a list stand below their key"
	case said("flow map", "'}' must"):
		return "the { has no }: write one setting a line, without them"
	case said("']' not found", "']' must"):
		return "the list that begins with [ does not end: write ] behind it, and commas between its values"
	case said("end character of"):
		return "the quotes are not closed"
	case from != "" && strings.ContainsAny(from[:1], "@`%&*!|>"):
		return fmt.Sprintf("a value that begins with %s needs quotes", from[:1])
	}
	return "this is no YAML: " + shown(strings.TrimSpace(message))
}
