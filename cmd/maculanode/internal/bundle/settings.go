package bundle

import (
	"net/url"
	"strings"
)

// Redact is a value of the configuration without passwords: those in front of
// the host of a URL and whatever stands in its query.
func Redact(value string) string {
	if !strings.Contains(value, "://") {
		return value
	}
	parts := strings.Split(value, ", ")
	for i, p := range parts {
		at := strings.Index(p, "://")
		if at < 0 {
			continue
		}
		from := strings.LastIndexByte(p[:at], '=') + 1
		u, err := url.Parse(p[from:])
		if err != nil {
			parts[i] = p[:from] + string(removed)
			continue
		}
		if u.User != nil {
			u.User = url.User("removed")
		}
		if u.RawQuery != "" {
			u.RawQuery = "removed"
		}
		u.Fragment = ""
		parts[i] = p[:from] + u.String()
	}
	return strings.Join(parts, ", ")
}
