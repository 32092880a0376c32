package tokenize_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A call that is told to stop does so between two batches, and the next goes on
// there: every row is written once.
func TestResealCancelled(t *testing.T) { stores(t, resealCancelled) }

func resealCancelled(t *testing.T, w *world) {
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 7)
	next := w.rotate()
	stops, changed := 0, int64(0)
	for done := false; !done; {
		require.Less(t, stops, 8)
		ctx, cancel := context.WithCancel(t.Context())
		p, err := w.other(r).Reseal(ctx, tokenize.ResealOptions{Caller: me, Batch: 2, OnProgress: func(p tokenize.Progress) {
			require.Equal(t, min(int64(2*(stops+1)), 7), p.Rows, "earlier calls' rows are counted")
			if p.Changed > 0 {
				cancel()
			}
		}})
		cancel()
		changed += p.Changed
		if done = p.Done; !done {
			require.ErrorIs(t, err, context.Canceled)
			stops++
		}
	}
	require.Equal(t, 4, stops)
	require.Equal(t, int64(7), changed)
	w.under(r, next, 7)
}

// Wherever in a reseal another process rotates the ring, and its own reseal comes
// through, all ends under the newest key: a cursor of the earlier one counts for
// nothing, and no row is brought back.
func TestResealBesideRotation(t *testing.T) {
	for _, through := range []bool{false, true} {
		swept := false
		for n := 1; !swept; n++ {
			w := inMemory(t)
			r := w.repo(tokenize.UUID, tokenize.UniqueCard)
			w.rowsOf(r, 5)
			w.rotate()
			newest, saved := active(t, w.keys, keys.PAN), ""
			w.cards.set(func(_ string, call int) error {
				if call != n {
					return nil
				}
				newest = w.rotate()
				p := w.other(r) // it knows of no earlier key
				saved = w.save(p, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 100)}}).Token
				if through {
					w.reseal(p, tokenize.ResealOptions{Batch: 3})
				}
				return nil
			}, nil)
			p, err := r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me, Batch: 2})
			made := len(w.cards.made())
			w.cards.set(nil, nil)
			require.NoError(t, err)
			require.True(t, p.Done)
			swept = saved == ""
			require.True(t, !swept || made > 5, "the sweep has lost its teeth")
			switch {
			case swept:
				w.under(r, newest, 5)
			case through:
				w.under(r, newest, 6)
			default: // it may have been through when the ring was rotated
				require.Equal(t, newest, w.sealedUnder(r, saved))
				w.reseal(r, tokenize.ResealOptions{})
				w.under(r, newest, 6)
			}
			_, err = w.db.Cards().Job(t.Context(), resealJob(t, r))
			require.ErrorIs(t, err, store.ErrNotFound, "a cursor is left behind")
		}
	}
}

// resealJob is the job that a repository's reseal is.
func resealJob(t testing.TB, r *tokenize.Repository) (id store.JobID) {
	scope := scopeID(t, r)
	copy(id[copy(id[:], scope[:]):], "reseal")
	return id
}

// A rotation while nobody is at work makes the next call begin anew.
func TestResealCursorOfAnotherKey(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 6)
	w.rotate()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.Reseal(ctx, tokenize.ResealOptions{Caller: me, Batch: 4, OnProgress: func(tokenize.Progress) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	next := w.rotate()
	require.Equal(t, int64(6), w.reseal(w.other(r), tokenize.ResealOptions{}).Changed)
	w.under(r, next, 6)

	// What cannot be read is not taken for a cursor.
	_, err = w.db.Cards().Write(t.Context(), nil, &store.Job{ID: resealJob(t, r), State: []byte("{")})
	require.NoError(t, err)
	_, err = r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me})
	fails(t, err, tokenize.ServerFailed, "", store.ErrCorrupt)
}

// A row that is changed, deleted or indexed anew just before it is written keeps
// what came last.
func TestResealBesideChanges(t *testing.T) { stores(t, resealBesideChanges) }

func resealBesideChanges(t *testing.T, w *world) {
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	tokens := w.rowsOf(r, 5)
	other := w.other(r)
	next := w.rotate()
	first := true
	w.cards.set(func(op string, _ int) error {
		if op != "Write" || !first {
			return nil
		}
		first = false
		w.save(other, with(t, tokens[0], amex))
		_, err := other.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: tokens[1], Card: card.Details{Holder: "A N OTHER"}})
		require.NoError(t, err)
		require.NoError(t, other.Delete(t.Context(), me, tokens[2]))
		_, err = other.Suspend(t.Context(), me, tokens[3])
		require.NoError(t, err)
		w.reindex(other, tokenize.ReindexOptions{NewKey: true}) // another epoch
		return nil
	}, nil)
	w.reseal(r, tokenize.ResealOptions{})
	require.False(t, first)
	w.cards.set(nil, nil)
	w.holds(r, tokens[0], amex)
	require.Equal(t, "A N OTHER", w.reveal(r, tokens[1]).Holder)
	require.Equal(t, store.Deleted, w.row(r, tokens[2]).Status)
	require.Equal(t, store.Suspended, w.row(r, tokens[3]).Status)
	require.True(t, w.reveal(r, tokens[4]).Number.Equal(counted(t, 4)))
	w.under(r, next, 5)
	st, err := r.IndexStatus(t.Context())
	require.NoError(t, err)
	w.settled(r, st.Key)
}

// A key that is closed for writing while rows are brought under it gives way to the
// one after it; where there is none, the call says so after a bounded number of
// tries.
func TestResealBehindAFence(t *testing.T) { stores(t, resealBehindAFence) }

func resealBehindAFence(t *testing.T, w *world) {
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 5)
	closed := w.rotate()
	w.reseal(r, tokenize.ResealOptions{}) // this process knows the fence as open
	w.rotate()
	next := keys.KeyID{}
	w.cards.set(func(op string, _ int) error {
		if op == "Write" && next.IsZero() {
			closed = active(t, w.keys, keys.PAN)
			require.NoError(t, w.db.Cards().CloseFence(t.Context(), closed))
			next = w.rotate()
		}
		return nil
	}, nil)
	p := w.reseal(r, tokenize.ResealOptions{Batch: 2})
	require.Equal(t, next, p.Key)
	w.under(r, next, 5)
	require.Zero(t, w.use(closed).Records)

	last := w.rotate()
	require.NoError(t, w.db.Cards().CloseFence(t.Context(), last))
	w.cards.set(nil, nil)
	_, err := r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me})
	require.Equal(t, "KEY_FENCED", fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled).SupportCode)
	require.Less(t, len(w.cards.made()), 20)
	w.under(r, next, 5)
}

// Several reseals, a reindex and rotations beside saves, updates and deletes by
// several processes: every card is what was saved last, and one more reseal brings
// all under one key.
func TestResealBesideAll(t *testing.T) { stores(t, resealBesideAll) }

func resealBesideAll(t *testing.T, w *world) {
	const callers, cards, saves = 8, 5, 40
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 20)
	var wg sync.WaitGroup
	errs := make(chan error, callers+3+3*2)
	type last struct{ token, holder string }
	var kept [callers][cards]last
	for c := range callers {
		p := w.other(r)
		wg.Go(func() {
			for n := range saves {
				i := n % cards
				at := &kept[c][i]
				holder := fmt.Sprintf("HOLDER %d", n)
				d, err := p.Save(t.Context(), tokenize.SaveRequest{Caller: me, Token: at.token,
					Card: card.Details{Number: counted(t, 1000+cards*c+i), Holder: holder}})
				if err == nil {
					*at = last{d.Token, holder}
					if n%7 == 0 {
						err = p.Delete(t.Context(), me, d.Token)
						*at = last{}
					}
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	for i := range 3 {
		p := w.other(r)
		wg.Go(func() {
			for range 3 {
				got, err := p.Reseal(t.Context(), tokenize.ResealOptions{Caller: me, Batch: 2 + 3*i})
				if err == nil && !got.Done {
					err = errors.New("not done")
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Go(func() {
		p, m := w.other(r), w.manager()
		for range 3 {
			if _, err := m.Rotate(t.Context(), keys.PAN); err != nil {
				errs <- err
			}
			if _, err := p.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, NewKey: true, Batch: 3}); err != nil {
				errs <- err
			}
		}
	})
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	p := w.reseal(w.other(r), tokenize.ResealOptions{})
	require.Equal(t, active(t, w.keys, keys.PAN), p.Key)
	values, fresh := 20, w.other(r)
	for c := range callers {
		for i, at := range kept[c] {
			if at.token == "" {
				continue
			}
			values += 2
			got := w.reveal(fresh, at.token)
			require.Equal(t, at.holder, got.Holder)
			require.True(t, got.Number.Equal(counted(t, 1000+cards*c+i)))
		}
	}
	w.under(r, p.Key, values)
}

// A process whose seal lease does not know of a rotation seals under the key
// before, behind a reseal's back; the next one finds that.
func TestResealBeforeALease(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 3)
	old := active(t, w.keys, keys.PAN)
	behind := w.other(r)
	w.save(behind, req(t, visa))
	next := w.rotate()
	w.reseal(r, tokenize.ResealOptions{})
	d := w.save(behind, req(t, amex))
	require.Equal(t, old, w.sealedUnder(r, d.Token))
	require.Equal(t, int64(1), w.reseal(r, tokenize.ResealOptions{}).Changed)
	w.under(r, next, 5)
}
