package keys

import (
	"crypto/sha256"
	"strconv"

	"golang.org/x/crypto/cryptobyte"
)

// bindingVersion is the first byte of [Binding.AAD].
const bindingVersion = 1

// AAD encodes the binding as additional data for a KMS that takes bytes: version
// (1 byte, 0x01), then environment, scope and purpose, each behind a 16-bit
// length, then the key ID (16) and the creation time in Unix seconds (8),
// integers big-endian. It panics if a text is longer than 65,535 bytes, which
// [Open] and [Inline] refuse.
func (b Binding) AAD() []byte {
	var c cryptobyte.Builder
	c.AddUint8(bindingVersion)
	for _, text := range []string{b.Environment, b.Scope, string(b.Purpose)} {
		c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes([]byte(text)) })
	}
	c.AddBytes(b.KeyID[:])
	c.AddUint64(uint64(b.Created.Unix()))
	return c.BytesOrPanic()
}

// Context encodes the binding as name and value pairs for a KMS that takes text
// (AWS: encryption context). Every name is always present but "scope", which is
// left out where it is empty, since AWS takes no empty values.
func (b Binding) Context() map[string]string {
	m := map[string]string{
		"cardseal:environment": b.Environment,
		"cardseal:purpose":     string(b.Purpose),
		"cardseal:key-id":      b.KeyID.String(),
		"cardseal:created":     strconv.FormatInt(b.Created.Unix(), 10),
	}
	if b.Scope != "" {
		m["cardseal:scope"] = b.Scope
	}
	return m
}

// Digest is SHA-256 of [Binding.AAD], for a KEK without additional data: it
// wraps digest and data key together and compares the digest when it unwraps.
func (b Binding) Digest() [sha256.Size]byte { return sha256.Sum256(b.AAD()) }
