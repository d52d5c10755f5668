package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Flags returns a pointer to a struct with a field for every setting but those
// that are named: kong reads it as a plugin. What a flag was given is text, as
// it is in the other sources.
func Flags(except ...string) any {
	var fields []reflect.StructField
	for i := range settings {
		s := &settings[i]
		if slices.Contains(except, s.key) {
			continue
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: s.flagType(), Tag: s.tag()})
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

func (s *setting) flagType() reflect.Type {
	switch {
	case s.truth:
		return reflect.TypeFor[bool]()
	case s.list:
		return reflect.TypeFor[[]string]()
	}
	return reflect.TypeFor[string]()
}

func (s *setting) tag() reflect.StructTag {
	help := strings.TrimSuffix(s.help, ".")
	if d := s.usual(); !s.truth && !s.list && d != "none" {
		help += "; default " + d
	}
	if s.list {
		help += "; may be given more than once"
	}
	tag := fmt.Sprintf("name:%q group:%q help:%s", s.flag, s.group, strconv.Quote(help+"."))
	if s.holds != "" {
		tag += fmt.Sprintf(" placeholder:%q", s.holds)
	}
	if s.list {
		tag += ` sep:","`
	}
	return reflect.StructTag(tag)
}

// usual is the default as people read it.
func (s *setting) usual() string {
	if s.unset != "" {
		return s.unset
	}
	d := defaults("DIR")
	d.finish()
	return s.text(&d)
}
