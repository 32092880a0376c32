package tokenize_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
)

// reseal runs a reseal that must come to its end.
func (w *world) reseal(r *tokenize.Repository, o tokenize.ResealOptions) tokenize.Progress {
	w.Helper()
	o.Caller = me
	p, err := r.Reseal(w.ctx, o)
	require.NoError(w, err)
	require.True(w, p.Done)
	require.Zero(w, p.Left)
	return p
}

// rotate makes another process replace the key that cards are sealed under.
func (w *world) rotate() keys.KeyID {
	w.Helper()
	m, err := keys.Open(w.ctx, w.db.Keys(), w.kek, nil)
	require.NoError(w, err)
	defer m.Close()
	id, err := m.Rotate(w.ctx, keys.PAN)
	require.NoError(w, err)
	return id
}

// under demands that all that is sealed of a repository lies under one key, as
// many values as given.
func (w *world) under(r *tokenize.Repository, key keys.KeyID, values int) {
	w.Helper()
	n := 0
	for _, row := range w.dump(r) {
		for _, s := range row.Sealed {
			id, ok := envelope.StoredKeyID(s.Record)
			require.True(w, ok)
			require.Equal(w, key, id, "token %s, field %d", row.Token, s.Field)
			n++
		}
	}
	require.Equal(w, values, n)
}

// rowsOf saves counted cards and returns their tokens, in order of the cards.
func (w *world) rowsOf(r *tokenize.Repository, cards int) (tokens []string) {
	w.Helper()
	for i := range cards {
		tokens = append(tokens, w.save(r, tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(w, i)}}).Token)
	}
	return tokens
}

// All that was sealed under keys before comes under the active one, whatever the
// token's state, and opens; the earlier keys are needed by nothing any more.
func TestReseal(t *testing.T) { stores(t, resealAll) }

func resealAll(t *testing.T, w *world) {
	r := w.schemes()
	full := req(t, visa)
	full.Card.Holder, full.Card.Email, full.Card.Expiry = "A HOLDER", "a@example.com", card.Expiry{Month: 1, Year: 2030}
	d := w.save(r, full)
	w.set(r, attach(t, d.Token, netToken))
	first := active(t, w.keys, keys.PAN)
	require.Equal(t, uint64(4), w.use(first).Records)
	w.rotate()

	other := w.other(r) // it learns of the second key
	suspended := w.save(other, req(t, master)).Token
	_, err := other.Suspend(t.Context(), me, suspended)
	require.NoError(t, err)
	q := req(t, maestro)
	q.Invalid, q.TokenExpiry = true, tokenize.Date{Year: 2020, Month: 1, Day: 1}
	over := w.save(other, q).Token
	gone := w.save(other, req(t, diners)).Token
	require.NoError(t, other.Delete(t.Context(), me, gone))
	second := active(t, w.keys, keys.PAN)
	require.Equal(t, uint64(2), w.use(second).Records)

	third := w.rotate()
	fresh := w.save(w.other(r), req(t, amex))
	before := w.dump(r)
	p := w.reseal(r, tokenize.ResealOptions{Batch: 2})
	require.Equal(t, tokenize.Progress{Key: third, Rows: 4, Changed: 3, Done: true}, p)
	w.under(r, third, 7)
	require.Zero(t, w.use(first).Records)
	require.Zero(t, w.use(second).Records)

	// Rows are as they were, but for version and records.
	after := w.dump(r)
	for i := range before {
		if token := before[i].Token; token != fresh.Token && token != gone {
			before[i].Version++
			for j := range before[i].Sealed {
				require.NotEqual(t, before[i].Sealed[j].Record, after[i].Sealed[j].Record)
				require.Len(t, after[i].Sealed[j].Record, len(before[i].Sealed[j].Record))
				before[i].Sealed[j].Record = after[i].Sealed[j].Record
			}
		}
	}
	require.Equal(t, before, after)

	for _, p := range []*tokenize.Repository{r, other, w.other(r)} {
		got := w.reveal(p, d.Token)
		require.Equal(t, visa, string(got.Number.AppendDigits(nil)))
		require.Equal(t, full.Card.Holder, got.Holder)
		require.Equal(t, full.Card.Email, got.Email)
		require.Equal(t, netToken, w.network(p, d.Token))
		w.holds(p, fresh.Token, amex)
	}
	_, err = r.Activate(t.Context(), me, suspended)
	require.NoError(t, err)
	w.holds(r, suspended, master)
	_, err = r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: over, TokenExpiry: tokenize.Date{Year: 2090, Month: 1, Day: 1}})
	require.NoError(t, err)
	_, err = r.SetValid(t.Context(), me, over, true)
	require.NoError(t, err)
	w.holds(r, over, maestro)

	// Once more, there is nothing to do.
	p = w.reseal(r, tokenize.ResealOptions{})
	require.Equal(t, tokenize.Progress{Key: third, Rows: 4, Done: true}, p)
}

func TestResealEvents(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.reseal(r, tokenize.ResealOptions{})
	require.Len(t, w.sink.take(), 1, "nothing was sealed ever")
	w.rowsOf(r, 1)
	w.sink.take()
	w.reseal(r, tokenize.ResealOptions{})
	events := w.sink.take()
	require.Len(t, events, 2)
	for i, o := range []audit.Outcome{audit.Begun, audit.Done} {
		require.Equal(t, audit.Event{Time: events[i].Time, Action: audit.Reseal, Outcome: o,
			Repository: r.Config().ID, Owner: me.Owner}, events[i])
	}

	// Nothing is begun without a record of it.
	w.rotate()
	w.sink.fail(errors.New("full"))
	_, err := r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me})
	require.ErrorIs(t, err, tokenize.ErrAudit)
	w.sink.fail(nil)
	require.Equal(t, int64(1), w.reseal(r, tokenize.ResealOptions{}).Changed)
}

func TestResealOptions(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	may, stranger := me, me
	may.Permissions &^= tokenize.MayUpdate
	stranger.Merchant = "ELSEWHERE"
	for _, bad := range []struct {
		field string
		o     tokenize.ResealOptions
	}{
		{"caller", tokenize.ResealOptions{Caller: may}},
		{"merchant", tokenize.ResealOptions{Caller: stranger}},
		{"batch", tokenize.ResealOptions{Caller: me, Batch: tokenize.MaxBatch + 1}},
		{"batch", tokenize.ResealOptions{Caller: me, Batch: -1}},
		{"rowsPerSecond", tokenize.ResealOptions{Caller: me, RowsPerSecond: -1}},
	} {
		_, err := r.Reseal(t.Context(), bad.o)
		var e *tokenize.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, bad.field, e.Field)
	}
}

// After a rotation and a reseal the earlier key can be destroyed, with the vault's
// census, and no card needs it.
func TestResealThenDestroy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		defer w.keys.Close()
		r, many := w.repo(tokenize.UUID, tokenize.UniqueCard), w.repo(tokenize.Preserve64, tokenize.UniqueToken)
		tokens := w.rowsOf(r, 5)
		more := w.rowsOf(many, 3)
		old := active(t, w.keys, keys.PAN)
		_, err := w.keys.Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		o := keys.DestroyOptions{CloseFence: w.db.Cards().CloseFence, Census: w.vault.KeyInUse}
		w.reseal(r, tokenize.ResealOptions{})
		_, err = w.keys.Destroy(t.Context(), old, o)
		var used *keys.InUseError
		require.ErrorAs(t, err, &used, "another repository needs it")
		require.Equal(t, uint64(3), used.Records)
		// Its fence is closed by now, which does not keep records from leaving it.
		w.reseal(many, tokenize.ResealOptions{})
		receipt, err := w.keys.Destroy(t.Context(), old, o)
		require.NoError(t, err)
		require.Zero(t, receipt.Records)
		for i := range tokens {
			require.True(t, w.reveal(r, tokens[i]).Number.Equal(counted(t, i)))
		}
		for i := range more {
			require.True(t, w.reveal(many, more[i]).Number.Equal(counted(t, i)))
		}
	})
}

// A repository with data keys of its own is brought under its own active key.
func TestResealPerScopeKeys(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		own, shared := w.repo(tokenize.UUID, tokenize.UniqueCard, named("OWN"), perScope), w.repo(tokenize.UUID, tokenize.UniqueCard)
		require.Equal(t, tokenize.Progress{Done: true}, w.reseal(own, tokenize.ResealOptions{}))
		a, b := w.rowsOf(own, 3), w.rowsOf(shared, 3)
		ring, err := w.manager().ScopeIn(keys.PerScope, keys.PAN, own.Scope())
		require.NoError(t, err)
		next, err := ring.Rotate(t.Context())
		require.NoError(t, err)
		require.Zero(t, w.reseal(shared, tokenize.ResealOptions{}).Changed)
		old := w.sealedUnder(own, a[0])
		require.Equal(t, tokenize.Progress{Key: next, Rows: 3, Changed: 3, Done: true}, w.reseal(own, tokenize.ResealOptions{}))
		w.under(own, next, 3)
		require.Zero(t, w.use(old).Records)
		for i := range a {
			require.True(t, w.reveal(w.other(own), a[i]).Number.Equal(counted(t, i)))
			require.True(t, w.reveal(shared, b[i]).Number.Equal(counted(t, i)))
		}
	})
}

// However many rows there are, the KMS is asked for each key once.
func TestResealKMSCalls(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 50)
	w.rotate()
	p := w.other(r)
	wraps, unwraps := w.kek.Wraps(), w.kek.Unwraps()
	require.Equal(t, int64(50), w.reseal(p, tokenize.ResealOptions{Batch: 7}).Changed)
	require.Equal(t, wraps, w.kek.Wraps())
	require.Equal(t, unwraps+2, w.kek.Unwraps(), "the key before and the key after")
}

// A rate bounds how long a pass takes at least.
func TestResealRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		defer w.keys.Close()
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		w.rowsOf(r, 30)
		began := time.Now()
		w.reseal(r, tokenize.ResealOptions{Batch: 10, RowsPerSecond: 5})
		require.Equal(t, 6*time.Second, time.Since(began))
	})
}
