package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/maculamesh/macula/cmd/maculanode/internal/admin"
	"github.com/maculamesh/macula/cmd/maculanode/internal/api"
	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/node/fault"
)

// door is where programs of this machine come in over HTTP.
type door struct {
	lis   net.Listener
	free  func()                 // of a socket; may be nil
	token atomic.Pointer[string] // that is demanded now
	url   string                 // where it is, for people
}

// openDoor listens at an address of the configuration; nil when it is off.
func (d *running) openDoor(key string, at config.Address, tokenFile string) (*door, error) {
	if !at.On {
		return nil, nil
	}
	o := &door{}
	if tokenFile != "" {
		token, err := config.ReadToken(tokenFile)
		if err != nil {
			return nil, invalid(err)
		}
		o.token.Store(&token)
	}
	if at.Unix != "" {
		if dir := filepath.Dir(at.Unix); !isDir(dir) {
			return nil, fault.New("", fault.Invalid, "%s: there is no directory %s for the socket", d.cfg.Place(key), dir)
		}
		var err error
		if o.lis, o.free, err = control.Listen(at.Unix); err != nil {
			return nil, fmt.Errorf("%s: %w", d.cfg.Place(key), err)
		}
		o.url = "unix:" + at.Unix
		return o, nil
	}
	lis, err := net.Listen("tcp", at.At.String())
	if err != nil {
		return nil, d.noDoor(key, at, err)
	}
	o.lis, o.url = lis, "http://"+shownAt(at.At, lis.Addr())
	return o, nil
}

// shownAt is the address as the configuration has it, with the port that it
// got: 0.0.0.0 would be shown as [::] otherwise.
func shownAt(at config.Endpoint, got net.Addr) string {
	if _, port, err := net.SplitHostPort(got.String()); err == nil && at.Host != "" {
		return net.JoinHostPort(at.Host, port)
	}
	return got.String()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (d *running) noDoor(key string, at config.Address, err error) error {
	why, kind := err.Error(), fault.Other
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = "is in use by another program"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "is not one of this machine"
	case errors.Is(err, fs.ErrPermission):
		why, kind = "may not be used by this user: choose a port above 1023", fault.Invalid
	}
	return fault.New("", kind, "%s: the TCP address %s %s: choose another with --%s HOST:PORT, or --%s off", d.cfg.Place(key), at, why, key, key)
}

// doors are what answers at those that are open.
type doors struct {
	admin *admin.Server // nil when there is none, as the next
	api   *api.Server
}

// serveDoors begins to answer.
func (d *running) serveDoors() *doors {
	s := &doors{}
	if o := d.admin; o != nil {
		s.admin = admin.Serve(o.lis, d.host, admin.Config{
			Token: o.secret, Log: d.opt.Log.Logger, Gatherer: d.host.registry,
			Conns: d.cfg.Local.AdminConns, Streams: d.cfg.Local.AdminStreams,
		})
		d.host.show(s.admin.Stats)
	}
	if o := d.api; o != nil {
		s.api = api.Serve(o.lis, d.host, api.Config{
			Token: o.secret, Log: d.opt.Log.Logger,
			Conns: d.cfg.Local.APIConns, Requests: d.cfg.Local.APIRequests,
		})
		d.host.show(s.api.Stats)
	}
	return s
}

// cut ends the calls that came in over HTTP.
func (s *doors) cut() {
	if s.api != nil {
		s.api.Close()
		s.api = nil
	}
}

// close ends everything and waits for it. Until then others can look at how
// the node drains.
func (s *doors) close() {
	s.cut()
	if s.admin != nil {
		s.admin.Close()
		s.admin = nil
	}
}

// close gives back what openDoor took.
func (o *door) close() {
	if o == nil {
		return
	}
	o.lis.Close()
	if o.free != nil {
		o.free()
	}
}

// where is the address of an open door.
func (o *door) where() string {
	if o == nil {
		return ""
	}
	return o.url
}

// secret is the token of the door; empty for none.
func (o *door) secret() string {
	if t := o.token.Load(); t != nil {
		return *t
	}
	return ""
}

// readTokens reads again the token files that the node was started with, which
// were checked a moment ago, and returns what has changed. From then on the
// tokens of before let nobody in. A file that is another one in next waits for a
// restart.
func (l *live) readTokens(next *config.Config) (changed []control.Change, warnings []string) {
	for _, t := range []struct {
		key, was, is string
		door         *door
	}{{"admin_token_file", l.cfg.AdminToken, next.AdminToken, l.d.admin}, {"api_token_file", l.cfg.APIToken, next.APIToken, l.d.api}} {
		if t.door == nil || t.was == "" || t.is != t.was {
			continue
		}
		now, err := config.ReadToken(t.was)
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%v: the token of before stays", err))
		} else if now != t.door.secret() {
			t.door.token.Store(&now)
			changed = append(changed, control.Change{Key: t.key, Old: "the token of before", New: "another token"})
		}
	}
	return changed, warnings
}
