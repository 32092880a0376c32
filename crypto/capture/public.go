package capture

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// PublicKey is what clients encrypt with. It is safe for concurrent use and made
// by [PrivateKey.Public] or [ParsePublicKey].
type PublicKey struct {
	id    KeyID
	suite Suite
	hpke  hpke.PublicKey  // of HPKE suites
	ecdh  *ecdh.PublicKey // of JWEECDH
	rsa   *rsa.PublicKey  // of JWERSA
}

// ID is the key's ID, to be named in messages.
func (k *PublicKey) ID() KeyID { return k.id }

// Suite is what the key is for.
func (k *PublicKey) Suite() Suite { return k.suite }

// Bytes is the key by itself: of HPKE suites as RFC 9180, 7.1.1 serializes it, of
// JWEECDH the uncompressed point (SEC 1, 2.3.3), of JWERSA a SubjectPublicKeyInfo
// in DER (RFC 5280, 4.1). WebCrypto imports the P-256 forms as "raw" and the RSA
// form as "spki".
func (k *PublicKey) Bytes() []byte {
	switch {
	case k.hpke != nil:
		return k.hpke.Bytes()
	case k.ecdh != nil:
		return k.ecdh.Bytes()
	case k.rsa != nil:
		der, err := x509.MarshalPKIXPublicKey(k.rsa)
		if err != nil {
			panic("capture: " + err.Error()) // of an RSA key it cannot fail
		}
		return der
	}
	return nil
}

// ParsePublicKey makes a key of what [PublicKey.Bytes] gave, for clients written
// in Go.
func ParsePublicKey(s Suite, id KeyID, b []byte) (*PublicKey, error) {
	k := &PublicKey{id: id, suite: s}
	var err error
	switch h, ok := s.hpke(); {
	case ok:
		k.hpke, err = h.kem.NewPublicKey(b)
	case s == JWEECDH:
		k.ecdh, err = ecdh.P256().NewPublicKey(b)
	case s == JWERSA:
		var any any
		any, err = x509.ParsePKIXPublicKey(b)
		if k.rsa, ok = any.(*rsa.PublicKey); !ok || !rsaSize(k.rsa) {
			err = errPublic
		}
	default:
		return nil, errSuite
	}
	if err != nil {
		return nil, errPublic
	}
	return k, nil
}

var errPublic = &ArgumentError{"public key", "is not one of this suite"}

// jwk is a JSON Web Key (RFC 7517; members of the kinds: RFC 7518, 6.2 and 6.3).
type jwk struct {
	Kty string `json:"kty"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
}

// JWK is the key of a JWE suite as a JSON Web Key (RFC 7517) with kty, use, alg
// and kid, which a client copies into the header of what it encrypts. It is nil
// for HPKE suites, for whose messages no alg is registered.
func (k *PublicKey) JWK() []byte {
	j := jwk{Use: "enc", Kid: k.id.String()}
	b64 := base64.RawURLEncoding.EncodeToString
	switch {
	case k.ecdh != nil:
		j.Kty, j.Alg, j.Crv = "EC", algECDH, curveP256
		point := k.ecdh.Bytes() // 0x04 ‖ x ‖ y
		j.X, j.Y = b64(point[1:33]), b64(point[33:])
	case k.rsa != nil:
		j.Kty, j.Alg = "RSA", algRSA
		j.N, j.E = b64(k.rsa.N.Bytes()), b64(big.NewInt(int64(k.rsa.E)).Bytes())
	default:
		return nil
	}
	b, err := json.Marshal(j)
	if err != nil {
		panic("capture: " + err.Error()) // of strings alone it cannot fail
	}
	return b
}

// Info is HPKE's info for messages bound to b, so that a client need not put it
// together itself. It is no secret.
func (k *PublicKey) Info(b Binding) ([]byte, error) { return b.info(k.suite, k.id) }
