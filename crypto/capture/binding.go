package capture

import (
	"math"

	"golang.org/x/crypto/cryptobyte"
)

// label separates messages of this package from every other use of HPKE.
const label = "cardseal capture"

// Binding is where a message belongs. A message of an HPKE suite opens under the
// binding it was sealed for only; the texts are bound byte for byte and at most
// 65,535 bytes long. JWE has no place for it.
type Binding struct {
	Environment string
	Scope       string
	Alias       string // the name under which the key was published
}

// info is HPKE's info: what a message is bound to beside the key.
func (b *Binding) info(s Suite, id KeyID) ([]byte, error) {
	for _, f := range [...]struct{ name, text string }{
		{"environment", b.Environment}, {"scope", b.Scope}, {"alias", b.Alias},
	} {
		if len(f.text) > math.MaxUint16 {
			return nil, &ArgumentError{f.name, "is longer than 65535 bytes"}
		}
	}
	var c cryptobyte.Builder
	for _, part := range [...][]byte{
		[]byte(label), {version}, {byte(s)}, id[:],
		[]byte(b.Environment), []byte(b.Scope), []byte(b.Alias),
	} {
		c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(part) })
	}
	return c.Bytes()
}
