package postgres_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
)

// repository is one process's view of a repository that takes encrypted cards.
func repository(t *testing.T, db *postgres.DB, kek keys.KEK) (*tokenize.Repository, *tokenize.Vault, *keys.Manager) {
	t.Helper()
	m, err := keys.Open(t.Context(), db.Keys(), kek, &keys.Options{Environment: "production"})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	v, err := tokenize.Open(t.Context(), db.Cards(), m, &tokenize.Options{CaptureKeys: db.CaptureKeys()})
	require.NoError(t, err)
	r, err := v.EnsureRepository(t.Context(), tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueToken})
	require.NoError(t, err)
	return r, v, m
}

// Encrypted cards are saved once each, one by one and by COPY, by whichever of two
// processes comes first; and the private key moves with its ring.
func TestEncryptedCards(t *testing.T) {
	url := migrated.New(t)
	kek := keystest.NewKEK("test")
	r, v, m := repository(t, open(t, url, asService), kek)
	other, _, _ := repository(t, open(t, url, asService), kek)
	ring, err := r.CaptureKeys()
	require.NoError(t, err)
	published, err := ring.Generate(t.Context(), "web", capture.HPKEP256, time.Hour)
	require.NoError(t, err)
	id, err := cryptocapture.ParseKeyID(published.KeyID)
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(published.Key)
	require.NoError(t, err)
	key, err := cryptocapture.ParsePublicKey(capture.HPKEP256, id, raw)
	require.NoError(t, err)
	me := tokenize.Caller{Permissions: tokenize.MayAll}
	message := func(number string) tokenize.SaveRequest {
		t.Helper()
		text, err := key.Seal(nil, fmt.Appendf(nil, `{"cardNumber":"%s","captureTime":"%s"}`, number, time.Now().UTC().Format(time.RFC3339Nano)),
			cryptocapture.Binding{Environment: "production", Scope: r.Scope(), Alias: "web"})
		require.NoError(t, err)
		return tokenize.SaveRequest{Caller: me, Encrypted: &tokenize.EncryptedCard{Alias: "web", Message: text}}
	}
	tokens := func() (n int) {
		t.Helper()
		require.NoError(t, r.Each(t.Context(), me, "", func(tokenize.Details) bool { n++; return true }))
		return n
	}

	q := message("4111111111111111")
	q.IdempotencyKey = "k1"
	first, err := r.Save(t.Context(), q)
	require.NoError(t, err)
	again, err := other.Save(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, first.Token, again.Token)
	q.IdempotencyKey = ""
	_, err = other.Save(t.Context(), q)
	require.ErrorIs(t, err, capture.ErrReplayed)
	got, err := other.Reveal(t.Context(), me, first.Token, "test")
	require.NoError(t, err)
	require.Equal(t, "4111111111111111", string(got.Number.AppendDigits(nil)))

	batch := make([]tokenize.SaveRequest, 80)
	for i := range batch {
		digits := fmt.Appendf(nil, "400000%09d", i)
		check, err := card.CheckDigit(digits)
		require.NoError(t, err)
		batch[i] = message(string(append(digits, check)))
	}
	batch[40] = q
	for round := range 2 {
		res, err := r.SaveBatch(t.Context(), batch)
		require.NoError(t, err)
		for i := range res {
			if i == 40 || round == 1 {
				require.ErrorIs(t, res[i].Err, capture.ErrReplayed)
			} else {
				require.Nil(t, res[i].Err)
			}
		}
	}
	require.Equal(t, 1+79, tokens())

	q = message("5555555555554444")
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = []*tokenize.Repository{r, other}[i%2].Save(t.Context(), q)
		})
	}
	wg.Wait()
	saved := 0
	for _, err := range errs {
		if err == nil {
			saved++
		} else {
			require.True(t, errors.Is(err, capture.ErrReplayed), "%v", err)
		}
	}
	require.Equal(t, 1, saved)
	require.Equal(t, 81, tokens())

	old, err := m.Records(t.Context(), keys.Capture)
	require.NoError(t, err)
	use, err := v.KeyUse(t.Context(), old[0].ID)
	require.NoError(t, err)
	require.Equal(t, tokenize.KeyUse{CaptureKeys: 1}, use)
	_, err = m.Rotate(t.Context(), keys.Capture)
	require.NoError(t, err)
	n, err := ring.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	use, err = v.KeyUse(t.Context(), old[0].ID)
	require.NoError(t, err)
	require.Zero(t, use)
	_, err = other.Save(t.Context(), message("4242424242424242"))
	require.NoError(t, err)
}
