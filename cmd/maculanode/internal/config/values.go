package config

import (
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// Address is where something of this machine listens for programs of it.
type Address struct {
	Unix string // the path of a socket; empty: At
	At   Endpoint
	On   bool
}

// String is HOST:PORT, unix:PATH or off.
func (a Address) String() string {
	switch {
	case !a.On:
		return "off"
	case a.Unix != "":
		return unixPrefix + a.Unix
	}
	return a.At.String()
}

// Loopback reports whether only this machine can connect.
func (a Address) Loopback() bool { return a.Unix != "" || a.At.Loopback() }

const unixPrefix = "unix:"

// ParseAddress reads HOST:PORT, unix:PATH or off.
func ParseAddress(text string) (Address, error) {
	if text == "off" {
		return Address{}, nil
	}
	if path, ok := strings.CutPrefix(text, unixPrefix); ok {
		if path == "" || strings.ContainsFunc(path, unicode.IsControl) {
			return Address{}, fmt.Errorf("%.100q names no socket: it is unix: with a path", text)
		}
		return Address{Unix: path, On: true}, nil
	}
	at, err := ParseEndpoint(text)
	return Address{At: at, On: err == nil}, err
}

// Backend is a service that an HTTP server beside the node answers.
type Backend struct {
	Name string
	URL  string
}

// ParseBackend reads NAME=URL.
func ParseBackend(text string) (Backend, error) {
	name, url, ok := strings.Cut(text, "=")
	if !ok {
		return Backend{}, fmt.Errorf("%.100q is not NAME=URL, for example demo.echo=http://127.0.0.1:8080/echo", backend.Shown(text))
	}
	if err := wire.ValidName(name); err != nil {
		return Backend{}, plain(err)
	}
	if wire.Printable(url) != url {
		return Backend{}, fmt.Errorf("%.100q is not a URL", backend.Shown(url))
	}
	if _, err := backend.NewHTTP(url, backend.Limits{}); err != nil {
		return Backend{}, plain(err)
	}
	return Backend{name, url}, nil
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

func notEmpty(v *string, text string) error {
	if text == "" || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%.100q is not a path", text)
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

func number(text string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.100q is not a whole number", text)
	}
	if n < low || n > high {
		return 0, fmt.Errorf("%d is out of range: %d to %d", n, low, high)
	}
	return n, nil
}

// units of sizes, the largest first.
var units = []struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// size reads a number of bytes, with a unit or without.
func size(text string, low, high int64) (int64, error) {
	digits, factor := text, int64(1)
	for _, u := range units {
		if d, ok := strings.CutSuffix(text, u.name); ok {
			digits, factor = strings.TrimSpace(d), u.size
			break
		}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(digits, "_", ""), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.100q is not a size: it is a number of bytes, or one with KiB, MiB or GiB, for example 64KiB", text)
	}
	if n < 0 || n > math.MaxInt64/factor || n*factor < low || n*factor > high {
		return 0, fmt.Errorf("%s is out of range: %s to %s", shown(text), sizeText(low), sizeText(high))
	}
	return n * factor, nil
}

// sizeText is n with the largest unit that divides it.
func sizeText(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.size == 0 {
			return fmt.Sprintf("%d%s", n/u.size, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// long is what looks like a duration; when it is none it is too long.
var long = regexp.MustCompile(`^[-+]?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$`)

// Duration reads a duration with its unit.
func Duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		hint := ""
		if _, nerr := strconv.Atoi(text); nerr == nil {
			hint = fmt.Sprintf(", for example %ss", shown(text))
		} else if long.MatchString(text) {
			return 0, fmt.Errorf("%.100q is more than a duration can be, which is 292 years", text)
		}
		return 0, fmt.Errorf("%.100q is not a duration: it needs a unit (ms, s, m, h)%s", text, hint)
	}
	return d, nil
}

func duration(text string, low, high time.Duration) (time.Duration, error) {
	d, err := Duration(text)
	if err != nil {
		return 0, err
	}
	if d < low || d > high {
		return 0, fmt.Errorf("%s is out of range: %s to %s", spanText(d), spanText(low), spanText(high))
	}
	return d, nil
}

// spanText is a duration without the units that are zero.
func spanText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
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
