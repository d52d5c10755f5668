package config

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

const envPrefix = "MACULA_"

// setting is one row of the table: the same value in the file, the
// environment and the flags.
type setting struct {
	key  string // in the file; in upper case after MACULA_ in the environment
	flag string
	list bool
	path bool // relative ones in the file start from the file's directory
	set  func(c *Config, text []string) error
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

// settings is the table. It is not changed.
var settings = []setting{
	{key: "realm", flag: "realm", set: func(c *Config, t []string) error {
		c.Realm = t[0]
		return plain(wire.ValidRealm(t[0]))
	}},
	{key: "listen", flag: "listen", set: func(c *Config, t []string) (err error) {
		c.Listen, err = ParseEndpoint(t[0])
		return err
	}},
	{key: "advertised", flag: "advertised", set: func(c *Config, t []string) (err error) {
		if c.Advertised, err = ParseEndpoint(t[0]); err == nil && (c.Advertised.Host == "" || c.Advertised.Port == 0) {
			err = fmt.Errorf("%.100q needs a host and a port: others are told to dial it", t[0])
		}
		return err
	}},
	{key: "key", flag: "key", path: true, set: func(c *Config, t []string) error { return notEmpty(&c.Key, t[0]) }},
	{key: "control", flag: "control", path: true, set: func(c *Config, t []string) error { return notEmpty(&c.Control, t[0]) }},
	{key: "peers", flag: "peer", list: true, set: setPeers},
	{key: "allow_peers", flag: "allow-peer", list: true, set: setAllowed},
	{key: "open_peers", flag: "open-peers", set: func(c *Config, t []string) error { return truth(&c.OpenPeers, t[0]) }},
	{key: "open_peers_beyond_loopback", flag: "open-peers-beyond-loopback", set: func(c *Config, t []string) error { return truth(&c.OpenWide, t[0]) }},
	{key: "echo", flag: "echo", list: true, set: setEcho},
	{key: "max_peers", flag: "max-peers", set: func(c *Config, t []string) error { return number(&c.MaxPeers, t[0], 1, 1_000_000) }},
	{key: "max_clients", flag: "max-clients", set: func(c *Config, t []string) error { return number(&c.MaxClients, t[0], 1, 1_000_000) }},
	{key: "service_ttl", flag: "service-ttl", set: func(c *Config, t []string) error {
		return span(&c.ServiceTTL, t[0], time.Second, time.Hour)
	}},
	{key: "cleanup_interval", flag: "cleanup-interval", set: func(c *Config, t []string) error {
		return span(&c.CleanupInterval, t[0], 100*time.Millisecond, 24*time.Hour)
	}},
	{key: "drain_timeout", flag: "drain-timeout", set: func(c *Config, t []string) error {
		return span(&c.DrainTimeout, t[0], 100*time.Millisecond, time.Hour)
	}},
	{key: "log_level", flag: "log-level", set: func(c *Config, t []string) error { return level(&c.LogLevel, t[0]) }},
	{key: "log_format", flag: "log-format", set: func(c *Config, t []string) error {
		return oneOf(&c.LogFormat, t[0], "text", "json")
	}},
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

func setPeers(c *Config, text []string) error {
	c.Peers = nil
	for _, t := range text {
		p, err := ParsePeer(t)
		if err != nil {
			return err
		}
		for _, q := range c.Peers {
			if q.ID == p.ID {
				return fmt.Errorf("the peer %s is listed twice", ident.String(p.ID))
			}
		}
		c.Peers = append(c.Peers, p)
	}
	return nil
}

func setAllowed(c *Config, text []string) error {
	c.AllowPeers = nil
	for _, t := range text {
		id, err := ParseID(t)
		if err != nil {
			return err
		}
		c.AllowPeers = append(c.AllowPeers, id)
	}
	return nil
}

func setEcho(c *Config, text []string) error {
	for i, t := range text {
		if err := wire.ValidName(t); err != nil {
			return plain(err)
		}
		if contains(text[:i], t) {
			return fmt.Errorf("the service %s is listed twice", t)
		}
	}
	c.Echo = text
	return nil
}

func notEmpty(v *string, text string) error {
	if text == "" {
		return fmt.Errorf("the path is empty")
	}
	*v = text
	return nil
}

func truth(v *bool, text string) error {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		*v = true
	case "false", "no", "off", "0":
		*v = false
	default:
		return fmt.Errorf("%.100q is neither true nor false", text)
	}
	return nil
}

func number(v *int, text string, low, high int) error {
	n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	if err != nil {
		return fmt.Errorf("%.100q is not a whole number", text)
	}
	if n < low || n > high {
		return fmt.Errorf("%d is out of range: %d to %d", n, low, high)
	}
	*v = n
	return nil
}

func span(v *time.Duration, text string, low, high time.Duration) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		hint := ""
		if _, nerr := strconv.Atoi(text); nerr == nil {
			hint = fmt.Sprintf(", for example %ss", shown(text))
		}
		return fmt.Errorf("%.100q is not a duration: it needs a unit (ms, s, m, h)%s", text, hint)
	}
	if d < low || d > high {
		return fmt.Errorf("%v is out of range: %v to %v", d, low, high)
	}
	*v = d
	return nil
}

func level(v *slog.Level, text string) error {
	name := ""
	if err := oneOf(&name, strings.ToLower(text), "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return v.UnmarshalText([]byte(name))
}

func oneOf(v *string, text string, allowed ...string) error {
	if !contains(allowed, text) {
		return fmt.Errorf("%.100q is not one of %s%s", text, strings.Join(allowed, ", "), didYouMean(text, allowed))
	}
	*v = text
	return nil
}

// ParsePeer reads ID@HOST:PORT.
func ParsePeer(text string) (Peer, error) {
	id, at, ok := strings.Cut(text, "@")
	if !ok {
		missing := "the id: \"maculanode id\" prints it on that machine"
		if _, err := ident.Parse(text); err == nil {
			missing = "the address"
		}
		return Peer{}, fmt.Errorf("%.100q is not ID@HOST:PORT, it lacks %s", text, missing)
	}
	p, err := Peer{}, error(nil)
	if p.ID, err = ParseID(id); err != nil {
		return Peer{}, err
	}
	if p.At, err = ParseEndpoint(at); err != nil {
		return Peer{}, err
	}
	if p.At.Host == "" || p.At.Port == 0 {
		return Peer{}, fmt.Errorf("the address %.100q needs a host and a port other than 0", at)
	}
	return p, nil
}

// ParseID reads the printed form of a node id.
func ParseID(text string) (transport.PeerID, error) {
	id, err := ident.Parse(text)
	return id, plain(err)
}
