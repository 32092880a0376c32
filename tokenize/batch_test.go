package tokenize_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Bad input is in its own result; the others are saved; results are in order.
func TestBatchBadInput(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
		nobody, malformed := req(t, visa), req(t, visa)
		nobody.Caller = tokenize.Caller{}
		malformed.Caller.Merchant = "two words"
		coded, priced := req(t, visa), req(t, visa)
		code, err := card.ParseCVC("123")
		require.NoError(t, err)
		coded.Card.Code, priced.Card.Currency = code, "EUR"
		named := req(t, visa)
		named.Card.Holder = "\x07"
		strange := req(t, visa)
		strange.Verification = 99
		qs := []tokenize.SaveRequest{
			req(t, amex), nobody, malformed, coded, priced, named, strange,
			req(t, "4111111111111112"), with(t, "?", visa), {Caller: me}, req(t, master),
		}
		for i := range qs {
			qs[i].CorrelationID = fmt.Sprint("row ", i)
		}
		res := w.batch(r, qs...)
		for i, field := range []string{
			"", "caller", "merchant", card.FieldCode, card.FieldCurrency, card.FieldHolder, "verification",
			card.FieldNumber, "token", card.FieldNumber, "",
		} {
			if field == "" {
				require.Nil(t, res[i].Err)
				require.Equal(t, fmt.Sprint("row ", i), res[i].Details.CorrelationID)
				continue
			}
			require.NotNil(t, res[i].Err, field)
			require.Equal(t, field, res[i].Err.Field)
			require.Equal(t, fmt.Sprint("row ", i), res[i].Err.CorrelationID)
			require.Zero(t, res[i].Details)
			require.NotRegexp(t, `\d{7}`, res[i].Err.Error())
		}
		require.Equal(t, tokenize.Unsupported, res[3].Err.Kind)
		require.Equal(t, tokenize.Unsupported, res[4].Err.Kind)
		w.holds(r, res[0].Details.Token, amex)
		w.holds(r, res[10].Details.Token, master)
		require.Len(t, w.all(r), 2)
	})
}

// Ten thousand rows in one call.
func TestBatchOfTenThousand(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		const n = 10_000
		r := w.repo(tokenize.Preserve64, tokenize.UniqueCard)
		qs := make([]tokenize.SaveRequest, n)
		for i := range qs {
			qs[i] = tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}}
		}
		res := w.batch(r, qs...)
		tokens := make([]string, n)
		seen := map[string]bool{}
		for i := range res {
			require.Nil(t, res[i].Err)
			tokens[i] = res[i].Details.Token
			require.False(t, seen[tokens[i]])
			seen[tokens[i]] = true
		}
		cards, err := r.RevealBatch(t.Context(), me, tokens, "settlement")
		require.NoError(t, err)
		for i := range cards {
			require.True(t, cards[i].Card.Number.Equal(qs[i].Card.Number), "row %d", i)
		}
		for i, again := range w.batch(r, qs...) {
			require.Equal(t, tokens[i], again.Details.Token)
			require.Equal(t, tokenize.Existing, again.Details.Outcome)
		}
	})
}

func TestBatchSizes(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	require.Empty(t, w.batch(r))
	_, err := r.SaveBatch(t.Context(), make([]tokenize.SaveRequest, tokenize.MaxBatch+1))
	fails(t, err, tokenize.InvalidRequest, "batch", nil)
}

// A refused request has no details, though it was planned before the store refused it.
func TestBatchRefusedHasNoDetails(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		w.save(r, keyed(req(t, visa), "k1"))
		res := w.batch(r, keyed(req(t, amex), "k1"), req(t, master))
		fails(t, res[0].Err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
		require.Zero(t, res[0].Details)
		w.holds(r, res[1].Details.Token, master)
	})
}

// Results belong to the caller: a later call does not change them.
func TestResultsAreTheCallers(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	res := w.batch(r, req(t, visa))
	token := res[0].Details.Token
	for range 10 {
		w.save(r, req(t, amex))
		w.batch(r, req(t, master), req(t, amex))
	}
	require.Equal(t, token, res[0].Details.Token)
}

var errInjected = errors.New("injected")

// A store that fails at any one of its calls: the save fails as busy, and nothing
// is written. It is tried with the first call failing, then the second, until a
// whole save gets through.
func TestFailingStore(t *testing.T) {
	kinds := map[string]struct {
		err   error
		cause tokenize.Cause
	}{
		"unavailable": {store.ErrUnavailable, tokenize.ServerBusy},
		"full":        {store.ErrFull, tokenize.ServerFailed},
		"read-only":   {store.ErrReadOnly, tokenize.ServerFailed},
		"damaged":     {store.ErrCorrupt, tokenize.ServerFailed},
		"locked":      {store.ErrLocked, tokenize.ServerFailed},
		"newer":       {store.ErrNewer, tokenize.ServerFailed},
		"closed":      {store.ErrClosed, tokenize.ServerFailed},
		"another":     {errInjected, tokenize.ServerFailed},
	}
	for name, kind := range kinds {
		for _, m := range managements {
			t.Run(name+" "+m.String(), func(t *testing.T) {
				w := inMemory(t)
				r := w.repo(tokenize.Preserve64, m)
				old := w.save(r, req(t, visa))
				q := keyed(req(t, visa), "k1")
				q.Card.Holder = "CHANGED"
				calls := map[string]func() error{
					"Save":      func() error { _, err := r.Save(t.Context(), q); return err },
					"SaveBatch": func() error { _, err := r.SaveBatch(t.Context(), []tokenize.SaveRequest{req(t, amex), q}); return err },
					"Save to a token": func() error {
						_, err := r.Save(t.Context(), tokenize.SaveRequest{Caller: me, Token: old.Token, Card: card.Details{Holder: "X"}})
						return err
					},
					"Get":    func() error { _, err := r.Get(t.Context(), me, old.Token); return err },
					"Reveal": func() error { _, err := r.Reveal(t.Context(), me, old.Token, "settlement"); return err },
					"Delete": func() error { return r.Delete(t.Context(), me, old.Token) },
				}
				for _, call := range []string{"Save", "SaveBatch", "Save to a token", "Get", "Reveal", "Delete"} {
					sweep(t, w, r, calls[call], kind.err, kind.cause)
				}
			})
		}
	}
}

// sweep makes the i-th call of the store fail, for every i.
func sweep(t *testing.T, w *world, r *tokenize.Repository, call func() error, inject error, cause tokenize.Cause) {
	t.Helper()
	for i := 1; ; i++ {
		require.Less(t, i, 50, "no call got through")
		before := w.dump(r)
		failed := false
		w.cards.set(func(_ string, n int) error {
			if n == i {
				failed = true
				return fmt.Errorf("disk: %w", inject)
			}
			return nil
		}, nil)
		err := call()
		w.cards.set(nil, nil)
		if !failed {
			require.NoError(t, err)
			require.Greater(t, i, 1, "the store was not called")
			return
		}
		e := fails(t, err, cause, "", inject)
		require.NotEmpty(t, e.SupportCode)
		require.Equal(t, before, w.dump(r), "something was written")
	}
}

// dump is all rows of a repository.
func (w *world) dump(r *tokenize.Repository) (rows []store.Row) {
	for row, err := range w.db.Cards().Scan(w.ctx, scopeID(w, r), "") {
		require.NoError(w, err)
		rows = append(rows, row)
	}
	return rows
}

// The answer to a commit is lost: the caller is told so, and the same call with
// the same key tells what became of it.
func TestOutcomeUnknown(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		lose := func(op string, _ int) error {
			if op == "Write" {
				return fmt.Errorf("connection reset: %w", store.ErrOutcomeUnknown)
			}
			return nil
		}
		q := keyed(req(t, visa), "k1")
		for _, written := range []bool{false, true} {
			if written {
				w.cards.set(nil, lose)
			} else {
				w.cards.set(lose, nil)
			}
			_, err := r.Save(t.Context(), q)
			e := fails(t, err, tokenize.ServerFailed, "", tokenize.ErrOutcomeUnknown)
			require.Equal(t, "OUTCOME_UNKNOWN", e.SupportCode)
			_, err = r.SaveBatch(t.Context(), []tokenize.SaveRequest{q, keyed(req(t, amex), "k2")})
			fails(t, err, tokenize.ServerFailed, "", tokenize.ErrOutcomeUnknown)
			w.cards.set(nil, nil)
		}
		res := w.batch(r, q, keyed(req(t, amex), "k2"))
		require.Equal(t, tokenize.Replayed, res[0].Details.Outcome)
		require.Len(t, w.all(r), 2)
	})
}

// A batch takes its cards for new and lets the store decide, unless the one before
// it met cards that had a token: then it looks first.
func TestBatchLooksWhereItPays(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
	looked := func(qs ...tokenize.SaveRequest) bool {
		w.cards.set(nil, nil)
		w.batch(r, qs...)
		return slices.Contains(w.cards.made(), "ByIndex")
	}
	require.False(t, looked(req(t, visa), req(t, amex)), "all new")
	require.True(t, looked(req(t, visa), req(t, master)), "the store said no")
	w.cards.set(nil, nil)
	res := w.batch(r, req(t, visa), req(t, amex))
	require.Equal(t, "ByIndex", w.cards.made()[0], "looks before it writes")
	require.Equal(t, tokenize.Existing, res[0].Details.Outcome)
	require.True(t, looked(req(t, "5105105105105100"), req(t, "4242424242424242")), "still")
	require.False(t, looked(req(t, "6011111111111117"), req(t, "3530111333300000")), "all were new again")
	// A card that comes twice in a batch of new ones is saved once.
	res = w.batch(r, req(t, "4012888888881881"), req(t, "4012888888881881"))
	require.Equal(t, res[0].Details.Token, res[1].Details.Token)
	require.Equal(t, []tokenize.SaveOutcome{tokenize.Created, tokenize.Existing},
		[]tokenize.SaveOutcome{res[0].Details.Outcome, res[1].Details.Outcome})
}
