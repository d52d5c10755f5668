package config

import (
	"fmt"
	"strings"
)

// Reference returns docs/CONFIGURATION.md: every setting.
func Reference() []byte {
	var b strings.Builder
	b.WriteString(referenceHead)
	group := ""
	for i := range settings {
		s := &settings[i]
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n## %s\n\n| key, flag | takes | default | live | |\n| --- | --- | --- | --- | --- |\n", group)
		}
		usual := s.usual()
		if s.unset == "" {
			usual = "`" + usual + "`"
		}
		live := ""
		switch {
		case s.limit:
			live = "reload, limits set"
		case s.live:
			live = "reload"
		}
		fmt.Fprintf(&b, "| `%s`<br>`--%s` | %s | %s | %s | %s |\n", s.key, s.flag, s.takes, usual, live, s.help)
	}
	return []byte(b.String())
}

const referenceHead = `# Configuration

A node reads a YAML file, over it the environment, over that the flags of ` + "`maculanode run`" + `. A key of the file is the variable ` + "`MACULA_<KEY IN UPPER CASE>`" + `, and a flag. A value of a higher source replaces that of a lower one, lists included. An unknown key, a value out of its range and values that do not go together keep a node from starting; the message says where the mistake is.

` + "```sh" + `
maculanode config check             # every mistake, one a line; exit 2 when there is one
maculanode config show --changed    # what differs from the defaults, and where it comes from
maculanode config show --running    # what the running node uses
maculanode reload                   # reads the file again (so does SIGHUP): everything or nothing
maculanode limits set max_clients=500 --for 10m
` + "```" + `

The file is ` + "`maculanode.yaml`" + ` in the data directory (` + "`--dir`, `MACULA_DIR`" + `; ` + "`~/.macula`" + `), or what ` + "`--config`" + ` or ` + "`MACULA_CONFIG`" + ` names. Paths in it start from its own directory. In a variable, items of a list are separated by commas or blanks. A duration has a unit (` + "`ms`, `s`, `m`, `h`" + `), a size may have one (` + "`KiB`, `MiB`, `GiB`" + `).

What is marked ` + "`reload`" + ` in the column "live" changes while the node runs; a reload names what else differs, and that stays as it was until the node is started anew. What is marked ` + "`limits set`" + ` can also be changed without the file, for a time or until the next reload. A limit that falls below what is held sheds gracefully: idle things first, by least recent use, then those in use within the drain timeout.

This page is written by ` + "`go test ./cmd/maculanode/internal/config -run TheReference -update`" + ` from the table that the node uses.
`
