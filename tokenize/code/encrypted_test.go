package code_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/code"
)

// A code that came with an encrypted card is kept for who may keep codes. A message
// that was carried out does not bring it back once it is erased.
func TestEncryptedCode(t *testing.T) {
	w := newWorld(t, func(o *tokenize.Options) { o.CaptureKeys = new(capture.MemoryKeys) })
	r := w.repo()
	ring, err := r.CaptureKeys()
	require.NoError(t, err)
	p, err := ring.Generate(t.Context(), "web", capture.HPKEP256, time.Hour)
	require.NoError(t, err)
	id, err := cryptocapture.ParseKeyID(p.KeyID)
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(p.Key)
	require.NoError(t, err)
	key, err := cryptocapture.ParsePublicKey(capture.HPKEP256, id, raw)
	require.NoError(t, err)
	request := func(number, idempotency string, may tokenize.Permission) tokenize.SaveRequest {
		t.Helper()
		text := `{"cardNumber":"` + number + `","cvv":"123","captureTime":"` + time.Now().UTC().Format(time.RFC3339) + `"}`
		m, err := key.Seal(nil, []byte(text), cryptocapture.Binding{Environment: w.manager("").Environment(), Scope: r.Scope(), Alias: "web"})
		require.NoError(t, err)
		return tokenize.SaveRequest{
			Caller:         tokenize.Caller{Owner: "clerk", Permissions: may},
			IdempotencyKey: idempotency, Encrypted: &tokenize.EncryptedCard{Alias: "web", Message: m},
		}
	}
	// Nothing keeps codes yet: it is dropped.
	_, err = r.Save(t.Context(), request(visa, "", tokenize.MayAll))
	require.NoError(t, err)

	s := w.codes(r, w.transient(&code.TransientOptions{MaxReads: 100}), nil)
	q := request(visa, "k1", tokenize.MayAll)
	d, err := r.Save(t.Context(), q)
	require.NoError(t, err)
	got, err := s.Retrieve(t.Context(), me, own, d.Token)
	is(t, "123", got, err)
	require.NoError(t, s.Authorized(t.Context(), me, own, d.Token))
	again, err := r.Save(t.Context(), q)
	require.ErrorIs(t, err, tokenize.ErrCodeNotKept)
	require.Equal(t, d.Token, again.Token)
	_, err = s.Retrieve(t.Context(), me, own, d.Token)
	require.Error(t, err, "a spent message brought a code back")

	res, err := r.SaveBatch(t.Context(), []tokenize.SaveRequest{
		request(visa, "", tokenize.MayAll&^tokenize.MaySaveCode), request(visa2, "", tokenize.MayAll),
	})
	require.NoError(t, err)
	_, err = s.Retrieve(t.Context(), me, own, res[0].Details.Token)
	require.Error(t, err, "kept for who may not")
	got, err = s.Retrieve(t.Context(), me, own, res[1].Details.Token)
	is(t, "123", got, err)
}
