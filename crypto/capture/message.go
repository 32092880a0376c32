package capture

import (
	"bytes"
	"encoding/base64"

	"golang.org/x/crypto/cryptobyte"
)

// Sizes in bytes.
const (
	// MaxText is the longest message in text form, MaxWire the longest in bytes.
	// Longer ones are refused before anything is decoded.
	MaxText = 8192
	MaxWire = MaxText / 4 * 3

	tagSize = 16
)

// Message is an encrypted message taken apart. Nothing in it is authenticated
// until a [PrivateKey] has opened it. It is safe for concurrent use and made by
// [Parse] or [ParseWire]; the zero value opens nowhere.
type Message struct {
	keyID KeyID
	suite Suite
	enc   []byte // enc, the encrypted key, or the ephemeral public key's point
	body  []byte // ciphertext and tag; in JWE the IV before it

	aad, apu, apv []byte // of JWE
}

// KeyID says which key the message asks for.
func (m *Message) KeyID() KeyID { return m.keyID }

// Suite says what the message was made with.
func (m *Message) Suite() Suite { return m.suite }

// Parse takes a message in text form apart: JWE in compact form, or an HPKE
// message in base64url without padding. It keeps no part of text.
func Parse(text []byte) (*Message, error) {
	if len(text) > MaxText {
		return nil, ErrOpen
	}
	if bytes.IndexByte(text, '.') >= 0 {
		return parseJWE(text, kidOf)
	}
	wire, ok := decode(text)
	if !ok {
		return nil, ErrOpen
	}
	return parseWire(wire)
}

// ParseWire takes an HPKE message in bytes apart. It keeps no part of wire.
func ParseWire(wire []byte) (*Message, error) {
	if len(wire) > MaxWire {
		return nil, ErrOpen
	}
	return parseWire(bytes.Clone(wire))
}

func parseWire(wire []byte) (*Message, error) {
	m := new(Message)
	s := cryptobyte.String(wire)
	var v, suite uint8
	if !s.ReadUint8(&v) || v != version || !s.CopyBytes(m.keyID[:]) || !s.ReadUint8(&suite) {
		return nil, ErrOpen
	}
	m.suite = Suite(suite)
	h, ok := m.suite.hpke()
	if !ok || !s.ReadBytes(&m.enc, h.enc) || len(s) < tagSize {
		return nil, ErrOpen
	}
	m.body = s
	return m, nil
}

// base64url is RFC 4648, 5 without padding, strict: the unused bits of the last
// character must be zero.
var base64url = base64.RawURLEncoding.Strict()

// decode decodes base64url in its one spelling. What comes is never nil.
func decode(text []byte) ([]byte, bool) {
	// The decoder skips line breaks, which would give a message many spellings.
	if bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	b, err := base64url.AppendDecode([]byte{}, text)
	return b, err == nil
}
