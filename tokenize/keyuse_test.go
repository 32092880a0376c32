package tokenize_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

func (w *world) use(id keys.KeyID) tokenize.KeyUse {
	w.Helper()
	u, err := w.vault.KeyUse(w.ctx, id)
	require.NoError(w, err)
	return u
}

// What was sealed under a key is counted until the last of it is deleted, and the
// keys that a repository works under are named by it.
func TestKeyUse(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
		id := r.Config().ID
		first, second := w.save(r, req(t, visa)), w.save(r, req(t, amex))
		pan, _ := envelope.StoredKeyID(w.row(r, first.Token).Sealed[0].Record)
		st, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		w.analyze(r, visa)
		pins, err := tokenize.ParsePinnedKeys(w.stored(r).State)
		require.NoError(t, err)

		require.Equal(t, tokenize.KeyUse{Records: 2}, w.use(pan))
		require.Equal(t, tokenize.KeyUse{Repositories: []string{id}}, w.use(st.Key))
		require.Equal(t, tokenize.KeyUse{Repositories: []string{id}}, w.use(pins[keys.Analytics]))
		require.Zero(t, w.use(keys.KeyID{}))
		require.Zero(t, w.use(envelope.NewKeyID()))
		n, err := w.vault.KeyInUse(t.Context(), pan)
		require.NoError(t, err)
		require.Equal(t, uint64(2), n)
		_, err = w.vault.KeyInUse(t.Context(), st.Key)
		require.Equal(t, "KEY_NAMED", fails(t, err, tokenize.RequestRejected, "key", tokenize.ErrKeyNamed).SupportCode)

		// A repository of an earlier version names no key; its rows do.
		require.NoError(t, w.db.Cards().UpdateRepository(t.Context(), emptied(w.stored(r))))
		require.Equal(t, []string{id}, w.use(st.Key).Repositories)

		require.NoError(t, r.Delete(t.Context(), me, first.Token))
		require.NoError(t, r.Delete(t.Context(), me, second.Token))
		require.Zero(t, w.use(pan))
	})
}

func emptied(r store.Repository) store.Repository {
	r.State = nil
	return r
}

// A key that nobody can tell the use of is in use.
func TestKeyUseUnreadable(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.save(r, req(t, visa))
	row := w.stored(r)
	row.State = []byte(`{"version":1}`)
	require.NoError(t, w.db.Cards().UpdateRepository(t.Context(), row))
	_, err := w.vault.KeyInUse(t.Context(), envelope.NewKeyID())
	fails(t, err, tokenize.ServerFailed, "", store.ErrCorrupt)
}

// After a rotation of the index the old key is needed as long as idempotency keys
// are remembered under it.
func TestKeyUseAfterReindex(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inMemory(t)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		w.save(r, req(t, visa))
		before, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		p, err := r.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, NewKey: true})
		require.NoError(t, err)
		require.NotEqual(t, before.Key, p.Key)
		require.NotEmpty(t, w.use(before.Key).Repositories)
		require.NotEmpty(t, w.use(p.Key).Repositories)
		time.Sleep(32 * 24 * time.Hour)
		require.Empty(t, w.use(before.Key).Repositories)
		require.NotEmpty(t, w.use(p.Key).Repositories)
	})
}

// Destroying with the vault's census: refused while cards need the key, and for a
// key that a repository names with Shred too.
func TestDestroyUnderCensus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inMemory(t)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		pan, _ := envelope.StoredKeyID(w.row(r, d.Token).Sealed[0].Record)
		st, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		_, err = w.keys.RotateIndex(t.Context())
		require.NoError(t, err)
		require.NoError(t, w.keys.Retire(t.Context(), pan))
		time.Sleep(time.Hour)

		o := keys.DestroyOptions{CloseFence: w.db.Cards().CloseFence, Census: w.vault.KeyInUse}
		_, err = w.keys.Destroy(t.Context(), pan, o)
		var used *keys.InUseError
		require.ErrorAs(t, err, &used)
		require.Equal(t, uint64(1), used.Records)
		o.Shred = true
		_, err = w.keys.Destroy(t.Context(), st.Key, o)
		require.ErrorIs(t, err, tokenize.ErrKeyNamed)
		w.holds(r, d.Token, visa)

		receipt, err := w.keys.Destroy(t.Context(), pan, o)
		require.NoError(t, err)
		require.Equal(t, uint64(1), receipt.Records)
		_, err = r.Reveal(t.Context(), me, d.Token, "settlement")
		fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled)
	})
}
