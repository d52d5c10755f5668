package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const envPrefix = "MACULA_"

// setting is one row of the table: the same value in the file, the
// environment and the flags.
type setting struct {
	key   string // in the file; in upper case after MACULA_ in the environment
	flag  string // without dashes in front
	group string // the heading that it stands under
	help  string // one sentence: what it is, and what happens over it
	takes string // what is accepted, for people
	holds string // what a flag shows for its value
	unset string // what its default is called, when it is not a value

	list   bool
	truth  bool                           // a flag of it takes no value
	live   bool                           // a reload applies it
	limit  bool                           // "limits set" changes it; live as well
	common bool                           // init writes it
	sample []string                       // lines of a list in what init writes
	rebase func(base, text string) string // makes a relative path one of base; nil for what is no path

	set func(c *Config, text []string) error
	get func(c *Config) []string // as set takes it
	at  func(c *Config) any      // a pointer to the field; nil when the value is no plain field

	show func(c *Config) []string // as logs and pages may have it, without secrets; nil: as get
}

func (s *setting) env() string { return envPrefix + strings.ToUpper(s.key) }

// split takes the value of a variable apart: lists are separated by commas or
// spaces.
func (s *setting) split(v string) []string {
	if !s.list {
		return []string{v}
	}
	return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

// text is the value as one line.
func (s *setting) text(c *Config) string { return strings.Join(s.get(c), ", ") }

// shown is the value as one line without secrets.
func (s *setting) shown(c *Config) string {
	if s.show != nil {
		return strings.Join(s.show(c), ", ")
	}
	return s.text(c)
}

// showing makes people and logs see something else than what is set.
func (s setting) showing(show func(c *Config) []string) setting {
	s.show = show
	return s
}

// live marks what a reload applies.
func (s setting) asLive() setting {
	s.live = true
	return s
}

// asLimit marks what "limits set" changes too.
func (s setting) asLimit() setting {
	s.live, s.limit = true, true
	return s
}

// asCommon marks what init writes.
func (s setting) asCommon(sample ...string) setting {
	s.common, s.sample = true, sample
	return s
}

// flagged gives the flag a name of its own.
func (s setting) flagged(name string) setting {
	s.flag = name
	return s
}

// in puts rows under a heading.
func in(group string, rows ...setting) []setting {
	for i := range rows {
		rows[i].group = group
		rows[i].flag = cmp.Or(rows[i].flag, strings.ReplaceAll(rows[i].key, "_", "-"))
	}
	return rows
}

type whole interface{ int | int64 | uint8 }

// count is a whole number.
func count[T whole](key string, low, high int64, at func(*Config) *T, help string) setting {
	return setting{
		key: key, help: help, holds: "N", takes: fmt.Sprintf("a whole number, %d to %d", low, high),
		set: func(c *Config, t []string) error {
			n, err := number(t[0], low, high)
			if err == nil {
				*at(c) = T(n)
			}
			return err
		},
		get: func(c *Config) []string { return []string{strconv.FormatInt(int64(*at(c)), 10)} },
		at:  func(c *Config) any { return at(c) },
	}
}

// bytes is a size.
func bytes[T whole](key string, low, high int64, at func(*Config) *T, help string) setting {
	return setting{
		key: key, help: help, holds: "SIZE", takes: fmt.Sprintf("a size, %s to %s", sizeText(low), sizeText(high)),
		set: func(c *Config, t []string) error {
			n, err := size(t[0], low, high)
			if err == nil {
				*at(c) = T(n)
			}
			return err
		},
		get: func(c *Config) []string { return []string{sizeText(int64(*at(c)))} },
		at:  func(c *Config) any { return at(c) },
	}
}

// span is a duration.
func span(key string, low, high time.Duration, at func(*Config) *time.Duration, help string) setting {
	return setting{
		key: key, help: help, holds: "D", takes: fmt.Sprintf("a duration, %s to %s", spanText(low), spanText(high)),
		set: func(c *Config, t []string) error {
			d, err := duration(t[0], low, high)
			if err == nil {
				*at(c) = d
			}
			return err
		},
		get: func(c *Config) []string { return []string{spanText(*at(c))} },
		at:  func(c *Config) any { return at(c) },
	}
}

// orNone makes a number or a duration that may be none, which is that value in
// the field and word in the text. The value is -1 where zero takes a default.
func orNone[T interface{ int | time.Duration }](s setting, word string, none T, at func(*Config) *T) setting {
	set, get := s.set, s.get
	s.takes += ", or " + word + " for none"
	s.set = func(c *Config, t []string) error {
		if t[0] == word {
			*at(c) = none
			return nil
		}
		return set(c, t)
	}
	s.get = func(c *Config) []string {
		if *at(c) <= none {
			return []string{word}
		}
		return get(c)
	}
	return s
}

// file is a path.
func file(key, unset string, at func(*Config) *string, help string) setting {
	return setting{
		key: key, help: help, holds: "FILE", takes: "a path", unset: unset, rebase: joined,
		set: func(c *Config, t []string) error { return notEmpty(at(c), t[0]) },
		get: func(c *Config) []string { return []string{*at(c)} },
		at:  func(c *Config) any { return at(c) },
	}
}

func joined(base, text string) string {
	if text == "" || filepath.IsAbs(text) {
		return text
	}
	return filepath.Join(base, text)
}

// yes is true or false.
func yes(key string, at func(*Config) *bool, help string) setting {
	return setting{
		key: key, help: help, takes: "true or false", truth: true,
		set: func(c *Config, t []string) error { return truth(at(c), t[0]) },
		get: func(c *Config) []string { return []string{strconv.FormatBool(*at(c))} },
		at:  func(c *Config) any { return at(c) },
	}
}

// several is a list; key says what must not occur twice.
func several[T any](key, holds, takes string, at func(*Config) *[]T, parse func(string) (T, error), text func(T) string, same func(T) string, help string) setting {
	return setting{
		key: key, help: help, holds: holds, takes: "a list of " + takes, unset: "none", list: true,
		set: func(c *Config, texts []string) error {
			var out []T
			seen := map[string]bool{}
			for _, t := range texts {
				v, err := parse(t)
				if err != nil {
					return err
				}
				if k := same(v); seen[k] {
					return fmt.Errorf("%s is listed twice", shown(k))
				}
				seen[same(v)] = true
				out = append(out, v)
			}
			*at(c) = out
			return nil
		},
		get: func(c *Config) []string {
			var out []string
			for _, v := range *at(c) {
				out = append(out, text(v))
			}
			return out
		},
		at: func(c *Config) any { return at(c) },
	}
}

// settings is the table. It is not changed.
var settings = table()

func table() []setting {
	var all []setting
	for _, rows := range [][]setting{
		placeRows(), meshRows(), serviceRows(), limitRows(), timeRows(), poolRows(), callRows(), linkRows(), discoveryRows(), adaptRows(),
		transportRows(), ledgerRows(), localRows(), machineRows(),
	} {
		all = append(all, rows...)
	}
	return all
}

func byKey(key string) *setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}

func byFlag(flag string) *setting {
	for i := range settings {
		if settings[i].flag == flag {
			return &settings[i]
		}
	}
	return nil
}

func keys() []string {
	var out []string
	for i := range settings {
		out = append(out, settings[i].key)
	}
	return out
}
