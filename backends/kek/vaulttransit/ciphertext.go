package vaulttransit

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

// What Vault gives for 32 bytes: nonce (12, or 24 for XChaCha20), ciphertext (32)
// and tag (16).
const (
	shortCiphertext = 12 + keys.DataKeySize + 16
	longCiphertext  = 24 + keys.DataKeySize + 16
)

const prefix = "vault:v" // OpenBao keeps it

// ciphertext is a wrapped data key as Vault gave it: the text
// "vault:v<version>:<base64>". Its one stored form is the version in 4 bytes,
// big-endian, and what the base64 says.
type ciphertext struct {
	version uint32 // of the key, at least 1
	raw     []byte
}

func (c ciphertext) sound() bool {
	return c.version > 0 && c.version <= math.MaxInt32 &&
		(len(c.raw) == shortCiphertext || len(c.raw) == longCiphertext)
}

// parseText reads Vault's form. Only what appendText gives again is taken.
func parseText(text []byte) (c ciphertext, ok bool) {
	number, encoded, ok := bytes.Cut(bytes.TrimPrefix(text, []byte(prefix)), []byte(":"))
	if !ok {
		return c, false
	}
	version, err := strconv.ParseUint(string(number), 10, 31)
	if err != nil {
		return c, false
	}
	c.version = uint32(version)
	if c.raw, ok = decode(encoded); !ok || !c.sound() || !bytes.Equal(c.appendText(nil), text) {
		return ciphertext{}, false
	}
	return c, true
}

func (c ciphertext) appendText(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, prefix...), uint64(c.version), 10)
	return base64.StdEncoding.AppendEncode(append(dst, ':'), c.raw)
}

// appendStored appends the wrapped data key as it is stored.
func (c ciphertext) appendStored(dst []byte, check wrapped.Check) []byte {
	return wrapped.Append(dst, check, append(binary.BigEndian.AppendUint32(nil, c.version), c.raw...))
}

// parseStored takes apart what appendStored made; raw lies within form.
func parseStored(form []byte) (check wrapped.Check, c ciphertext, ok bool) {
	check, body, ok := wrapped.Split(form)
	if !ok || len(body) < 4 {
		return check, c, false
	}
	c = ciphertext{binary.BigEndian.Uint32(body), body[4:]}
	return check, c, c.sound()
}

// decode reads base64 in its one canonical spelling. Where it fails it leaves
// nothing of what it read.
func decode(text []byte) ([]byte, bool) {
	e := base64.StdEncoding.Strict()
	out := make([]byte, e.DecodedLen(len(text)))
	n, err := e.Decode(out, text)
	if err != nil || e.EncodedLen(n) != len(text) { // line breaks are skipped
		clear(out)
		return nil, false
	}
	return out[:n], true
}

// plaintext is a data key in an answer, decoded without a copy that cannot be
// wiped. nil where the answer has none.
type plaintext []byte

// UnmarshalJSON implements json.Unmarshaler.
func (p *plaintext) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return errNotVault
	}
	out, ok := decode(text[1 : len(text)-1])
	if !ok {
		return errNotVault
	}
	clear(*p)
	*p = out
	return nil
}
