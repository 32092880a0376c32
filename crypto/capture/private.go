package capture

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"io"
)

// version is the first byte of an HPKE message and of a marshalled key.
const version = 0x01

// rsaBits is the size of new RSA keys: 128 bits of security (NIST SP 800-57 part
// 1, table 2). A key of 2,048 or 4,096 bits is read as well.
const rsaBits = 3072

// PrivateKey opens messages. It is safe for concurrent use, prints as its type's
// name alone, and is made by [Generate] or [ParsePrivateKey]; the zero value
// opens nothing.
type PrivateKey struct {
	id    KeyID
	suite Suite
	// Behind a function, since fmt follows pointers where a verb does not fit.
	secret func() secret
}

// secret is the key itself, in one of three forms.
type secret struct {
	hpke hpke.PrivateKey  // of HPKE suites
	ecdh *ecdh.PrivateKey // of JWEECDH
	rsa  *rsa.PrivateKey  // of JWERSA
}

func newPrivate(s Suite, id KeyID, k secret) *PrivateKey {
	return &PrivateKey{id, s, func() secret { return k }}
}

// reveal is the key itself, or nothing of the zero value.
func (k *PrivateKey) reveal() secret {
	if k.secret == nil {
		return secret{}
	}
	return k.secret()
}

// Generate makes a key pair with a new key ID. An RSA key of 3,072 bits takes
// some tenths of a second. Go refuses X25519 under GODEBUG=fips140=only.
func Generate(s Suite) (*PrivateKey, error) {
	var k secret
	var err error
	switch h, ok := s.hpke(); {
	case ok:
		k.hpke, err = h.kem.GenerateKey()
	case s == JWERSA:
		k.rsa, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case s == JWEECDH:
		k.ecdh, err = ecdh.P256().GenerateKey(rand.Reader)
	default:
		err = errSuite
	}
	if err != nil {
		return nil, err
	}
	return newPrivate(s, NewKeyID(), k), nil
}

// ID is the key's ID, which its messages name.
func (k *PrivateKey) ID() KeyID { return k.id }

// Suite is what the key is for.
func (k *PrivateKey) Suite() Suite { return k.suite }

// Append REVEALS the private key, for sealing it: it appends
//
//	version 0x01 (1 byte) ‖ suite (1) ‖ key ID (16) ‖ key
//
// to dst. The key is as RFC 9180, 7.1.2 serializes it, for JWEECDH the scalar in
// 32 bytes, for JWERSA PKCS #1 in DER (RFC 8017, A.1.2). The caller wipes it.
func (k *PrivateKey) Append(dst []byte) ([]byte, error) {
	var raw []byte
	var err error
	switch s := k.reveal(); {
	case s.hpke != nil:
		raw, err = s.hpke.Bytes()
	case s.rsa != nil:
		raw = x509.MarshalPKCS1PrivateKey(s.rsa)
	case s.ecdh != nil:
		raw = s.ecdh.Bytes()
	default:
		err = errPrivate
	}
	if err != nil {
		return nil, err
	}
	dst = append(dst, version, byte(k.suite))
	dst = append(dst, k.id[:]...)
	dst = append(dst, raw...)
	clear(raw)
	return dst, nil
}

// ParsePrivateKey reads what Append wrote. The caller wipes b.
func ParsePrivateKey(b []byte) (*PrivateKey, error) {
	const head = 2 + keyIDSize
	if len(b) <= head || b[0] != version {
		return nil, errPrivate
	}
	suite, raw := Suite(b[1]), b[head:]
	var k secret
	var err error
	switch h, ok := suite.hpke(); {
	case ok:
		k.hpke, err = h.kem.NewPrivateKey(raw)
	case suite == JWERSA:
		if k.rsa, err = x509.ParsePKCS1PrivateKey(raw); err == nil && !(rsaSize(&k.rsa.PublicKey) && isMarshalled(k.rsa, raw)) {
			err = errPrivate
		}
	case suite == JWEECDH:
		k.ecdh, err = ecdh.P256().NewPrivateKey(raw)
	default:
		err = errSuite
	}
	if err != nil {
		return nil, errPrivate // the library's own might tell of the key
	}
	return newPrivate(suite, KeyID(b[2:head]), k), nil
}

var errPrivate = &ArgumentError{"private key", "is not one in this package's form"}

// rsaSize reports whether a key has one of the sizes that are read.
func rsaSize(k *rsa.PublicKey) bool {
	n := k.N.BitLen()
	return n == 2048 || n == 3072 || n == 4096
}

// isMarshalled reports whether raw is how a key is written. Of the three values at the
// end, which follow from the others, crypto/x509 takes any where one is missing.
func isMarshalled(k *rsa.PrivateKey, raw []byte) bool {
	again := x509.MarshalPKCS1PrivateKey(k)
	defer clear(again)
	return subtle.ConstantTimeCompare(again, raw) == 1
}

// Public is the public half.
func (k *PrivateKey) Public() *PublicKey {
	p := &PublicKey{id: k.id, suite: k.suite}
	switch s := k.reveal(); {
	case s.hpke != nil:
		p.hpke = s.hpke.PublicKey()
	case s.rsa != nil:
		p.rsa = &s.rsa.PublicKey
	case s.ecdh != nil:
		p.ecdh = s.ecdh.PublicKey()
	}
	return p
}

// printed is all that a private key ever shows.
const printed = "capture.PrivateKey"

// Format prints the type's name alone, whatever the verb.
func (PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, printed) }

// MarshalText is the type's name; encoding/json uses it.
func (PrivateKey) MarshalText() ([]byte, error) { return []byte(printed), nil }
