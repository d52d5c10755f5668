// Package config reads the configuration of a maculanode: a YAML file, over it
// the MACULA_* environment, over that the flags.
//
// Every value is text in each of the three and is parsed by one table, so a
// mistake is reported the same way wherever it was made: where, what, and what
// is accepted. A value of a higher source replaces that of a lower one, lists
// included.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

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
	OpenPeers  bool     // everybody may be a peer
	OpenWide   bool     // OpenPeers also when others than this machine can connect
	Echo       []string // services that answer with what they are asked

	MaxPeers        int
	MaxClients      int
	ServiceTTL      time.Duration
	CleanupInterval time.Duration
	DrainTimeout    time.Duration

	LogLevel  slog.Level
	LogFormat string // "text" or "json"

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

// defaults are the values without any source. Each has its reason in the
// commented file that Template returns.
func defaults(dir string) Config {
	return Config{
		Dir: dir, Key: filepath.Join(dir, KeyName), Control: filepath.Join(dir, ControlName),
		Listen:   Endpoint{Host: "127.0.0.1", Port: DefaultPort},
		MaxPeers: 1000, MaxClients: 10_000,
		ServiceTTL: 300 * time.Second, CleanupInterval: 60 * time.Second, DrainTimeout: 30 * time.Second,
		LogLevel: slog.LevelInfo, LogFormat: "text",
		origin: map[string]string{},
	}
}

// DefaultPort is where a node listens.
const DefaultPort = 4433

// Load reads all sources. The error is one line that says where the mistake
// is, what it is and what would be right.
func Load(src Sources) (Config, error) {
	dir, err := filepath.Abs(src.Dir)
	if err != nil {
		return Config{}, fmt.Errorf("the data directory %q: %w", src.Dir, err)
	}
	c := defaults(dir)
	if err := c.readFile(src.File); err != nil {
		return Config{}, err
	}
	c.readEnv(src)
	for i := range settings {
		s := &settings[i]
		if v := src.Env(s.env()); v != "" {
			if err := c.apply(s, s.env(), "", s.split(v)); err != nil {
				return Config{}, err
			}
		}
	}
	for _, v := range src.Flags {
		s := byFlag(v.Flag)
		if s == nil {
			continue // a flag of the command, not a setting
		}
		if err := c.apply(s, "--"+s.flag, "", v.Text); err != nil {
			return Config{}, err
		}
	}
	return c, nil
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
// empty for the working directory.
func (c *Config) apply(s *setting, from, base string, text []string) error {
	if !s.list && len(text) != 1 {
		return fmt.Errorf("%s: %s takes one value, not %d", from, s.key, len(text))
	}
	if s.path && base != "" && !filepath.IsAbs(text[0]) {
		text = []string{filepath.Join(base, text[0])}
	}
	if err := s.set(c, text); err != nil {
		if from == "--"+s.flag || from == s.env() {
			return fmt.Errorf("%s: %w", from, err)
		}
		return fmt.Errorf("%s: %s: %w", from, s.key, err)
	}
	c.origin[s.key] = from
	return nil
}

// Origin says where the value of a key comes from: a place in the file, a
// variable, a flag, or "default".
func (c *Config) Origin(key string) string {
	if o := c.origin[key]; o != "" {
		return o
	}
	return "default"
}

// CheckRun says what a node could not start with.
func (c *Config) CheckRun() error {
	if c.Realm == "" {
		if _, err := os.Stat(c.Dir); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no data directory %s: make it with \"maculanode init --dir %s\", or name another with --dir", c.Dir, c.Dir)
		}
		return fmt.Errorf("no realm is set: add \"realm: org.example.name\" to %s, or give --realm", c.file())
	}
	if len(c.Control) > maxSocketPath {
		return fmt.Errorf("%s: the path of the control socket has %d bytes, a Unix socket takes %d: choose a shorter one with --control PATH (now %s)", c.Origin("control"), len(c.Control), maxSocketPath, c.Control)
	}
	if c.OpenPeers && !c.OpenWide && !c.Listen.Loopback() {
		return fmt.Errorf("%s: open_peers lets every node of the realm in as a peer, and %s can be reached from other machines: list the peers with --allow-peer ID, or listen on 127.0.0.1, or add --open-peers-beyond-loopback if you mean it", c.Origin("open_peers"), c.Listen)
	}
	return nil
}

func (c *Config) file() string {
	if c.File != "" {
		return c.File
	}
	return filepath.Join(c.Dir, FileName)
}

// maxSocketPath is what fits into a socket address on every Unix: macOS has
// 104 bytes with the terminating zero, Linux 108.
const maxSocketPath = 103
