package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// Help is the second part of --help.
func (c *versionCmd) Help() string {
	return `Examples:
  maculanode version
  maculanode version --json`
}

// Run implements the command.
func (c *versionCmd) Run(m *Main) error {
	v := version()
	if c.JSON {
		m.json(v)
		return nil
	}
	fmt.Fprintf(m.Stdout, "maculanode %s %s %s/%s\n", v, v.Go, runtime.GOOS, runtime.GOARCH)
	return nil
}

// build is what the toolchain wrote into the program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Go       string `json:"go"`
}

// String is the version, with the revision when the version does not tell.
func (b build) String() string {
	s := b.Version
	if s == "(devel)" && b.Revision != "" {
		s += "-" + b.Revision[:min(12, len(b.Revision))]
		if b.Modified {
			s += "+modified"
		}
	}
	return s
}

// released is the version of a released program; the linker sets it (see
// internal/release).
var released string

func version() build {
	b := build{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	if released != "" {
		b.Version = released
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}
