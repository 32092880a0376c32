package capture_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/capture"
)

// What the ring capture seals, and the digest that is remembered of a message, are part
// of the format: FORMAT.md, section 17.
func TestFormat(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		p := generate(t, w.keyring("test", "scope"), "web", capture.HPKEP256)
		id, err := cryptocapture.ParseKeyID(p.KeyID)
		require.NoError(t, err)
		row, err := w.keys.Get(t.Context(), "scope", "web", id)
		require.NoError(t, err)
		ring, err := w.manager("test").Scope(keys.Capture, "scope")
		require.NoError(t, err)
		sealed, err := ring.Open(t.Context(), nil, row.Sealed, &envelope.Additional{
			Field: 1, Record: envelope.RecordID(id),
			Pairs: []envelope.Pair{
				{Name: "alias", Value: "web"},
				{Name: "created", Value: strconv.FormatInt(p.Created.Unix(), 10)},
				{Name: "retires", Value: strconv.FormatInt(p.Retires.Unix(), 10)},
			},
		})
		require.NoError(t, err)
		digestKey := sealed[1:33]
		require.Len(t, sealed, 1+32+1+1+16+32)
		require.Equal(t, "\x01", string(sealed[:1]))
		require.Equal(t, "\x01\x01"+string(id[:]), string(sealed[33:51]), "version, suite, key ID")
		k, err := cryptocapture.ParsePrivateKey(sealed[33:])
		require.NoError(t, err)
		require.True(t, k.Suite() == capture.HPKEP256 && k.ID() == id)

		text := encrypt(t, p, captured(0))
		o, err := w.keyring("test", "scope").Open(t.Context(), "web", text)
		require.NoError(t, err)
		wire, err := base64.RawURLEncoding.DecodeString(string(text))
		require.NoError(t, err)
		require.Equal(t, "\x01"+string(id[:])+"\x01", string(wire[:18]))
		var c cryptobyte.Builder
		for _, part := range [][]byte{[]byte("cardseal capture digest"), id[:], {1}, wire[18:83], wire[83:]} {
			c.AddUint16LengthPrefixed(func(c *cryptobyte.Builder) { c.AddBytes(part) })
		}
		mac := hmac.New(sha256.New, digestKey)
		mac.Write(c.BytesOrPanic())
		require.Equal(t, mac.Sum(nil), o.Replay.Digest[:])
	})
}
