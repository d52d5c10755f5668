package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Template returns the commented configuration file of a new node: the common
// settings. The admin pages get the port after that of listen, when that has
// one.
func Template(realm, listen string) []byte {
	d := defaults("")
	d.finish()
	var b strings.Builder
	b.WriteString(templateHead)
	for i := range settings {
		s := &settings[i]
		if !s.common {
			continue
		}
		fmt.Fprintf(&b, "\n%s", comment(s.help))
		switch s.key {
		case "realm":
			fmt.Fprintf(&b, "realm: %s\n", realm)
		case "listen":
			fmt.Fprintf(&b, "listen: %s\n", listen)
		case "admin":
			fmt.Fprintf(&b, "%s\n", adminLine(listen))
		case "key", "control":
			fmt.Fprintf(&b, "# %s: %s\n", s.key, map[string]string{"key": KeyName, "control": ControlName}[s.key])
		default:
			lines := s.sample
			if lines == nil {
				lines = []string{s.key + ": " + s.text(&d)}
			}
			for _, l := range lines {
				fmt.Fprintf(&b, "# %s\n", l)
			}
		}
	}
	return []byte(b.String())
}

const templateHead = `# The configuration of a maculanode.
# Over it stand the variables MACULA_<KEY IN UPPER CASE>, over those the flags.
# Relative paths start from the directory of this file.
# A key with a # in front has the value that is shown, or is an example.
# These are the common keys; docs/CONFIGURATION.md and "maculanode run --help"
# have all of them, "maculanode config show" what a node would use.
`

func adminLine(listen string) string {
	_, port, _ := net.SplitHostPort(listen)
	if n, err := strconv.Atoi(port); err == nil && 0 < n && n < 65535 {
		return "admin: 127.0.0.1:" + strconv.Itoa(n+1)
	}
	return "# admin: off"
}

// comment is text as lines of a comment.
func comment(text string) string {
	var b strings.Builder
	line := "#"
	for _, w := range strings.Fields(text) {
		if len(line)+1+len(w) > 78 {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + w
	}
	return b.String() + line + "\n"
}
