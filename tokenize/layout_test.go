package tokenize_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
)

func perScope(c *tokenize.Config) { c.PerScopeKeys = true }

// named gives a repository another ID.
func named(id string) func(*tokenize.Config) { return func(c *tokenize.Config) { c.ID = id } }

// sealedUnder is the data key of a token's card.
func (w *world) sealedUnder(r *tokenize.Repository, token string) keys.KeyID {
	id, ok := envelope.StoredKeyID(w.row(r, token).Sealed[0].Record)
	require.True(w, ok)
	return id
}

// A repository with keys of its own shares none with the others, and is found as
// such by another process.
func TestPerScopeKeys(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		own, other, shared := w.repo(tokenize.UUID, tokenize.UniqueCard, named("OWN"), perScope),
			w.repo(tokenize.UUID, tokenize.UniqueCard, named("OTHER"), perScope), w.repo(tokenize.UUID, tokenize.UniqueCard)
		q := req(t, visa)
		q.Types = tokenize.ReuseAndAnalytics
		a, b, c := w.save(own, q), w.save(other, q), w.save(shared, q)
		require.NotEqual(t, w.sealedUnder(own, a.Token), w.sealedUnder(other, b.Token))
		for _, p := range []keys.Purpose{keys.PAN, keys.Index, keys.Analytics} {
			records, err := w.keys.Records(t.Context(), p)
			require.NoError(t, err)
			require.Len(t, records, 1, "the shared ring serves the third alone")
		}
		require.Equal(t, w.sealedUnder(shared, c.Token), active(t, w.keys, keys.PAN))

		elsewhere, err := tokenize.Open(t.Context(), w.cards, w.manager(), nil)
		require.NoError(t, err)
		again, err := elsewhere.Repository(t.Context(), "OWN")
		require.NoError(t, err)
		w.holds(again, a.Token, visa)
		require.Equal(t, a.Token, w.save(again, q).Token, "found by its own index key")

		before, err := own.IndexStatus(t.Context())
		require.NoError(t, err)
		p, err := own.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, NewKey: true})
		require.NoError(t, err)
		require.True(t, p.Done)
		require.NotEqual(t, before.Key, p.Key)
		require.Equal(t, a.Token, w.save(own, q).Token)
		untouched, err := other.IndexStatus(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, p.Key, untouched.Key)

		_, err = w.vault.EnsureRepository(t.Context(), tokenize.Config{ID: "OWN", Generation: tokenize.UUID, Management: tokenize.UniqueCard})
		fails(t, err, tokenize.RequestRejected, "repository", tokenize.ErrConfig)
	})
}

// active is the ID of a shared ring's active key.
func active(t testing.TB, m *keys.Manager, p keys.Purpose) keys.KeyID {
	t.Helper()
	records, err := m.Records(t.Context(), p)
	require.NoError(t, err)
	for _, r := range records {
		if r.State == keys.Active {
			return r.ID
		}
	}
	t.Fatal("no key is active")
	return keys.KeyID{}
}

// Without its KEK a repository's cards are gone, and nobody else's.
func TestShreddedByItsKEK(t *testing.T) {
	d := memory.New()
	deny := &denying{KEK: keystest.NewKEK("its own")}
	var scope string
	kekFor := func(_ context.Context, s string) ([]keys.KEK, error) {
		if s == scope {
			return []keys.KEK{deny}, nil
		}
		return []keys.KEK{keystest.NewKEK("of another")}, nil
	}
	shared := keystest.NewKEK("shared")
	open := func() *tokenize.Vault {
		m, err := keys.Open(t.Context(), d.Keys(), shared, &keys.Options{KEKFor: kekFor, Tries: 1})
		require.NoError(t, err)
		t.Cleanup(func() { m.Close() })
		v, err := tokenize.Open(t.Context(), d.Cards(), m, nil)
		require.NoError(t, err)
		return v
	}
	v := open()
	r, err := v.EnsureRepository(t.Context(), tokenize.Config{ID: "OWN", Generation: tokenize.UUID, Management: tokenize.UniqueCard, PerScopeKeys: true})
	require.NoError(t, err)
	scope = r.Scope()
	other, err := v.EnsureRepository(t.Context(), tokenize.Config{ID: "SHARED", Generation: tokenize.UUID, Management: tokenize.UniqueCard})
	require.NoError(t, err)
	kept, err := other.Save(t.Context(), req(t, visa))
	require.NoError(t, err)
	lost, err := r.Save(t.Context(), req(t, visa))
	require.NoError(t, err)

	deny.gone = true
	v = open()
	r, err = v.Repository(t.Context(), "OWN")
	require.NoError(t, err)
	other, err = v.Repository(t.Context(), "SHARED")
	require.NoError(t, err)
	_, err = r.Reveal(t.Context(), me, lost.Token, "settlement")
	fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled)
	_, err = other.Reveal(t.Context(), me, kept.Token, "settlement")
	require.NoError(t, err)
	_, err = r.Get(t.Context(), me, lost.Token)
	require.NoError(t, err, "what is in clear needs no key")
}

// denying is a KEK that its KMS destroyed.
type denying struct {
	keys.KEK
	gone bool
}

func (k *denying) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	if k.gone {
		return nil, keys.ErrDisabled
	}
	return k.KEK.Unwrap(ctx, dst, wrapped, b)
}

// A twin's analytics and FF1 tokens are made under the test keys, in either layout.
func TestTwinsPinnedKeys(t *testing.T) {
	w := withTwins(t, memory.New())
	for id, change := range map[string]func(*tokenize.Config){"SHARED": func(*tokenize.Config) {}, "OWN": perScope} {
		real := w.repo(tokenize.FF1, tokenize.UniqueCard, named(id), change)
		twin := w.open("Test" + id)
		q := req(t, maestro) // long: of fewer digits both could come to one token by chance
		q.Types = tokenize.ReuseAndAnalytics
		a, b := w.save(real, q), w.save(twin, q)
		require.NotEqual(t, a.Token, b.Token)
		require.NotEqual(t, a.Analytics, b.Analytics)
		pan, err := twin.RevealVaultless(t.Context(), me, b.Token, "settlement")
		require.NoError(t, err)
		require.True(t, pan.Equal(q.Card.Number))
	}
}
