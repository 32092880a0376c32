package vaulttransit

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// TestCheckFindsUnbound: an engine that decrypts under any binding does not serve.
func TestCheckFindsUnbound(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	key := dataKey()
	text := base64.StdEncoding.EncodeToString(key)
	f.on("datakey/plaintext", says(200, `{"data":{"plaintext":"`+text+`","ciphertext":"`+vaultText(3, shortCiphertext)+`"}}`))
	f.on("decrypt", says(200, reveals(key)))
	require.ErrorIs(t, k.Check(t.Context()), keys.ErrDisabled)
	require.ErrorContains(t, k.Check(t.Context()), "another binding")
	f.on("decrypt", says(503, `{"errors":["sealed"]}`))
	require.ErrorIs(t, k.Check(t.Context()), keys.ErrUnavailable)
}
