package tokenize_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// reindex runs a rotation that must come to its end.
func (w *world) reindex(r *tokenize.Repository, o tokenize.ReindexOptions) tokenize.Progress {
	w.Helper()
	o.Caller = me
	p, err := r.Reindex(w.ctx, o)
	require.NoError(w, err)
	require.True(w, p.Done)
	return p
}

// settled demands that the repository is found by one key, that every live row has
// the value under it and no other, and that no card has two tokens.
func (w *world) settled(r *tokenize.Repository, key keys.KeyID) {
	w.Helper()
	st, err := r.IndexStatus(w.ctx)
	require.NoError(w, err)
	require.Equal(w, tokenize.Settled, st.Phase)
	require.Equal(w, key, st.Key)
	seen := map[store.IndexValue]string{}
	for _, row := range w.dump(r) {
		if row.Status == store.Deleted {
			require.Empty(w, row.Index)
			continue
		}
		require.Len(w, row.Index, 1, "token %s", row.Token)
		require.Equal(w, key, row.Index[0].Key)
		require.Empty(w, seen[row.Index[0]], "a card has two tokens")
		seen[row.Index[0]] = row.Token
	}
}

// phases runs a rotation with a batch a row, and calls f before it, once in the
// middle of each phase, and after it.
func (w *world) phases(r *tokenize.Repository, f func(phase string)) tokenize.Progress {
	w.Helper()
	var seen []tokenize.IndexPhase
	f("before")
	p := w.reindex(r, tokenize.ReindexOptions{NewKey: true, Batch: 1, OnProgress: func(p tokenize.Progress) {
		if p.Rows == 3 && !slices.Contains(seen, p.Phase) {
			seen = append(seen, p.Phase)
			f(p.Phase.String())
		}
	}})
	require.Equal(w, []tokenize.IndexPhase{tokenize.Filling, tokenize.Dropping}, seen)
	f("after")
	return p
}

// In every phase everything works, for a process that follows the rotation, for
// one that starts then, and for those that last looked at the repository in an
// earlier phase.
func TestReindexPhases(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			r := w.repo(g, tokenize.UniqueCard)
			n := 0
			// fresh asks for a card that is in the vault not yet.
			fresh := func() tokenize.SaveRequest {
				q := tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, n), Expiry: card.Expiry{Month: 1, Year: 2030}}}
				if n++; g == tokenize.MerchantProvided {
					q.Token = "T" + string(rune('a'+n%26)) + string(rune('a'+n/26%26)) + string(rune('a'+n/676))
				}
				return q
			}
			type saved struct {
				q     tokenize.SaveRequest
				token string
			}
			var old []saved
			for range 8 {
				q := fresh()
				old = append(old, saved{q, w.save(r, q).Token})
			}
			// Two of each phase: one finds what another saved, one saves what another finds.
			stale := map[string][]*tokenize.Repository{}
			w.phases(r, func(phase string) {
				now := []*tokenize.Repository{r, w.other(r)}
				for _, of := range stale {
					now = append(now, of[len(of)-1])
				}
				for phase, of := range stale {
					stale[phase] = of[:len(of)-1]
				}
				for range 4 {
					other := w.other(r)
					w.save(other, old[0].q) // it knows the keys of now
					stale[phase] = append(stale[phase], other)
				}
				for i, saver := range now {
					q := fresh()
					d := w.save(saver, q)
					require.Equal(t, tokenize.Created, d.Outcome)
					for j := range now {
						finder := now[(i+j)%len(now)]
						again := q
						if g != tokenize.MerchantProvided {
							again.Token = ""
						}
						require.Equal(t, d.Token, w.save(finder, again).Token, "saved by %d, looked up by %d, %s", i, j, phase)
						require.Equal(t, old[1+i%6].token, w.save(finder, old[1+i%6].q).Token)
						got, err := finder.Get(t.Context(), me, d.Token)
						require.NoError(t, err)
						require.Equal(t, q.Card.Number.LastFour(), got.LastFour)
						w.saveElsewhere(finder, q, old[0].token)
					}
					w.changeAndDelete(now, i, g, fresh)
				}
			})
			require.Len(t, stale, 4)
			st, err := r.IndexStatus(t.Context())
			require.NoError(t, err)
			w.settled(r, st.Key)
			for _, s := range old {
				require.Equal(t, s.token, w.save(r, s.q).Token)
			}
		}
	})
}

// saveElsewhere tries to bring a card under the token of another, which must not
// depend on which key it is looked for by.
func (w *world) saveElsewhere(r *tokenize.Repository, q tokenize.SaveRequest, token string) {
	w.Helper()
	q.Token = token
	_, err := r.Save(w.ctx, q)
	fails(w, err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrCardHasToken)
}

// changeAndDelete takes a card through number, expiry and end, each step by
// another process.
func (w *world) changeAndDelete(ps []*tokenize.Repository, i int, g tokenize.Generation, fresh func() tokenize.SaveRequest) {
	w.Helper()
	p := func(k int) *tokenize.Repository { return ps[(i+k)%len(ps)] }
	q := fresh()
	d := w.save(p(0), q)
	next := fresh()
	if g == tokenize.Preserve64 {
		next.Card.Number = q.Card.Number
	}
	next.Token = d.Token
	require.Equal(w, d.Token, w.save(p(1), next).Token)
	_, err := p(2).Update(w.ctx, tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "A N OTHER"}})
	require.NoError(w, err)
	if g != tokenize.Preserve64 { // the number is free again
		q.Token = ""
		if g == tokenize.MerchantProvided {
			q.Token = next.Token + "x"
		}
		require.NotEqual(w, d.Token, w.save(p(3), q).Token)
	}
	require.NoError(w, p(1).Delete(w.ctx, me, d.Token))
	if g == tokenize.MerchantProvided {
		next.Token += "y"
	} else {
		next.Token = ""
	}
	require.Equal(w, tokenize.Created, w.save(p(2), next).Outcome)
}

// A token that gets another card while values are filled in stands under both keys,
// before the cursor and behind it.
func TestNewNumberWhileFilling(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		for i := range 6 {
			w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
		}
		tokens := w.all(r)
		w.phases(r, func(phase string) {
			if phase != "filling" {
				return
			}
			for i, token := range tokens {
				w.save(r, tokenize.SaveRequest{Caller: me, Token: token, Card: card.Details{Number: counted(t, 100+i)}})
			}
		})
		st, err := r.IndexStatus(t.Context())
		require.NoError(t, err)
		w.settled(r, st.Key)
		for i, token := range tokens {
			require.Equal(t, token, w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 100+i)}}).Token)
		}
	})
}

// A refusal that comes of not finding a card is not given under keys of the past:
// neither that a PRESERVE_6_4 token would change its number, nor that a new card
// needs an expiry.
func TestRefusalsUnderEarlierKeys(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.Preserve64, tokenize.UniqueCard, func(c *tokenize.Config) { c.RequireExpiry = true })
	q := req(t, visa)
	q.Card.Expiry = card.Expiry{Month: 1, Year: 2030}
	d := w.save(r, q)
	one, two := w.other(r), w.other(r)
	w.save(one, q)
	w.save(two, q)
	w.reindex(r, tokenize.ReindexOptions{NewKey: true})
	again := with(t, d.Token, visa)
	require.Equal(t, d.Token, w.save(one, again).Token)
	require.Equal(t, d.Token, w.save(two, req(t, visa)).Token)
}

// All scopes share one ring. A repository that is never rotated is found by its
// own key still; one that comes later takes the key that is there.
func TestReindexOfOneOfMany(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		one := w.repo(tokenize.UUID, tokenize.UniqueCard)
		two := w.repo(tokenize.Preserve64, tokenize.UniqueCard)
		many := w.repo(tokenize.UUID, tokenize.UniqueToken)
		a, b := w.save(one, req(t, visa)), w.save(two, req(t, visa))
		w.save(many, req(t, visa))
		w.save(many, req(t, visa))
		first := w.row(one, a.Token).Index[0].Key

		p := w.reindex(one, tokenize.ReindexOptions{NewKey: true})
		require.NotEqual(t, first, p.Key)
		w.settled(one, p.Key)
		w.settled(two, first)
		require.Equal(t, b.Token, w.save(two, req(t, visa)).Token)
		require.Equal(t, b.Token, w.save(w.other(two), req(t, visa)).Token)

		require.Equal(t, p.Key, w.reindex(two, tokenize.ReindexOptions{}).Key, "the ring's active key is newer than its own")
		w.settled(two, p.Key)
		require.Equal(t, b.Token, w.save(two, req(t, visa)).Token)
		require.Zero(t, w.reindex(two, tokenize.ReindexOptions{}).Key, "nothing to do")

		again := w.reindex(two, tokenize.ReindexOptions{NewKey: true})
		require.NotEqual(t, p.Key, again.Key)
		w.settled(two, again.Key)
		w.settled(one, p.Key)
		require.Equal(t, a.Token, w.save(w.other(one), req(t, visa)).Token)

		require.Equal(t, again.Key, w.reindex(many, tokenize.ReindexOptions{}).Key)
		for _, row := range w.dump(many) {
			require.Len(t, row.Index, 1)
			require.Equal(t, again.Key, row.Index[0].Key)
		}
		require.Len(t, w.all(many), 2)
	})
}

// A row that is rewritten has a higher version and the same times.
func TestReindexedRow(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	before := w.row(r, d.Token)
	w.sink.take()
	p := w.reindex(r, tokenize.ReindexOptions{NewKey: true})
	require.Equal(t, int64(2), p.Changed)
	after := w.row(r, d.Token)
	require.Equal(t, before.Version+2, after.Version)
	require.NotEqual(t, before.Index, after.Index)
	after.Version, after.Index = before.Version, before.Index
	require.Equal(t, before, after)

	events := w.sink.take()
	require.Len(t, events, 2)
	for i, o := range []audit.Outcome{audit.Begun, audit.Done} {
		events[i].Time = events[0].Time
		require.Equal(t, audit.Event{Time: events[0].Time, Action: audit.Reindex, Outcome: o,
			Repository: r.Config().ID, Merchant: me.Merchant, Owner: me.Owner}, events[i])
	}
}

func TestReindexOptions(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	c, stranger := me, me
	c.Permissions &^= tokenize.MayUpdate
	stranger.Merchant = "ELSEWHERE"
	for field, o := range map[string]tokenize.ReindexOptions{
		"caller":        {Caller: c},
		"merchant":      {Caller: stranger},
		"batch":         {Caller: me, Batch: tokenize.MaxBatch + 1},
		"rowsPerSecond": {Caller: me, RowsPerSecond: -1},
	} {
		_, err := r.Reindex(t.Context(), o)
		require.Error(t, err)
		var e *tokenize.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, field, e.Field)
	}
}

// A card that does not open stands in the way, is named, and is tried again; told
// to, the rotation goes past it.
func TestReindexOfWhatDoesNotOpen(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		var tokens []string
		for i := range 5 {
			tokens = append(tokens, w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}}).Token)
		}
		bad, moved := tokens[1], tokens[3]
		whole := w.row(r, bad).Sealed[0].Record
		w.rewrite(r, bad, func(row *store.Row) {
			row.Sealed[0].Record = slices.Clone(row.Sealed[0].Record)
			row.Sealed[0].Record[len(whole)-1] ^= 1
		})
		value := w.row(r, moved).Index
		w.rewrite(r, moved, func(row *store.Row) {
			row.Index = []store.IndexValue{{Key: value[0].Key, Value: [32]byte{1}}}
		})

		var left []string
		o := tokenize.ReindexOptions{Caller: me, NewKey: true, Batch: 2, OnLeft: func(token string, err error) {
			require.Error(t, err)
			left = append(left, token)
		}}
		slices.Sort(tokens)
		want := []string{bad, moved}
		slices.Sort(want)
		for range 2 {
			left = nil
			p, err := r.Reindex(t.Context(), o)
			fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnindexed)
			require.Equal(t, int64(2), p.Left)
			require.Equal(t, tokenize.Filling, p.Phase)
			require.Equal(t, want, left)
		}
		// Until then all are found as before.
		require.Equal(t, bad, w.save(w.other(r), tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 1)}}).Token)

		w.rewrite(r, moved, func(row *store.Row) { row.Index = value })
		left = nil
		o.LeaveUnindexed = true
		p, err := r.Reindex(t.Context(), o)
		require.NoError(t, err)
		require.True(t, p.Done)
		require.Equal(t, []string{bad}, left)
		for i := range 5 {
			if d := w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}}); i != 1 {
				require.Contains(t, tokens, d.Token)
			} else {
				require.NotContains(t, tokens, d.Token, "a second token, as was agreed to")
			}
		}

		// What opens again is two tokens' card by now, and stays out.
		w.rewrite(r, bad, func(row *store.Row) { row.Sealed[0].Record = whole })
		left = nil
		o.LeaveUnindexed = false
		_, err = r.Reindex(t.Context(), o)
		fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnindexed)
		require.Equal(t, []string{bad}, left)
		require.NoError(t, r.Delete(t.Context(), me, bad))
		p = w.reindex(r, tokenize.ReindexOptions{})
		w.settled(r, p.Key)
	})
}

// What an earlier call left is named by the call that goes on.
func TestReindexNamesWhatWasLeftBefore(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	for i := range 4 {
		w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
	}
	bad := w.all(r)[0]
	w.rewrite(r, bad, func(row *store.Row) { row.RecordID[0] ^= 1 })
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.Reindex(ctx, tokenize.ReindexOptions{Caller: me, NewKey: true, Batch: 1, OnProgress: func(p tokenize.Progress) {
		require.Equal(t, int64(1), p.Left)
		cancel()
	}})
	require.ErrorIs(t, err, context.Canceled)
	var left []string
	_, err = r.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, OnLeft: func(token string, _ error) { left = append(left, token) }})
	fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnindexed)
	require.Equal(t, []string{bad}, left)
}

// A data key that is closed for writing keeps its rows from being written: they
// are named as well.
func TestReindexBehindAFence(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	key, _ := envelope.StoredKeyID(w.row(r, d.Token).Sealed[0].Record)
	_, err := w.keys.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	w.save(r, req(t, amex))
	require.NoError(t, w.db.Cards().CloseFence(t.Context(), key))
	var left []string
	_, err = r.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, NewKey: true, OnLeft: func(token string, err error) {
		require.ErrorIs(t, err, keys.ErrDisabled)
		left = append(left, token)
	}})
	fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnindexed)
	require.Equal(t, []string{d.Token}, left)
	require.Equal(t, d.Token, w.save(w.other(r), req(t, visa)).Token)
}

// A KMS that is away ends the call; nobody's card is counted as left for that.
func TestReindexWithoutKMS(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.save(r, req(t, visa))
	other := w.other(r)
	for _, down := range []error{keys.ErrUnavailable, keys.ErrDenied} {
		w.kek.SetError(down)
		p, err := other.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me, NewKey: true})
		require.ErrorIs(t, err, down)
		require.Zero(t, p.Left)
	}
	w.kek.SetError(nil)
	p := w.reindex(w.other(r), tokenize.ReindexOptions{NewKey: true})
	w.settled(r, p.Key)
}
