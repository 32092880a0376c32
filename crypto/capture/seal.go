package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
)

// Seal encrypts plaintext for the key and appends the message in text form to
// dst, as [Parse] takes it. It is for clients written in Go, and for tests. A
// plaintext that makes a message longer than [MaxText] is refused.
func (k *PublicKey) Seal(dst, plaintext []byte, b Binding) ([]byte, error) {
	n := len(dst)
	var err error
	switch {
	case k.hpke != nil:
		dst, err = k.sealHPKE(dst, plaintext, b)
	case k.rsa != nil:
		dst, err = k.sealRSA(dst, plaintext)
	case k.ecdh != nil:
		dst, err = k.sealECDH(dst, plaintext)
	default:
		err = errPublic
	}
	if err != nil {
		return nil, err
	}
	if len(dst)-n > MaxText {
		return nil, &ArgumentError{"plaintext", "makes a message longer than 8192 bytes"}
	}
	return dst, nil
}

func (k *PublicKey) sealHPKE(dst, plaintext []byte, b Binding) ([]byte, error) {
	info, err := k.Info(b)
	if err != nil {
		return nil, err
	}
	h, _ := k.suite.hpke()
	sealed, err := hpke.Seal(k.hpke, h.kdf, h.aead, info, plaintext)
	if err != nil {
		return nil, err
	}
	wire := append([]byte{version}, k.id[:]...)
	wire = append(wire, byte(k.suite))
	return base64.RawURLEncoding.AppendEncode(dst, append(wire, sealed...)), nil
}

func (k *PublicKey) sealRSA(dst, plaintext []byte) ([]byte, error) {
	cek := make([]byte, cekSize)
	rand.Read(cek)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.rsa, cek, nil)
	if err != nil {
		return nil, err
	}
	return appendJWE(dst, `{"alg":"`+algRSA+`","enc":"`+encA256GCM+`","kid":"`+k.id.String()+`"}`, wrapped, cek, plaintext)
}

func (k *PublicKey) sealECDH(dst, plaintext []byte) ([]byte, error) {
	e, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	z, err := e.ECDH(k.ecdh)
	if err != nil {
		return nil, err
	}
	cek := concatKDF(z, nil, nil)
	clear(z)
	b64, point := base64.RawURLEncoding.EncodeToString, e.PublicKey().Bytes()
	return appendJWE(dst, `{"alg":"`+algECDH+`","enc":"`+encA256GCM+`","kid":"`+k.id.String()+
		`","epk":{"kty":"EC","crv":"`+curveP256+`","x":"`+b64(point[1:1+coord])+`","y":"`+b64(point[1+coord:])+`"}}`,
		nil, cek, plaintext)
}

// appendJWE encrypts the content, wipes its key and appends the compact form.
func appendJWE(dst []byte, header string, wrapped, cek, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(cek)
	clear(cek)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	e := base64.RawURLEncoding
	aad := []byte(e.EncodeToString([]byte(header)))
	body := gcm.Seal(nil, nil, plaintext, aad) // IV ‖ ciphertext ‖ tag
	tag := len(body) - tagSize
	dst = append(dst, aad...)
	for _, part := range [...][]byte{wrapped, body[:ivSize], body[ivSize:tag], body[tag:]} {
		dst = e.AppendEncode(append(dst, '.'), part)
	}
	return dst, nil
}
