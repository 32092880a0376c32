package capture

import (
	"crypto/hmac"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
)

// DigestSize is the length in bytes of a digest and of its key.
const DigestSize = sha256.Size

// Digest identifies a message, to find it again when it is sent twice:
// HMAC-SHA-256 (FIPS 198-1) under a key of the caller's, over
//
//	"cardseal capture digest" ‖ key ID ‖ suite ‖ enc ‖ body
//
// each behind its length in 16 bits. Enc is HPKE's, RSA's encrypted key or the
// ephemeral key's uncompressed point; body is the ciphertext with its tag, and in
// JWE the IV before it. These are the parts as they are decoded, each of which has
// one form that opens, so that writing a message differently does not change its
// digest. It means something only once the message has opened.
func (m *Message) Digest(key *[DigestSize]byte) [DigestSize]byte {
	var c cryptobyte.Builder
	for _, part := range [...][]byte{[]byte(label + " digest"), m.keyID[:], {byte(m.suite)}, m.enc, m.body} {
		c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(part) })
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write(c.BytesOrPanic()) // no part is longer than MaxText
	return [DigestSize]byte(mac.Sum(nil))
}
