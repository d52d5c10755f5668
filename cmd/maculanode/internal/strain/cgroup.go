package strain

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// groupLimit is how much memory the control group of this process allows, or 0
// when it allows any amount or there is none. root is the root of the file
// system. A group has no more than those above it.
func groupLimit(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	two, one := parseGroups(string(text))
	if l := lowest(root, "sys/fs/cgroup", two, "memory.max"); l > 0 {
		return l
	}
	return lowest(root, "sys/fs/cgroup/memory", one, "memory.limit_in_bytes")
}

// lowest is the lowest limit of a group and those above it. In a container the
// path may be that of the host, of which only the root is to be seen.
func lowest(root fs.FS, mount, group, file string) int64 {
	if group == "" {
		return 0
	}
	least := int64(0)
	for {
		if text, err := fs.ReadFile(root, path.Join(mount, group, file)); err == nil {
			if l, ok := parseLimit(string(text)); ok && (least == 0 || l < least) {
				least = l
			}
		}
		if group == "/" {
			return least
		}
		group = path.Dir(group)
	}
}

// parseGroups reads /proc/self/cgroup: the group of version 2, and the one of
// the memory controller of version 1, as absolute paths; empty when there is
// none. A line is ID:CONTROLLERS:PATH.
func parseGroups(text string) (two, one string) {
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		if !ok || !strings.HasPrefix(group, "/") {
			continue
		}
		group = path.Clean(group)
		if id == "0" && controllers == "" {
			two = group
		}
		for c := range strings.SplitSeq(controllers, ",") {
			if c == "memory" {
				one = group
			}
		}
	}
	return two, one
}

// parseLimit reads a limit in bytes; false when it is none: "max", or a number
// as large as the kernel writes for no limit.
func parseLimit(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 || n >= math.MaxInt64/2 {
		return 0, false
	}
	return n, true
}
