package awskms

import (
	"fmt"
	"unicode/utf8"

	"github.com/cardseal/cardseal/keys"
)

// maxContext is what KMS takes as encryption context, names and values together,
// in bytes.
const maxContext = 8192

// encryptionContext is the binding as KMS takes it: text, no empty values.
func encryptionContext(b keys.Binding) (map[string]string, error) {
	size, pairs := 0, b.Context()
	for name, value := range pairs {
		if value == "" {
			return nil, &ParamError{"binding", "has no value for " + name}
		}
		// JSON would turn what is not UTF-8 into another text, and two into one.
		if !utf8.ValidString(value) {
			return nil, &ParamError{"binding", "is not UTF-8 in " + name}
		}
		size += len(name) + len(value)
	}
	if size > maxContext {
		return nil, &ParamError{"binding", fmt.Sprintf("is longer than the %d bytes of an encryption context", maxContext)}
	}
	return pairs, nil
}
