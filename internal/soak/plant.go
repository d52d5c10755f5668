package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// plantAt is the line of node/node.go behind which a leak is planted.
const plantAt = `	n.upkeep.Go("node/cleanup", n.cleanupLoop)`

// plant writes an overlay in which every node keeps so many bytes more every
// second, in pieces of at most 1 KiB, and returns its name.
func plant(dir string, bytes int) (string, error) {
	file, err := filepath.Abs(filepath.Join("node", "node.go"))
	if err != nil {
		return "", err
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if strings.Count(string(src), plantAt) != 1 {
		return "", fmt.Errorf("%s does not hold the line %q once: the leak cannot be planted", file, plantAt)
	}
	leak := fmt.Sprintf("%s\n\tn.upkeep.Go(\"leak\", func() {\n\t\tfor rt.Sleep(n.ctx, n.r, time.Second) == nil {\n\t\t\tfor left := %d; left > 0; left -= 1024 {\n\t\t\t\tplanted = append(planted, make([]byte, min(left, 1024)))\n\t\t\t}\n\t\t}\n\t})", plantAt, bytes)
	text := strings.Replace(string(src), plantAt, leak, 1) + "\nvar planted [][]byte\n"
	changed := filepath.Join(dir, "node.go")
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, overlay, 0o600)
}
