package tokenize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Calls remembered before a rotation, or by a process that does not know of it, are
// known in every phase and after it, and a key that was used for another card is
// told as such.
func TestReplayOverARotation(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, m := range managements {
			r := w.repo(tokenize.UUID, m)
			type call struct {
				q     tokenize.SaveRequest
				token string
			}
			var calls []call
			n := 0
			save := func(p *tokenize.Repository) {
				n++
				q := keyed(tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, n)}}, counted(t, n).LastFour())
				calls = append(calls, call{q, w.save(p, q).Token})
			}
			save(r)
			save(r)
			save(r)
			processes := []*tokenize.Repository{r, w.other(r)}
			stale := w.other(r)
			save(stale)
			w.phases(r, func(phase string) {
				if phase == "dropping" {
					processes = append(processes, stale)
				}
				processes = append(processes, w.other(r))
				for _, p := range processes {
					save(p)
				}
				for _, p := range processes {
					var again, reused []tokenize.SaveRequest
					for _, c := range calls {
						d := w.save(p, c.q)
						require.Equal(t, tokenize.Replayed, d.Outcome, phase)
						require.Equal(t, c.token, d.Token)
						other := c.q
						other.Card.Number = number(t, amex)
						_, err := p.Save(t.Context(), other)
						fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
						again, reused = append(again, c.q), append(reused, other)
					}
					for i, res := range w.batch(p, append(again, reused...)...) {
						if i < len(calls) {
							require.Nil(t, res.Err)
							require.Equal(t, tokenize.Replayed, res.Details.Outcome)
							require.Equal(t, calls[i].token, res.Details.Token)
						} else {
							require.ErrorIs(t, res.Err, tokenize.ErrReusedKey)
						}
					}
				}
			})
			require.Len(t, w.all(r), n)
		}
	})
}

// A key outlives the rotation for what is left of its 30 days. A second rotation
// within them leaves the digest key alone; one after them moves it.
func TestReplayInTimeOverARotation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		defer w.keys.Close()
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		d := w.save(r, keyed(req(t, visa), "k1"))
		first, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		time.Sleep(10 * 24 * time.Hour)
		second := w.reindex(r, tokenize.ReindexOptions{NewKey: true}).Key
		w.reindex(r, tokenize.ReindexOptions{NewKey: true})
		st, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		require.Equal(t, append([]keys.KeyID{second}, first.Digests...), st.Digests)
		time.Sleep(20*24*time.Hour - time.Second)
		require.Equal(t, d.Token, w.save(r, keyed(req(t, visa), "k1")).Token)
		time.Sleep(2 * time.Second)
		require.NotEqual(t, d.Token, w.save(r, keyed(req(t, visa), "k1")).Token)

		// A process that learns of a rotation late remembers under the new key at once.
		late := w.other(r)
		w.save(late, req(t, visa))
		time.Sleep(12 * 24 * time.Hour)
		third := w.reindex(r, tokenize.ReindexOptions{NewKey: true}).Key
		st, err = r.IndexStatus(t.Context())
		require.NoError(t, err)
		require.Equal(t, []keys.KeyID{third, second}, st.Digests)
		time.Sleep(5 * 24 * time.Hour)
		d = w.save(late, keyed(req(t, visa), "k2"))
		time.Sleep(27 * 24 * time.Hour)
		require.Equal(t, d.Token, w.save(w.other(r), keyed(req(t, visa), "k2")).Token)
	})
}

// A bulk job that was begun before a rotation goes on after it; one begun later has
// another name.
func TestJobOverARotation(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	of := func(r *tokenize.Repository, input string) tokenize.Job {
		j, err := r.JobOf(t.Context(), me, "import", strings.NewReader(input))
		require.NoError(t, err)
		return j
	}
	begun, unbegun := of(r, "the file"), of(r, "another file")
	_, err := r.SaveStep(t.Context(), begun, []byte("1"), []tokenize.SaveRequest{req(t, visa)})
	require.NoError(t, err)
	w.reindex(w.other(r), tokenize.ReindexOptions{NewKey: true})
	for _, p := range []*tokenize.Repository{r, w.other(r)} {
		_, err = p.SaveStep(t.Context(), of(p, "the file"), []byte("2"), []tokenize.SaveRequest{req(t, visa)})
		require.NoError(t, err)
		require.Equal(t, begun, of(p, "the file"))
	}
	require.NotEqual(t, unbegun, of(w.other(r), "another file"))
}

// A rate bounds how long a pass takes at least.
func TestReindexRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		defer w.keys.Close()
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		for i := range 30 {
			w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
		}
		began := time.Now()
		w.reindex(r, tokenize.ReindexOptions{NewKey: true, Batch: 10, RowsPerSecond: 5})
		require.Equal(t, 12*time.Second, time.Since(began), "30 rows, twice")
	})
}
