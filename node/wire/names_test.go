package wire

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
)

var (
	nameModel  = regexp.MustCompile(`^[a-z0-9_-]+([./][a-z0-9_-]+)*$`)
	realmModel = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*$`)
)

// near draws strings that are names, or almost.
func near(t *rapid.T) string {
	s := rapid.StringOfN(rapid.RuneFrom([]rune("abcxyz0129_-./A@`{: \x00\x7f\u00e9")), 0, 12, -1).Draw(t, "s")
	if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
		s = strings.Repeat("abc.", 63) + s // around the limit
	}
	return s
}

func TestValidNamesAreThoseOfTheGrammar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := near(t)
		if got, want := ValidName(s) == nil, nameModel.MatchString(s) && len(s) <= MaxName; got != want {
			t.Errorf("name %q: valid %v, want %v", s, got, want)
		}
		if got, want := ValidRealm(s) == nil, realmModel.MatchString(s) && len(s) <= MaxRealm; got != want {
			t.Errorf("realm %q: valid %v, want %v", s, got, want)
		}
	})
}

func TestEveryCharacterIsJudged(t *testing.T) {
	for c := range 256 {
		s := "a" + string([]byte{byte(c)}) + "b"
		if got, want := ValidName(s) == nil, nameModel.MatchString(s); got != want {
			t.Errorf("name with byte %#x: valid %v", c, got)
		}
		if got, want := ValidRealm(s) == nil, realmModel.MatchString(s); got != want {
			t.Errorf("realm with byte %#x: valid %v", c, got)
		}
	}
}

func TestNameErrorsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ name, says string }{
		{"", "the service name is empty"},
		{strings.Repeat("a", 256), "has 256 bytes, the limit is 255"},
		{"Echo", `the character 'E' at position 1`},
		{"my echo", `the character ' ' at position 3`},
		{"ä", `the service name "ä" has the character 'ä' at position 1`},
		{"a.日本", `the character '日' at position 3`},
		{"\ufffd", "the character '\ufffd' at position 1"},
		{"a\xffb", `the service name "a\xffb" has the byte 0xff at position 2`},
		{"a\xc3", `the byte 0xc3 at position 2`},
		{".echo", "an empty segment at position 1"},
		{"a..b", "an empty segment at position 3"},
		{"a/.b", "an empty segment at position 3"},
		{"echo.", "ends with a separator"},
	} {
		err := ValidName(c.name)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want Invalid and %q", c.name, err, c.says)
		}
	}
	if err := ValidRealm("org/demo"); err == nil || !strings.Contains(err.Error(), `the realm "org/demo" has the character '/' at position 4`) {
		t.Errorf("realm: %v", err)
	}
}

func TestRememberedNamesAreTheSameAsParsedOnes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var names Names
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			name := near(t)
			if len(name) > MaxName {
				name = name[:MaxName]
			}
			payload := AppendCall(nil, &Call{ID: 1, Name: name})[headerSize:]
			with, errWith := names.ParseCall(payload)
			without, errWithout := ParseCall(payload)
			if with.Name != without.Name || (errWith == nil) != (errWithout == nil) {
				t.Fatalf("%q: remembered %q %v, parsed %q %v", name, with.Name, errWith, without.Name, errWithout)
			}
		}
		for _, s := range names.slots {
			if len(s) > nameCached || s != "" && ValidName(s) != nil {
				t.Fatalf("%q is remembered", s)
			}
		}
	})
}

// A handler keeps the name while the buffer takes the next frame.
func TestNamesDoNotLiveInTheBuffer(t *testing.T) {
	var names Names
	for _, parse := range []func([]byte) (Call, error){ParseCall, names.ParseCall} {
		payload := AppendCall(nil, &Call{ID: 1, Name: "demo.echo"})[headerSize:]
		c, _ := parse(payload)
		clear(payload)
		if c.Name != "demo.echo" {
			t.Errorf("the name became %q", c.Name)
		}
		if d := uintptr(unsafe.Pointer(unsafe.StringData(c.Name))) - uintptr(unsafe.Pointer(&payload[0])); d < uintptr(len(payload)) {
			t.Error("the name is a part of the payload")
		}
	}
}
