package ident_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/transport"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// Computed by another program, after the descriptions of FromPublicKey, String
// and Simulated.
const (
	goldenHex       = "9491c74d306c0b4807cea3106d607960749732634b90e7a15f60410104cacc79"
	goldenText      = "jj8wek9gdg5mg1yemc86tr3sc1t9eck39e8ef8azc10g216ashwswpw5"
	goldenZero      = "0000000000000000000000000000000000000000000000000007fe2g"
	goldenSimulated = "2f8w8yj41x60ckr5t5ypyjjyyhp0xtew90zyns79j23vx7gn6pkndvtq"
)

func drawID(t *rapid.T) (id transport.PeerID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, "id"))
	return id
}

func TestTheIDOfAKeyIsForEver(t *testing.T) {
	// The seed and the public key of the first example of RFC 8032, 7.1.
	seed, _ := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	key, err := ident.Generate(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	id, err := ident.FromPublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(id[:]); got != goldenHex {
		t.Errorf("the id is %s, want %s", got, goldenHex)
	}
	for text, id := range map[string]transport.PeerID{goldenText: id, goldenZero: {}, goldenSimulated: ident.Simulated(42, "n1")} {
		if got := ident.String(id); got != text {
			t.Errorf("printed %s, want %s", got, text)
		}
	}
}

func TestAPrintedIDIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := drawID(t)
		s := ident.String(id)
		if len(s) != ident.Len || strings.Trim(s, alphabet) != "" {
			t.Fatalf("printed %q", s)
		}
		if got, err := ident.Parse(s); err != nil || got != id {
			t.Fatalf("Parse(%q): %x, %v, want %x", s, got, err, id)
		}
		if short := ident.Short(id); short != s[:ident.ShortLen] {
			t.Fatalf("Short is %q of %q", short, s)
		}
		loose := strings.NewReplacer("0", "O", "1", rapid.SampledFrom([]string{"i", "I", "l", "L"}).Draw(t, "one")).Replace(strings.ToUpper(s))
		if got, err := ident.Parse(loose); err != nil || got != id {
			t.Fatalf("Parse(%q): %x, %v, want %x", loose, got, err, id)
		}
	})
}

func TestAMistakeWithinFourCharactersIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := ident.String(drawID(t))
		b := []byte(s)
		at := rapid.IntRange(0, ident.Len-4).Draw(t, "at")
		for i := range 4 {
			b[at+i] = alphabet[rapid.IntRange(0, 31).Draw(t, "char")]
		}
		if string(b) == s {
			t.Skip("the same characters")
		}
		if _, err := ident.Parse(string(b)); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "check digits") {
			t.Fatalf("Parse(%q) of %q: %v", b, s, err)
		}
	})
}

func TestASwapOfTwoNeighboursIsFound(t *testing.T) {
	s := ident.String(ident.Simulated(1, "x"))
	for i := range len(s) - 1 {
		b := []byte(s)
		b[i], b[i+1] = b[i+1], b[i]
		if _, err := ident.Parse(string(b)); err == nil && b[i] != b[i+1] {
			t.Errorf("the swap at %d is not found", i)
		}
	}
}

func TestParseSaysWhichMistakeItIs(t *testing.T) {
	good := ident.String(transport.PeerID{1})
	for text, want := range map[string]string{
		"":                                 "has 56 characters",
		good[:55]:                          "has 55",
		good + "0":                         "has 57",
		strings.Repeat("x", 1<<20):         "has 1048576",
		"u" + good[1:]:                     "'u' at position 1 ",
		good[:55] + "-":                    "'-' at position 56 ",
		good[:10] + " " + good[11:]:        "' ' at position 11 ",
		good[:10] + "\xff" + good[11:]:     "the byte 0xff at position 11 ",
		good[:10] + "ä" + good[12:]:        "the character 'ä' at position 11 ",
		good[:10] + "\x00" + good[11:]:     "at position 11 ",
		strings.Replace(good, "0", "1", 1): "check digits",
		good[:len(good)-1] + next(good[len(good)-1:]): "check digits",
	} {
		id, err := ident.Parse(text)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || id != (transport.PeerID{}) {
			t.Errorf("Parse(%.60q): %v, want %q in it", text, err, want)
		} else if len(err.Error()) > 400 {
			t.Errorf("Parse(%.60q) has an error of %d bytes", text, len(err.Error()))
		}
	}
}

func next(c string) string {
	return string(alphabet[(strings.Index(alphabet, c)+1)%len(alphabet)])
}

func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add(ident.String(transport.PeerID{}))
	f.Add(strings.ToUpper(ident.String(ident.Simulated(7, "n"))))
	f.Add(strings.Repeat("\xff", ident.Len))
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ident.Parse(s)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if again, err := ident.Parse(ident.String(id)); err != nil || again != id {
			t.Fatalf("%q is read as %x, and its printed form as %x, %v", s, id, again, err)
		}
	})
}

func TestTheSameBytesMakeTheSameKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 32, 64).Draw(t, "random")
		src := bytes.NewReader(b)
		one, err := ident.Generate(src)
		if err != nil {
			t.Fatal(err)
		}
		if src.Len() != len(b)-32 {
			t.Fatalf("%d bytes were read, want 32", len(b)-src.Len())
		}
		two, _ := ident.Generate(bytes.NewReader(b))
		if !one.Equal(two) {
			t.Fatal("two keys from the same bytes")
		}
	})
}

func TestNoKeyIsMadeWithoutEnoughRandomness(t *testing.T) {
	key, err := ident.Generate(bytes.NewReader(make([]byte, 31)))
	if key != nil || !errors.Is(err, fault.Internal) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("key %v, error %v", key != nil, err)
	}
}

func TestAKeyOfAnotherLengthHasNoID(t *testing.T) {
	for _, n := range []int{0, 31, 33, 64} {
		if _, err := ident.FromPublicKey(make(ed25519.PublicKey, n)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%d bytes: %v, want Invalid", n, err)
		}
	}
}

func TestSimulatedIDsDifferBySeedAndName(t *testing.T) {
	seen := map[transport.PeerID]string{}
	for seed := range uint64(20) {
		for _, name := range []string{"", "a", "b", "ab", "n1", "n10"} {
			id := ident.Simulated(seed, name)
			if other, ok := seen[id]; ok {
				t.Fatalf("%d/%s has the id of %s", seed, name, other)
			}
			seen[id] = name
			if id != ident.Simulated(seed, name) {
				t.Fatal("the same seed and name have two ids")
			}
		}
	}
}
