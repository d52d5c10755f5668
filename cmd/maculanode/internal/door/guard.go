package door

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Local reports whether only processes of this machine can reach lis.
func Local(lis net.Listener) bool {
	if Unix(lis) {
		return true
	}
	a, err := netip.ParseAddrPort(lis.Addr().String())
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// Unix reports whether lis is a socket of the file system.
func Unix(lis net.Listener) bool { return lis.Addr().Network() == "unix" }

// Bearer reports whether a request carries the token in its Authorization
// header. It takes the same time for every wrong one.
func Bearer(r *http.Request, token string) bool {
	kind, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(kind, "Bearer") && Same(strings.TrimSpace(got), token)
}

// Same compares two secrets. How long it takes does not tell where they
// differ.
func Same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// Derived is a secret that is as good as the token for one purpose, and from
// which the token cannot be found.
func Derived(token, purpose string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte(purpose))
	return hex.EncodeToString(m.Sum(nil))
}

// LocalHost reports whether a request was sent to a name that stands for this
// machine whatever a name server says. A page of the web that makes its own
// name point here is sent by the browser under that name.
func LocalHost(r *http.Request) bool { return localName(r.Host) }

// localName takes what may stand in a Host header.
func localName(host string) bool {
	if len(host) > 255 {
		return false
	}
	if h, port, err := net.SplitHostPort(host); err == nil && digits(port) {
		host = h
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok {
			return false
		}
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Zone() == "" && a.Unmap().IsLoopback()
}

func digits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// Foreign reports whether a page of another site made the browser send a
// request, other than by a link that somebody follows. Programs do not say.
func Foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}
