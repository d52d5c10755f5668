package doctor

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/ident/keyfile"
)

// configuration checks what the sources say.
func (in *Input) configuration() []Line {
	const check = "configuration"
	var lines []Line
	for _, err := range in.Mistakes {
		lines = append(lines, fail(check, "mend that; what depends on the configuration is not checked before", "%v", err))
	}
	if len(lines) > 0 {
		return lines
	}
	c := &in.Config
	for _, err := range c.Problems() {
		lines = append(lines, fail(check, "a node does not start before that is mended", "%v", err))
	}
	for _, w := range c.Warnings {
		lines = append(lines, warn(check, "unset it, or mend its name", "%s", w))
	}
	if len(lines) > 0 {
		return lines
	}
	from := c.File
	if from == "" {
		from = "no file, defaults"
	}
	return []Line{ok(check, "%s; realm %s, %d peers to keep a connection to", from, c.Realm, len(c.Peers))}
}

// directory checks the data directory.
func (in *Input) directory() []Line {
	const check = "data directory"
	info, err := os.Stat(in.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Line{fail(check, "make it: maculanode init --dir "+in.Dir, "there is no %s", in.Dir)}
	case err != nil:
		return []Line{fail(check, "run this as the user of the node", "%v", err)}
	case !info.IsDir():
		return []Line{fail(check, "name another with --dir", "%s is not a directory", in.Dir)}
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		return []Line{warn(check, "chmod go-w "+in.Dir, "others may write to %s (%v), so they may replace what is in it", in.Dir, info.Mode().Perm())}
	}
	return []Line{ok(check, "%s, %v", in.Dir, info.Mode().Perm())}
}

// key checks that the key can be read, by its owner only.
func (in *Input) key() []Line {
	const check = "key"
	key, err := keyfile.Load(in.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Line{fail(check, "make one: maculanode init --dir "+in.Dir, "there is no key file at %s", in.Key)}
	case err != nil:
		return []Line{fail(check, "the message says what is expected", "%v", err)}
	}
	id, err := ident.FromPublicKey(key.Public().(ed25519.PublicKey))
	clear(key)
	if err != nil {
		return []Line{fail(check, "make another: maculanode init in another directory", "%v", err)}
	}
	if s := in.Status; s != nil && s.ID != ident.String(id) {
		return []Line{warn(check, "restart the node if the key was changed on purpose", "%s is of node %s, and the one that runs is %s", in.Key, ident.Short(id), s.ID)}
	}
	return []Line{ok(check, "%s, node %s", in.Key, ident.String(id))}
}

// running says how the node is that runs.
func (in *Input) running() []Line {
	const check = "node"
	s := in.Status
	switch {
	case s == nil && in.StatusErr != nil:
		return []Line{fail(check, "look into its log; restart it if it hangs", "the node does not answer: %v", in.StatusErr)}
	case s == nil:
		return []Line{ok(check, "none is running here")}
	case s.Draining:
		return []Line{warn(check, "stop it when it is empty, or start it again", "process %d is draining", s.PID)}
	}
	var lines []Line
	if !s.Ready {
		lines = append(lines, warn(check, "others are sent elsewhere until that has changed", "process %d is not ready: %s", s.PID, s.NotReady))
	}
	if s.Version != in.Version {
		lines = append(lines, warn(check, "restart it when that is convenient", "process %d is version %s, this program is %s", s.PID, s.Version, in.Version))
	}
	if level := s.Pressure.Level; level != "" && level != "normal" {
		lines = append(lines, warn(check, "see \"maculanode top\": lower the limits or give it more", "the pressure is %s", level))
	}
	if len(lines) == 0 {
		lines = append(lines, ok(check, "process %d is ready at %s", s.PID, s.Addr))
	}
	return lines
}
