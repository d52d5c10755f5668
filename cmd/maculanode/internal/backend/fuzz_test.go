package backend

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/fault"
)

// oneLine demands that an error is one short line of text.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if msg := err.Error(); len(msg) > 1500 || strings.ContainsFunc(msg, unicode.IsControl) || !strings.Contains(strings.ToValidUTF8(msg, "\x00"), msg) {
		t.Fatalf("the error has %d bytes, want one short line: %.2000q", len(msg), msg)
	}
}

// FuzzNewHTTP demands that an address that is taken is one of a host over HTTP
// and means the same when it is read again.
func FuzzNewHTTP(f *testing.F) {
	for _, s := range []string{
		"", "http://", "http:///path", "http://h", "https://h:8080/p?q#f", "ftp://h", "h:80", "http://[::1]:80/", "http://[::1", "http://h:port/", "http://h:99999999999/",
		"http://u:p@h/", "http://\x00/", "http://h/\n", "http://\xff/", "HTTP://H/", "http:h", "http://h%zz/", "http://%41/", "http:// h/", "http://[fe80::1%25a]/", strings.Repeat("x", 5000), "http://" + strings.Repeat("h", 5000),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		h, err := NewHTTP(address, Limits{})
		if err != nil {
			oneLine(t, err)
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		defer h.Close()
		u, err := url.Parse(h.url)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.String() != h.url {
			t.Fatalf("%q is used as %q, which is %+v, %v", address, h.url, u, err)
		}
		if _, err := http.NewRequest(http.MethodPost, h.url, nil); err != nil {
			t.Fatalf("%q is taken, and nothing can be sent there: %v", address, err)
		}
	})
}

// FuzzAnswer plays the HTTP server: whatever it sends becomes a reply within
// the limit, or an error with a kind in one short line, to be tried again after
// a time that makes sense.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhi", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\nlater\nmuch later", "HTTP/1.1 429 X\r\nRetry-After: 9223372037\r\n\r\n", "HTTP/1.1 503 X\r\nRetry-After: 9223372036854775807\r\n\r\n", "HTTP/1.1 503 X\r\nRetry-After: -5\r\n\r\n", "HTTP/1.1 503 X\r\nRetry-After: NaN\r\n\r\n", "HTTP/1.1 503 X\r\nRetry-After: 18446744073709551616\r\n\r\n",
		"HTTP/1.1 404 \x1b[2J\r\n\r\n\x1b[2J\rline\n", "HTTP/1.1 500 \xff\xfe\r\n\r\n\xff\xfe\xfd", "HTTP/1.1 500 " + strings.Repeat("s", 5000) + "\r\n\r\n" + strings.Repeat("é", 500), "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", "HTTP/1.1 999 ?\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("b", 101),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		h, err := NewHTTP("http://127.0.0.1:1/", Limits{MaxBody: 100})
		if err != nil {
			t.Fatal(err)
		}
		h.client.Transport = canned(sent)
		got, err := h.Handle(context.Background(), &node.Request{Name: "a.b"})
		if err == nil {
			if len(got) > 100 {
				t.Fatalf("a reply of %d bytes", len(got))
			}
			return
		}
		oneLine(t, err)
		if k := fault.KindOf(err); k != fault.Application && k != fault.Overload && k != fault.Unreachable && k != fault.TooLarge {
			t.Fatalf("%v: %v", k, err)
		}
		if d := fault.RetryAfter(err); d < 0 || d > time.Hour {
			t.Fatalf("to be tried again after %v", d)
		}
	})
}

// canned is a server that has sent its answer.
type canned []byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, r.Body)
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(c)), r)
}
