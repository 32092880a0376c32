package tokenize_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

// stalled has the vault's process stand still where it next stores a state, for long
// enough that another one replaces the active key of a ring and destroys it. What it
// knows of the ring is what it was.
func (w *world) stalled(p keys.Purpose) (destroyed *keys.KeyID) {
	w.Helper()
	elsewhere := w.manager()
	v, err := tokenize.Open(w.ctx, w.db.Cards(), elsewhere, nil)
	require.NoError(w, err)
	rotate := elsewhere.RotateIndex
	if p != keys.Index {
		rotate = func(ctx context.Context) (keys.KeyID, error) { return elsewhere.Rotate(ctx, p) }
	}
	destroyed = new(keys.KeyID)
	w.cards.set(func(op string, _ int) error {
		if op != "UpdateRepository" {
			return nil
		}
		w.cards.set(nil, nil)
		records, err := elsewhere.Records(w.ctx, p)
		require.NoError(w, err)
		for _, r := range records {
			if r.State == keys.Active {
				*destroyed = r.ID
			}
		}
		_, err = rotate(w.ctx)
		require.NoError(w, err)
		_, err = elsewhere.Destroy(w.ctx, *destroyed, keys.DestroyOptions{
			CloseFence: w.db.Cards().CloseFence, Census: v.KeyInUse,
			SealLease: 1, Skew: 1, // nanosecond: that time has passed
		})
		require.NoError(w, err, "nothing names it yet")
		return nil
	}, nil)
	return destroyed
}

// A process that stood still between learning which key is active and naming it, while
// that key was retired and destroyed, does not name it. It takes the one that is
// active then, and others do as it does.
func TestStalledBeforeNaming(t *testing.T) {
	saved := func(w *world, r *tokenize.Repository) string { return w.save(r, req(w, visa)).Token }
	analyzed := func(w *world, r *tokenize.Repository) string { return w.analyze(r, visa) }
	for name, c := range map[string]struct {
		purpose keys.Purpose
		before  func(w *world, r *tokenize.Repository)
		use     func(w *world, r *tokenize.Repository) string
	}{
		"index key":     {keys.Index, func(*world, *tokenize.Repository) {}, saved},
		"analytics key": {keys.Analytics, func(w *world, r *tokenize.Repository) { w.save(r, req(w, amex)) }, analyzed},
		"FF1 key": {keys.FPE, func(w *world, r *tokenize.Repository) { w.save(r, req(w, amex)) }, func(w *world, r *tokenize.Repository) string {
			id, err := r.Pinned(w.ctx, keys.FPE)
			require.NoError(w, err)
			return id.String()
		}},
		"reindex to the active key": {keys.Index, func(w *world, r *tokenize.Repository) {
			w.save(r, req(w, visa))
			_, err := w.keys.RotateIndex(w.ctx)
			require.NoError(w, err)
		}, func(w *world, r *tokenize.Repository) string {
			w.reindex(r, tokenize.ReindexOptions{})
			return saved(w, r)
		}},
		"reindex to a new key": {keys.Index, func(w *world, r *tokenize.Repository) { w.save(r, req(w, visa)) }, func(w *world, r *tokenize.Repository) string {
			w.reindex(r, tokenize.ReindexOptions{NewKey: true})
			return saved(w, r)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			stores(t, func(t *testing.T, w *world) {
				r := w.repo(tokenize.UUID, tokenize.UniqueCard)
				c.before(w, r)
				destroyed := w.stalled(c.purpose)
				got := c.use(w, r)
				require.NotZero(t, *destroyed, "it did not come to that")
				require.Zero(t, w.use(*destroyed))
				require.Equal(t, got, c.use(w, w.other(r)))
			})
		})
	}
}

// A key that is active and whose fence was closed all the same is named by nobody.
func TestActiveKeyBehindAFence(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	ring, err := w.keys.Scope(keys.Index, "any")
	require.NoError(t, err)
	id, err := ring.ActiveKey(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.db.Cards().CloseFence(t.Context(), id))
	_, err = r.Save(t.Context(), req(t, visa))
	require.Equal(t, "KEY_FENCED", fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled).SupportCode)
	_, err = w.keys.RotateIndex(t.Context())
	require.NoError(t, err)
	w.save(r, req(t, visa))
}
