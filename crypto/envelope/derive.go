package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"math"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

// sealLabel separates sealing from every other use of a data key.
const sealLabel = "cardseal seal"

// Place is where a data key is used. All three texts are bound byte for byte.
type Place struct {
	Environment string
	Scope       string
	Purpose     string
}

func (p *Place) check() error {
	for _, f := range [...]struct{ name, text string }{
		{"environment", p.Environment}, {"scope", p.Scope}, {"purpose", p.Purpose},
	} {
		if len(f.text) > math.MaxUint16 {
			return &ArgumentError{f.name, "is longer than 65535 bytes"}
		}
		if !utf8.ValidString(f.text) {
			return &ArgumentError{f.name, "is not UTF-8"}
		}
	}
	return nil
}

// info is the context of step (a): label, version, suite with bit 7, the whole
// key reference byte for byte, environment, scope and purpose, each behind a
// 16-bit length.
func (p *Place) info(label string, suite byte, ref []byte) string {
	var b cryptobyte.Builder
	for _, part := range [...][]byte{
		[]byte(label), {Version}, {suite}, ref,
		[]byte(p.Environment), []byte(p.Scope), []byte(p.Purpose),
	} {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(part) })
	}
	return string(b.BytesOrPanic())
}

// Subkey derives the key of another use of a data key than sealing (an index, a
// chain): 32 bytes of HKDF-Expand-SHA-256 under a label of its own, with the key
// ID and place of stored mode. The data key is exactly 32 bytes.
func Subkey(dataKey []byte, id KeyID, p Place, label string) ([]byte, error) {
	if label == sealLabel || label == "" {
		return nil, &ArgumentError{"label", "is empty or reserved"}
	}
	if len(label) > math.MaxUint16 {
		return nil, &ArgumentError{"label", "is longer than 65535 bytes"}
	}
	return expand(dataKey, &p, label, SuiteXAES, id[:], keySize)
}

func expand(dataKey []byte, p *Place, label string, suite byte, ref []byte, n int) ([]byte, error) {
	if len(dataKey) != keySize {
		return nil, &ArgumentError{"data key", "must be 32 bytes"}
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return hkdf.Expand(sha256.New, dataKey, p.info(label, suite, ref), n)
}

// ScopeKey is what one data key becomes at one place: the XAES-256-GCM key its
// records' sealing keys come from, and the commitment its records carry. Making
// one takes about a microsecond.
type ScopeKey struct {
	place  Place
	prefix []byte // version ‖ suite ‖ reference ‖ commitment
	block  cipher.Block
	k1     [aes.BlockSize]byte
	inline bool
	keyID  KeyID
}

// Derive is step (a) of the format. The data key is exactly 32 bytes and is not
// kept.
func Derive(dataKey []byte, r Reference, p Place) (*ScopeKey, error) {
	suite, ref, err := r.encode()
	if err != nil {
		return nil, err
	}
	out, err := expand(dataKey, &p, sealLabel, suite, ref, keySize+commitSize)
	if err != nil {
		return nil, err
	}
	defer clear(out)
	k := &ScopeKey{place: p, inline: r.Inline(), keyID: r.KeyID}
	k.prefix = append(append([]byte{Version, suite}, ref...), out[keySize:]...)
	if k.block, err = aes.NewCipher(out[:keySize]); err != nil {
		return nil, err
	}
	k.k1 = cmacSubkey(k.block)
	return k, nil
}

// Place is where the key is used.
func (k *ScopeKey) Place() Place { return k.place }

// KeyID is the ID of the data key it was derived from.
func (k *ScopeKey) KeyID() KeyID { return k.keyID }

// Commitment is the 32 bytes that records sealed under the key carry. They are
// no secret.
func (k *ScopeKey) Commitment() []byte {
	return append([]byte(nil), k.prefix[len(k.prefix)-commitSize:]...)
}
