package wire

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
)

// endless are the frames whose last field is the rest of the frame.
var endless = []string{"Call", "Reply"}

func TestEveryFrameIsRefusedWhenItIsCutOrContinued(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, rapid.MakeCheck(func(t *rapid.T) {
			v := c.draw(t)
			if call, ok := v.(Call); ok {
				call.Body = nil
				v = call
			}
			if rep, ok := v.(Reply); ok {
				rep.Body = nil
				v = rep
			}
			payload := c.append(nil, v)[headerSize:]
			for n := range payload {
				if _, err := c.parse(payload[:n:n]); !errors.Is(err, fault.Protocol) {
					t.Fatalf("cut to %d of %d bytes: %v, want Protocol", n, len(payload), err)
				}
			}
			if _, err := c.parse(append(payload, 0)); !slices.Contains(endless, c.name) && !errors.Is(err, fault.Protocol) {
				t.Fatalf("with a byte more: %v, want Protocol", err)
			}
		}))
	}
}

// patch returns the payload of a frame with bytes of it replaced.
func patch(frame []byte, at int, with ...byte) []byte {
	p := bytes.Clone(frame[headerSize:])
	copy(p[at:], with)
	return p
}

func TestStrictParsing(t *testing.T) {
	call := AppendCall(nil, &Call{ID: 7, Name: "demo.echo", Budget: time.Second})
	hello := AppendHello(nil, &Hello{MinVersion: 1, MaxVersion: 1, Role: RolePeer, Realm: "org.demo", Listen: []string{"h:1"}})
	errf := AppendError(nil, &Error{ID: 7, Kind: fault.Deadline, Message: "late"})
	adv := AppendAdvertise(nil, &Advertise{Name: "demo.echo"})
	query := AppendQuery(nil, &Query{ID: 1, Name: "demo.echo"})
	answer := AppendAnswer(nil, &Answer{ID: 1, Name: "demo.echo"})
	elsewhere := AppendElsewhere(nil, &Elsewhere{})
	welcome := AppendWelcome(nil, &Welcome{Version: 1})
	by := map[string]codec{}
	for _, c := range codecs() {
		by[c.name] = c
	}
	mapped := append([]byte{16}, append(append(make([]byte, 10), 0xff, 0xff), 192, 0, 2, 1, 1, 187)...)
	for _, c := range []struct {
		frame   string
		what    string
		payload []byte
		want    fault.Kind
	}{
		{"Call", "id 0", patch(call, 7, 0), fault.Protocol},
		{"Call", "an unknown flag", patch(call, 8, 8), fault.Protocol},
		{"Call", "forwarded without a caller", patch(call, 8, 4), fault.Protocol},
		{"Call", "a budget over a day", patch(call, 10, 0, 0, 0x01), fault.Protocol},
		{"Call", "the largest budget", patch(call, 10, 255, 255, 255, 255, 255, 255, 255, 255), fault.Protocol},
		{"Call", "a name longer than the frame", patch(call, 18, 10), fault.Protocol},
		{"Call", "an illegal name", patch(call, 19, 'D'), fault.Invalid},
		{"Call", "no name", patch(call, 18, 0), fault.Invalid},
		{"Hello", "version 0", patch(hello, 0, 0, 0), fault.Protocol},
		{"Hello", "versions in the wrong order", patch(hello, 0, 0, 2, 0, 1), fault.Protocol},
		{"Hello", "later versions only", patch(hello, 0, 0, 2, 0, 3), fault.Version},
		{"Hello", "role 0", patch(hello, 12, 0), fault.Protocol},
		{"Hello", "role 3", patch(hello, 12, 3), fault.Protocol},
		{"Hello", "an illegal realm", patch(hello, 26, '_'), fault.Invalid},
		{"Hello", "five addresses", patch(hello, 34, 5), fault.Protocol},
		{"Hello", "an empty address", patch(hello, 34, 4, 0), fault.Protocol},
		{"Hello", "a space in an address", patch(hello, 36, ' '), fault.Protocol},
		{"Hello", "a control character in an address", patch(hello, 36, '\n'), fault.Protocol},
		{"Hello", "a letter with an accent in an address", patch(hello, 36, 0xc3), fault.Protocol},
		{"Welcome", "another version", patch(welcome, 0, 0, 2), fault.Version},
		{"Error", "an unknown flag", patch(errf, 14, 2), fault.Protocol},
		{"Error", "a message that is not UTF-8", patch(errf, 16, 0xff), fault.Protocol},
		{"Advertise", "an illegal name", patch(adv, 1, ' '), fault.Invalid},
		{"Advertise", "an IP address of 5 bytes", append(adv[headerSize:len(adv)-1:len(adv)-1], 5, 1, 2, 3, 4, 5, 0, 1), fault.Protocol},
		{"Advertise", "an IPv4 address as IPv6", append(adv[headerSize:len(adv)-1:len(adv)-1], mapped...), fault.Protocol},
		{"Query", "an illegal name", patch(query, 5, 0), fault.Invalid},
		{"Elsewhere", "five gateways", append([]byte{5}, make([]byte, 5*39)...), fault.Protocol},
		{"Elsewhere", "a gateway without an address", append(patch(elsewhere, 0, 1), make([]byte, 33)...), fault.Protocol},
		{"Answer", "seventeen providers", append(patch(answer, len(answer)-headerSize-1, 17), make([]byte, 17*46)...), fault.Protocol},
	} {
		if _, err := by[c.frame].parse(c.payload); fault.KindOf(err) != c.want {
			t.Errorf("%s with %s: %v, want kind %v", c.frame, c.what, err, c.want)
		}
	}
}

func TestAFrameWithAnIllegalNameCanBeRefusedAlone(t *testing.T) {
	call, err := ParseCall(AppendCall(nil, &Call{ID: 7, Flags: FlagOneWay, Name: "No", Body: []byte("x")})[headerSize:])
	if !errors.Is(err, fault.Invalid) || call.ID != 7 || call.Flags != FlagOneWay || string(call.Body) != "x" {
		t.Errorf("call: %+v, %v", call, err)
	}
	adv, err := ParseAdvertise(AppendAdvertise(nil, &Advertise{Name: "No", Version: 3})[headerSize:])
	if !errors.Is(err, fault.Invalid) || adv.Name != "No" || adv.Version != 3 {
		t.Errorf("advertise: %+v, %v", adv, err)
	}
	q, err := ParseQuery(AppendQuery(nil, &Query{ID: 3, Name: "No"})[headerSize:])
	if !errors.Is(err, fault.Invalid) || q.ID != 3 || q.Name != "No" {
		t.Errorf("query: %+v, %v", q, err)
	}
}

func TestAHelloOfALaterVersionIsUnderstoodByItsFirstFields(t *testing.T) {
	h := Hello{MinVersion: 1, MaxVersion: 2, Features: 1 << 63, Role: RoleClient, Realm: "org.demo"}
	payload := append(AppendHello(nil, &h)[headerSize:], "what version 2 adds"...)
	if got, err := ParseHello(payload); err != nil || !same(got, h) {
		t.Errorf("%+v, %v", got, err)
	}
	later := append([]byte{0, 2, 0, 3}, "another layout"...)
	got, err := ParseHello(later)
	if !errors.Is(err, fault.Version) || got.MinVersion != 2 || got.MaxVersion != 3 {
		t.Errorf("no version in common: %+v, %v", got, err)
	}
	if !strings.Contains(err.Error(), "speaks version 1, the peer 2 to 3") {
		t.Errorf("the message is %q", err)
	}
}

func TestUnknownKindsOfFailureBecomeInternal(t *testing.T) {
	for _, kind := range []fault.Kind{0, fault.Application + 1, 65535} {
		frame := AppendError(nil, &Error{Kind: kind})
		if e, err := ParseError(frame[headerSize:]); err != nil || e.Kind != fault.Internal {
			t.Errorf("kind %d was written as %v, %v", kind, e.Kind, err)
		}
		raw := patch(frame, 8, byte(kind>>8), byte(kind))
		if e, err := ParseError(raw); err != nil || e.Kind != fault.Internal {
			t.Errorf("kind %d was read as %v, %v", kind, e.Kind, err)
		}
	}
	if a, _ := ParseAdvertiseAck(AppendAdvertiseAck(nil, &AdvertiseAck{Name: "a"})[headerSize:]); a.Kind != 0 {
		t.Errorf("an acknowledgement became %v", a.Kind)
	}
}

func TestOnlyKindsFrom128OnAreSkipped(t *testing.T) {
	for _, c := range codecs() {
		if may := c.kind == KindElsewhere; Skippable(c.kind) != may {
			t.Errorf("%s: skippable is %v", c.name, !may)
		}
	}
	if Skippable(127) || !Skippable(128) || !Skippable(255) {
		t.Error("the boundary is not at 128")
	}
}
