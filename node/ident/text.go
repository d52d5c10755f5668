package ident

import (
	"fmt"
	"unicode/utf8"

	"github.com/maculamesh/macula/node/fault"
	"github.com/maculamesh/macula/transport"
)

// The printed form is Crockford's base32 in lower case: 0-9 and a-z without
// i, l, o and u, so that no two of its characters look alike. It is one word
// of letters and digits, which a double click selects.
//
// The 32 bytes of the id are followed by their 3-byte CRC-24 of OpenPGP (RFC
// 9580, section 6.1): 280 bits, exactly 56 characters and no bit to spare.
// The checksum finds every mistake that lies within four characters in a row,
// so every single wrong character and every swap of two neighbours, and all
// but one in 16 million of the others.
const (
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

	// Len is the length of a printed id.
	Len = 56
	// ShortLen is the length of a shortened id.
	ShortLen = 8

	idSize  = len(transport.PeerID{})
	sumSize = 3
)

// String returns the printed form of id, of Len characters. Parse is its
// inverse.
func String(id transport.PeerID) string {
	var raw [idSize + sumSize]byte
	copy(raw[:], id[:])
	sum := crc24(id[:])
	raw[idSize], raw[idSize+1], raw[idSize+2] = byte(sum>>16), byte(sum>>8), byte(sum)
	var text [Len]byte
	encode(text[:], raw[:])
	return string(text[:])
}

// Short returns the first ShortLen characters of the printed form, to tell
// nodes apart in logs. It identifies nothing: it can be forged.
func Short(id transport.PeerID) string {
	var text [ShortLen]byte
	encode(text[:], id[:ShortLen*5/8])
	return string(text[:])
}

// Parse reads the printed form of an id. Capital letters are read as small
// ones, o as 0, i and l as 1. The error is Invalid and says which kind of
// mistake it is: the length, the character at its position, or the check
// digits.
func Parse(s string) (transport.PeerID, error) {
	if len(s) != Len {
		return transport.PeerID{}, fault.New("ident", fault.Invalid, "a node id has %d characters, %q has %d", Len, s[:min(len(s), Len)], len(s))
	}
	var raw [idSize + sumSize]byte
	var acc, bits uint
	n := 0
	for i := range len(s) {
		v, ok := value(s[i])
		if !ok {
			return transport.PeerID{}, fault.New("ident", fault.Invalid, "%s at position %d is not one of a node id", character(s[i:]), i+1)
		}
		acc, bits = acc<<5|v, bits+5
		if bits >= 8 {
			bits -= 8
			raw[n] = byte(acc >> bits)
			n++
		}
	}
	id := transport.PeerID(raw[:idSize])
	if sum := crc24(id[:]); uint32(raw[idSize])<<16|uint32(raw[idSize+1])<<8|uint32(raw[idSize+2]) != sum {
		return transport.PeerID{}, fault.New("ident", fault.Invalid, "the check digits of the node id do not match: some character of it is wrong")
	}
	return id, nil
}

// character says what s begins with: a byte that begins no character is shown
// as what it is.
func character(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf("the byte %#02x", s[0])
	}
	return fmt.Sprintf("the character %q", r)
}

// encode writes src in base32; it has no remainder.
func encode(dst, src []byte) {
	var acc, bits uint
	n := 0
	for _, b := range src {
		acc, bits = acc<<8|uint(b), bits+8
		for bits >= 5 {
			bits -= 5
			dst[n] = alphabet[acc>>bits&31]
			n++
		}
	}
}

// value returns the five bits of a character.
func value(c byte) (uint, bool) {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	switch c {
	case 'o':
		c = '0'
	case 'i', 'l':
		c = '1'
	}
	for i := range len(alphabet) {
		if alphabet[i] == c {
			return uint(i), true
		}
	}
	return 0, false
}

// crc24 is the CRC-24 of RFC 9580, section 6.1.
func crc24(b []byte) uint32 {
	crc := uint32(0xB704CE)
	for _, x := range b {
		crc ^= uint32(x) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= 0x1864CFB
			}
		}
	}
	return crc
}
