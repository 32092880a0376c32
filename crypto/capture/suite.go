package capture

import (
	"crypto/ecdh"
	"crypto/hpke"
)

// Suite is what a key encrypts with: one format and one set of algorithms. Its
// number is part of the format. The zero value is invalid.
type Suite uint8

const (
	// HPKEP256 is DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
	HPKEP256 Suite = 1
	// HPKEX25519 is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
	HPKEX25519 Suite = 2
	// HPKEXWing is X-Wing (ML-KEM-768 with X25519; KEM 0x647a), HKDF-SHA256,
	// AES-256-GCM.
	HPKEXWing Suite = 3
	// JWERSA is RSA-OAEP-256 with A256GCM (RFC 7518, 4.3 and 5.3).
	JWERSA Suite = 16
	// JWEECDH is ECDH-ES on P-256 in direct key agreement, with A256GCM (RFC 7518,
	// 4.6 and 5.3).
	JWEECDH Suite = 17
)

var suiteNames = map[Suite]string{
	HPKEP256: "hpke-p256", HPKEX25519: "hpke-x25519", HPKEXWing: "hpke-xwing",
	JWERSA: "jwe-rsa-oaep-256", JWEECDH: "jwe-ecdh-es",
}

// Valid reports whether s is one of this package's suites.
func (s Suite) Valid() bool { return suiteNames[s] != "" }

// String is the suite's name, such as hpke-p256.
func (s Suite) String() string {
	if !s.Valid() {
		return "unknown suite"
	}
	return suiteNames[s]
}

// ParseSuite finds a suite by the name that String gives it.
func ParseSuite(name string) (Suite, error) {
	for s, n := range suiteNames {
		if n == name {
			return s, nil
		}
	}
	return 0, errSuite
}

var errSuite = &ArgumentError{"suite", "is not one of this package's"}

// hpkeSuite is an HPKE ciphersuite, and how long its enc is in bytes.
type hpkeSuite struct {
	kem  hpke.KEM
	kdf  hpke.KDF
	aead hpke.AEAD
	enc  int
}

// hpke is the ciphersuite of an HPKE suite; ok is false for the others.
func (s Suite) hpke() (h hpkeSuite, ok bool) {
	h = hpkeSuite{kdf: hpke.HKDFSHA256(), aead: hpke.AES256GCM()}
	switch s {
	case HPKEP256:
		h.kem, h.enc = hpke.DHKEM(ecdh.P256()), 65
	case HPKEX25519:
		h.kem, h.enc = hpke.DHKEM(ecdh.X25519()), 32
	case HPKEXWing:
		h.kem, h.enc = hpke.MLKEM768X25519(), 1120
	}
	return h, h.kem != nil
}
