package awskms

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

func TestEncryptionContext(t *testing.T) {
	got, err := encryptionContext(binding())
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"cardseal:environment": "production", "cardseal:scope": "shop-eu", "cardseal:purpose": "pan",
		"cardseal:key-id": binding().KeyID.String(), "cardseal:created": "1700000000",
	}, got)
	size := 0
	for name, value := range got {
		size += len(name) + len(value)
	}
	longest := binding()
	longest.Scope += strings.Repeat("x", maxContext-size)
	_, err = encryptionContext(longest)
	require.NoError(t, err)
}

// What KMS would refuse, or JSON would change, is refused before a call.
func TestBindingRefused(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	for name, change := range map[string]func(*keys.Binding){
		"no environment":        func(b *keys.Binding) { b.Environment = "" },
		"no purpose":            func(b *keys.Binding) { b.Purpose = "" },
		"environment not UTF-8": func(b *keys.Binding) { b.Environment = "a\xff" },
		"scope not UTF-8":       func(b *keys.Binding) { b.Scope = "\xc3" },
		"too long":              func(b *keys.Binding) { b.Scope = strings.Repeat("x", maxContext-100) },
	} {
		b := binding()
		change(&b)
		_, wrap := k.Wrap(t.Context(), nil, make([]byte, 32), b)
		_, unwrap := k.Unwrap(t.Context(), nil, stored, b)
		_, rewrap := k.Rewrap(t.Context(), nil, stored, b)
		_, _, generate := k.GenerateDataKey(t.Context(), nil, b)
		for _, err := range []error{wrap, unwrap, rewrap, generate} {
			var p *ParamError
			require.ErrorAs(t, err, &p, name)
			require.Equal(t, "binding", p.Field)
		}
	}
	require.Empty(t, f.made())
}
