package bundle

import (
	"strings"

	"github.com/maculamesh/macula/cmd/maculanode/internal/backend"
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
		parts[i] = p[:from] + backend.Shown(p[from:])
	}
	return strings.Join(parts, ", ")
}
