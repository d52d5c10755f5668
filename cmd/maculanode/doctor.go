package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/control"
	"github.com/maculamesh/macula/cmd/maculanode/internal/doctor"
	"github.com/maculamesh/macula/cmd/maculanode/internal/strain"
	"github.com/maculamesh/macula/node/fault"
)

type doctorCmd struct {
	place
	Peers bool `help:"Shake hands with each peer of the configuration, and time it."`
	JSON  bool `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *doctorCmd) Help() string {
	return `It checks the configuration, the data directory and the key, the node if one is running, the ports,
the UDP buffers of the kernel, the limits on open files and memory, the clock, the packet size of
the interfaces, and whether the peers of the configuration can be found. Nothing is changed. Run it
as the user of the node. Each line that is not ok says what to do; the exit code is 1 when a check
failed, and 0 with mere warnings.

Examples:
  maculanode doctor
  maculanode doctor --peers
  maculanode doctor --json | jq '.checks[] | select(.result != "ok")'`
}

// Run implements the command.
func (c *doctorCmd) Run(m *Main) error {
	rep := doctor.Run(m.ctx, c.input(m))
	if c.JSON {
		m.json(rep)
	} else {
		rep.Print(m.Stdout)
	}
	if !rep.OK {
		return fmt.Errorf("%s failed: the lines above say what to do", count(rep.Count(doctor.Fail), "check"))
	}
	return nil
}

// input collects what is checked.
func (c *doctorCmd) input(m *Main) doctor.Input {
	in := doctor.Input{Version: version().String(), Handshake: c.Peers, Resolver: net.DefaultResolver}
	in.Config, in.Mistakes = config.LoadAll(m.sources(c.place, "control"))
	in.Dir, in.Key = in.Config.Dir, in.Config.Key
	path := in.Config.Control
	resp, err := ask(m.ctx, path, &control.Request{Verb: control.VerbStatus})
	switch {
	case err == nil && resp.Status != nil:
		in.Status = resp.Status
	case err == nil:
		in.StatusErr = errors.New("it answers without a status: is it another version?")
	case fault.KindOf(err) != fault.Unreachable:
		in.StatusErr = err
	}
	in.MemoryLimit = memoryLimit(in.Status)
	return in
}

// memoryLimit is what the node that runs may use, or what one that is started
// from here might, in bytes; 0 when there is no limit.
func memoryLimit(s *control.Status) int64 {
	if s != nil && s.Pressure.Level != "" {
		return s.Pressure.Limit
	}
	return strain.New().Read().Limit
}
