// Package config reads the configuration of a maculanode: a YAML file, over it
// the MACULA_* environment, over that the flags.
//
// Every value is text in each of the three and is parsed by one table, so a
// mistake is reported the same way wherever it was made: where, what, and what
// is accepted. A value of a higher source replaces that of a lower one, lists
// included. The flags, the commented file of a new node and
// docs/CONFIGURATION.md come from the same table, and the defaults in it from
// the parts of the node themselves.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/transport"
)

// The names of what a data directory holds.
const (
	FileName    = "maculanode.yaml"
	KeyName     = "node.key"
	ControlName = "control.sock"
)

// Config is what an operator decides.
type Config struct {
	Dir     string // the data directory, absolute
	File    string // the configuration file that was read; empty when there is none
	Key     string // the key file
	Control string // the control socket

	Realm      string
	Listen     Endpoint
	Advertised Endpoint // where others dial this node; zero: what it listens on
	Peers      []Peer   // the node keeps a connection to each; they may be peers
	AllowPeers []transport.PeerID
	OpenPeers  bool      // everybody may be a peer
	OpenWide   bool      // OpenPeers also when others than this machine can connect
	Echo       []string  // services that answer with what they are asked
	HTTP       []Backend // services that an HTTP server answers

	Admin      Address // of the admin pages
	AdminToken string  // a file; empty for none
	API        Address
	APIToken   string

	LogLevel  slog.Level
	LogFormat string // "text" or "json"

	Node node.Config      // the limits, intervals and timeouts of it and its parts; who and where it is stands above
	QUIC transport.Config // of connections

	Local Local // what programs of this machine can make the process hold

	Warnings []string // what is odd and was ignored

	origin map[string]string // key -> where its value comes from; bound: the table of settings
}

// Peer is a node that is known from the configuration.
type Peer struct {
	ID transport.PeerID
	At Endpoint
}

// Value is one setting as a flag gave it: Flag is its name without dashes.
type Value struct {
	Flag string
	Text []string
}

// Sources is where Load looks.
type Sources struct {
	Dir   string              // the data directory
	File  string              // the configuration file; empty: FileName in Dir, if there is one
	Env   func(string) string // looks a variable up
	Names []string            // of the environment's variables, to find misspelt ones
	Flags []Value
}

// defaults are the values without any source; what belongs to a part of the
// node stays zero until finish.
func defaults(dir string) Config {
	return Config{
		Dir: dir, Key: filepath.Join(dir, KeyName), Control: filepath.Join(dir, ControlName),
		Listen:   Endpoint{Host: "127.0.0.1", Port: DefaultPort},
		LogLevel: slog.LevelInfo, LogFormat: "text",
		origin: map[string]string{},
	}
}

// finish gives what nobody has set the defaults of the parts, some of which
// follow from others.
func (c *Config) finish() {
	c.Node = c.Node.WithDefaults()
	c.QUIC = c.QUIC.WithDefaults()
	c.Local = c.Local.withDefaults()
}

// DefaultPort is where a node listens.
const DefaultPort = 4433

// Load reads all sources. The error is one line that says where the first
// mistake is, what it is and what would be right.
func Load(src Sources) (Config, error) {
	c, errs := LoadAll(src)
	if len(errs) > 0 {
		return Config{}, errs[0]
	}
	return c, nil
}

// LoadAll reads all sources and returns every mistake, in the order of the
// sources, at most maxMistakes and the number of the others. With a mistake
// the configuration is what could be read.
func LoadAll(src Sources) (Config, []error) {
	if src.Dir == "" {
		return Config{}, []error{errors.New("the path of the data directory is empty: name one with --dir")}
	}
	dir, err := filepath.Abs(src.Dir)
	if err != nil {
		return Config{}, []error{fmt.Errorf("the data directory %q: %w", src.Dir, err)}
	}
	c := defaults(dir)
	errs := c.readFile(src.File)
	c.readEnv(src)
	for i := range settings {
		s := &settings[i]
		if v := src.Env(s.env()); v != "" {
			if err := c.apply(s, s.env(), "", s.split(v)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	for _, v := range src.Flags {
		s := byFlag(v.Flag)
		if s == nil {
			continue // a flag of the command, not a setting
		}
		if err := c.apply(s, "--"+s.flag, "", v.Text); err != nil {
			errs = append(errs, err)
		}
	}
	raw := c.Node
	c.finish()
	if len(errs) == 0 {
		errs = append(c.cut(raw), c.conflicts()...)
	}
	return c, first(errs)
}

// maxMistakes bounds how many mistakes are told of.
const maxMistakes = 50

func first(errs []error) []error {
	if more := len(errs) - maxMistakes; more > 0 {
		errs = append(errs[:maxMistakes:maxMistakes], fmt.Errorf("and %d mistakes more", more))
	}
	return errs
}

// readEnv notes variables that look like settings and are none. They may
// belong to somebody else, so they are no error.
func (c *Config) readEnv(src Sources) {
	known := []string{"MACULA_DIR", "MACULA_CONFIG"}
	for i := range settings {
		known = append(known, settings[i].env())
	}
	for _, name := range src.Names {
		if len(name) > len(envPrefix) && name[:len(envPrefix)] == envPrefix && !contains(known, name) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("the variable %s is not a setting%s", shown(name), didYouMean(name, known)))
		}
	}
}

// apply sets one value; base is the directory that relative paths start from,
// empty for the working directory. After an error the value is as it was.
func (c *Config) apply(s *setting, from, base string, text []string) error {
	if !s.list && len(text) != 1 {
		return fmt.Errorf("%s: %s takes one value, not %d", from, s.key, len(text))
	}
	if s.rebase != nil && base != "" {
		text = []string{s.rebase(base, text[0])}
	}
	if err := s.set(c, text); err != nil {
		return fmt.Errorf("%s: %w", s.place(from), err)
	}
	c.origin[s.key] = from
	return nil
}

// Clone returns a copy that shares nothing that is changed.
func (c *Config) Clone() Config {
	d := *c
	d.origin = maps.Clone(c.origin)
	return d
}

// Origin says where the value of a key comes from: a place in the file, a
// variable, a flag, or "default".
func (c *Config) Origin(key string) string {
	if o := c.origin[key]; o != "" {
		return o
	}
	return "default"
}

// Place is Origin with the key behind it, for the beginning of a message: the
// name of a flag or of a variable says the key already.
func (c *Config) Place(key string) string { return byKey(key).place(c.Origin(key)) }

func (s *setting) place(from string) string {
	if from == "--"+s.flag || from == s.env() {
		return from
	}
	return from + ": " + s.key
}

func (c *Config) file() string {
	if c.File != "" {
		return c.File
	}
	return filepath.Join(c.Dir, FileName)
}

// FromFile reports whether any value comes from the configuration file.
func (c *Config) FromFile() bool {
	if c.File == "" {
		return false
	}
	for _, from := range c.origin {
		if strings.HasPrefix(from, c.File+":") {
			return true
		}
	}
	return false
}
