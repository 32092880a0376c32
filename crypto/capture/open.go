package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"

	"golang.org/x/crypto/cryptobyte"
)

// cekSize is the length of a JWE's content key in bytes.
const cekSize = 32

// Open returns what a message holds. Of an HPKE suite it must have been sealed
// for b; JWE looks at the key alone. Every failure is [ErrOpen]. The caller wipes
// what it got.
func (k *PrivateKey) Open(m *Message, b Binding) ([]byte, error) {
	if m.suite != k.suite || m.keyID != k.id {
		return nil, ErrOpen
	}
	var plain []byte
	var err error
	switch s := k.reveal(); {
	case s.hpke != nil:
		var info []byte
		if info, err = b.info(m.suite, m.keyID); err == nil {
			h, _ := k.suite.hpke()
			plain, err = openHPKE(s.hpke, h, info, m.enc, nil, m.body)
		}
	case s.rsa != nil:
		plain, err = openRSA(s.rsa, m)
	case s.ecdh != nil:
		plain, err = openECDH(s.ecdh, m)
	default:
		err = ErrOpen
	}
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

func openHPKE(k hpke.PrivateKey, h hpkeSuite, info, enc, aad, ciphertext []byte) ([]byte, error) {
	r, err := hpke.NewRecipient(enc, k, h.kdf, h.aead, info)
	if err != nil {
		return nil, err
	}
	return r.Open(aad, ciphertext)
}

// openRSA opens a message whose content key is under RSA-OAEP-256. Padding that is
// bad, or holds no content key, is answered with a random one, with which the tag
// then fails: a sender who could tell the two apart would have an oracle for the
// RSA key (RFC 7516, 11.5).
func openRSA(k *rsa.PrivateKey, m *Message) ([]byte, error) {
	cek := make([]byte, cekSize)
	rand.Read(cek)
	if got, err := decryptOAEP(k, m.enc); err == nil && len(got) == cekSize {
		cek = got
	}
	return openContent(cek, m)
}

// decryptOAEP is RSAES-OAEP with SHA-256 and no label (RFC 8017, 7.1.2).
func decryptOAEP(k *rsa.PrivateKey, ciphertext []byte) ([]byte, error) {
	// Go takes a ciphertext without its leading zeros too: another spelling.
	if len(ciphertext) != k.Size() {
		return nil, ErrOpen
	}
	return rsa.DecryptOAEP(sha256.New(), nil, k, ciphertext, nil)
}

// openECDH opens a message whose content key is agreed upon directly (RFC 7518,
// 4.6).
func openECDH(k *ecdh.PrivateKey, m *Message) ([]byte, error) {
	peer, err := ecdh.P256().NewPublicKey(m.enc) // on the curve, not the point at infinity
	if err != nil {
		return nil, err
	}
	z, err := k.ECDH(peer)
	if err != nil {
		return nil, err
	}
	cek := concatKDF(z, m.apu, m.apv)
	clear(z)
	return openContent(cek, m)
}

// concatKDF is the single-step key derivation with SHA-256 (NIST SP 800-56A,
// 5.8.2.1) as RFC 7518, 4.6.2 has it for A256GCM: one round gives the whole key.
func concatKDF(z, apu, apv []byte) []byte {
	var c cryptobyte.Builder
	c.AddUint32(1)
	c.AddBytes(z)
	for _, part := range [...][]byte{[]byte(encA256GCM), apu, apv} {
		c.AddUint32(uint32(len(part)))
		c.AddBytes(part)
	}
	c.AddUint32(8 * cekSize)
	in := c.BytesOrPanic()
	sum := sha256.Sum256(in)
	clear(in)
	return sum[:]
}

// openContent opens the content with A256GCM and wipes the key. The cipher with
// random nonces is the one that FIPS mode serves; to open, it takes IV, ciphertext
// and tag in a row.
func openContent(cek []byte, m *Message) ([]byte, error) {
	block, err := aes.NewCipher(cek)
	clear(cek)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, nil, m.body, m.aad)
}
