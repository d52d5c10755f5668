package api

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

// refused demands that an error is one line that is safe to show.
func refused(t *testing.T, err error) {
	if !errors.Is(err, fault.Invalid) || strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 600 {
		t.Fatalf("%q", err.Error())
	}
}

// FuzzParseRegistration demands of what is taken that it has an address and a
// time that counts, and that writing it again gives the same.
func FuzzParseRegistration(f *testing.F) {
	for _, s := range []string{
		`{"url":"http://127.0.0.1:8080/","ttl":"60s"}`, `{"url":"http://h/"}`, `{"url":"http://h/","ttl":"0s"}`, `{"url":"http://h/","url":"http://i/"}`, `{"url":1}`, `{"URL":"http://h/"}`,
		`{"url":"http://h/"}x`, `[`, "\xff", `{"url":"http://\n/"}`, `{"url":"http://h/","ttl":"9223372036854775807ns"}`, `{"url":"http://h/","ttl":"2562048h"}`, strings.Repeat("[", 10000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reg, err := parseRegistration(data)
		if err != nil {
			refused(t, err)
			return
		}
		if !strings.HasPrefix(strings.ToLower(reg.URL), "http") || reg.ttl < 0 || (reg.TTL == "") != (reg.ttl == 0) {
			t.Fatalf("%q gives %+v", data, reg)
		}
		again, err := json.Marshal(reg)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := parseRegistration(again); err != nil || same != reg {
			t.Fatalf("%+v was written as %s and read as %+v, %v", reg, again, same, err)
		}
	})
}

// FuzzParseHeaders demands that no text of a header gives a time that is not
// within the limits.
func FuzzParseHeaders(f *testing.F) {
	for _, s := range []string{"", "1", "0", "-1", "3600000", "3600001", "9223372036854775808", "1e3", " 1", "+1", "0x10", "true", "false", "TRUE", "\x1b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		switch d, err := parseTimeout(text); {
		case err != nil:
			refused(t, err)
		case text == "" && d != 0, text != "" && (d < time.Millisecond || d > maxTimeout):
			t.Fatalf("%q is %v", text, d)
		}
		switch on, err := parseFlag(text); {
		case err != nil:
			refused(t, err)
		case on != (text == "true"):
			t.Fatalf("%q is %v", text, on)
		}
	})
}
