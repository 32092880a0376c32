package tokenize_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Each store call of a rotation fails in turn, before it is made or with its answer
// lost, and the process is gone. The next one completes, every card has its one
// token, and none is found no more.
func TestReindexFaults(t *testing.T) {
	const cards = 5
	for _, after := range []bool{false, true} {
		for _, down := range []error{store.ErrUnavailable, store.ErrOutcomeUnknown} {
			swept := false
			for n := 1; !swept; n++ {
				w := inMemory(t)
				r := w.repo(tokenize.UUID, tokenize.UniqueCard)
				tokens := map[int]string{}
				for i := range cards {
					tokens[i] = w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}}).Token
				}
				stale := w.other(r)
				w.save(stale, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 0)}})

				fault := func(_ string, call int) error {
					if call == n {
						return down
					}
					return nil
				}
				if after {
					w.cards.set(nil, fault)
				} else {
					w.cards.set(fault, nil)
				}
				_, err := r.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, NewKey: true, Batch: 2})
				calls := w.cards.made()
				made := len(calls)
				w.cards.set(nil, nil)
				swept = made < n
				if op := calls[min(n, made)-1]; !swept && (!after || op != "Scan" && op != "Job") { // those have no answer to lose
					require.ErrorIs(t, err, down, "call %d, %s", n, calls)
				}
				// Of those who save next one knows of nothing, one starts now.
				for i, p := range []*tokenize.Repository{stale, w.other(r)} {
					tokens[cards+i] = w.save(p, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, cards+i)}}).Token
				}
				w.reindex(w.other(r), tokenize.ReindexOptions{})
				st, err := r.IndexStatus(t.Context())
				require.NoError(t, err)
				w.settled(r, st.Key)
				for i, token := range tokens {
					for _, p := range []*tokenize.Repository{r, stale, w.other(r)} {
						require.Equal(t, token, w.save(p, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}}).Token,
							"card %d after a fault in call %d", i, n)
					}
				}
				require.Len(t, w.all(r), len(tokens))
				require.True(t, !swept || made > 10, "the sweep has lost its teeth")
			}
		}
	}
}

// A save of a stale process fails at each of its store calls, in the middle of a
// rotation: nothing is half done, and the next save finds what there is.
func TestSaveFaultsInRotation(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	for i := range 4 {
		w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
	}
	n := 0
	w.phases(r, func(phase string) {
		for call, swept := 1, false; !swept; call++ {
			n++
			q := tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 1000+n)}}
			p, err := w.vault.Repository(t.Context(), r.Config().ID)
			require.NoError(t, err)
			w.cards.set(func(_ string, made int) error {
				if made == call {
					return store.ErrUnavailable
				}
				return nil
			}, nil)
			d, err := p.Save(t.Context(), q)
			swept = len(w.cards.made()) < call
			w.cards.set(nil, nil)
			if swept {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, store.ErrUnavailable)
				d = w.save(p, q)
			}
			require.Equal(t, d.Token, w.save(r, q).Token, "%s, call %d", phase, call)
		}
	})
	require.Len(t, w.all(r), 4+n)
}

// A rotation that is told to stop does so between two batches, and keeps what it
// did.
func TestReindexCancelled(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		for i := range 6 {
			w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
		}
		stops, changed := 0, int64(0)
		for done := false; !done; {
			ctx, cancel := context.WithCancel(t.Context())
			p, err := w.other(r).Reindex(ctx, tokenize.ReindexOptions{Caller: me, NewKey: stops == 0, Batch: 2, OnProgress: func(p tokenize.Progress) {
				if p.Changed > 0 {
					cancel()
				}
			}})
			cancel()
			require.LessOrEqual(t, p.Changed, int64(2), "went on after it was stopped")
			changed += p.Changed
			if done = p.Done; !done {
				require.ErrorIs(t, err, context.Canceled)
				stops++
			}
		}
		require.Greater(t, stops, 3)
		require.Equal(t, int64(12), changed, "each row once a phase")
		st, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		w.settled(r, st.Key)
	})
}

// Several at once do the work together, as does one beside saves, and each says
// that it is done.
func TestReindexBySeveral(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		for i := range 40 {
			w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
		}
		errs := make(chan error)
		done := make(chan keys.KeyID, 4)
		for i := range 4 {
			p := w.other(r)
			go func() {
				got, err := p.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, NewKey: true, Batch: 1 + 3*i})
				if err == nil && !got.Done {
					err = errors.New("not done")
				}
				done <- got.Key
				errs <- err
			}()
		}
		for range 4 {
			require.NoError(t, <-errs)
		}
		st, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		w.settled(r, st.Key)
		require.Len(t, w.all(r), 40)
	})
}

// Many callers save the same few cards through several processes while the key is
// replaced again and again: each card keeps one token.
func TestSavesDuringRotations(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		const callers, cards = 16, 4
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		for i := range 10 {
			w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 100+i)}})
		}
		processes := []*tokenize.Repository{r, w.other(r), w.other(r), w.other(r)}
		var got [callers][cards]string
		errs := make(chan error)
		rotated := make(chan struct{})
		for c := range callers {
			go func() {
				p := processes[c%len(processes)]
				errs <- func() error {
					for n := 0; ; n++ {
						i := (n + c) % cards
						d, err := p.Save(t.Context(), tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
						switch {
						case err != nil:
							return err
						case got[c][i] != "" && got[c][i] != d.Token:
							return fmt.Errorf("card %d got a second token", i)
						}
						got[c][i] = d.Token
						select {
						case <-rotated:
							if n >= cards {
								return nil
							}
						default:
						}
					}
				}()
			}()
		}
		for range 3 {
			w.reindex(processes[1], tokenize.ReindexOptions{NewKey: true, Batch: 2})
		}
		close(rotated)
		for range callers {
			require.NoError(t, <-errs)
		}
		for c := range callers {
			require.Equal(t, got[0], got[c])
		}
		require.Len(t, w.all(r), 10+cards)
		st, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		w.settled(r, st.Key)
	})
}
