package simvet

import (
	"maps"
	"slices"
	"strings"
)

// Refused returns every refused name, and every pattern of refused packages.
func Refused() (all, packages []string) {
	for _, p := range bannedPackages {
		if p.ban.rule != "" {
			packages = append(packages, p.path)
		}
	}
	return slices.Sorted(maps.Keys(names)), packages
}

// RefusedBy returns the pattern of packages by which a name is refused, or
// empty. The name is a package, or one of its names behind a dot.
func RefusedBy(name string) string {
	path, dir := name, strings.LastIndex(name, "/")+1
	if dot := strings.Index(name[dir:], "."); dot >= 0 {
		path = name[:dir+dot]
	}
	if p := bannedPackage(path); p != nil {
		return p.path
	}
	return ""
}
