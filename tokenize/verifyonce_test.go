package tokenize_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
)

// A repetition is answered without the acquirer, in batches as well, and a reused
// key is found before he is asked.
func TestReplayDoesNotAskAgain(t *testing.T) {
	verifying(t, func(t *testing.T, w *world, a *acquirer) {
		for _, m := range managements {
			r := w.repo(tokenize.UUID, m, verifyAcquirer)
			q := keyed(full(t, visa, "123"), "k1")
			first := w.save(r, q)
			require.Len(t, a.take(), 1)
			a.says(answering(tokenize.ExternalDeclined))
			again := w.save(r, q)
			require.Equal(t, tokenize.Replayed, again.Outcome)
			require.Equal(t, first.Token, again.Token)
			res := w.batch(r, q, q)
			require.Equal(t, first.Token, res[1].Details.Token)
			_, err := r.Save(t.Context(), keyed(full(t, master, "123"), "k1"))
			fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
			other := q
			other.Card.Currency = "USD"
			_, err = r.Save(t.Context(), other)
			fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
			require.Empty(t, a.take())
			a.says(nil)
			require.Len(t, w.dump(r), 1)
		}
	})
}

// A token deleted between look-up and plan takes its key with it: its card was not
// verified, so the call does not go through; the next one asks.
func TestReplayVanishes(t *testing.T) {
	a := &acquirer{}
	w := newWorld(t, memory.New(), &tokenize.Options{Verifier: a})
	r := w.repo(tokenize.UUID, tokenize.UniqueToken, verifyAcquirer)
	q := keyed(req(t, visa), "k1")
	first := w.save(r, q)
	a.take()
	w.cards.set(func(op string, _ int) error {
		if op == "Get" {
			w.cards.set(nil, nil)
			return r.Delete(t.Context(), me, first.Token)
		}
		return nil
	}, nil)
	_, err := r.Save(t.Context(), q)
	fails(t, err, tokenize.ServerBusy, "", tokenize.ErrConflict)
	require.Empty(t, a.take())
	second := w.save(r, q)
	require.NotEqual(t, first.Token, second.Token)
	require.Len(t, a.take(), 1)
}

// A batch that has to be planned anew does not ask anew.
func TestPlannedAnewAskedOnce(t *testing.T) {
	a := &acquirer{}
	w := newWorld(t, memory.New(), &tokenize.Options{Verifier: a})
	r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
	w.cards.set(func(op string, _ int) error {
		if op != "Write" {
			return nil
		}
		w.cards.set(nil, nil)
		q := req(t, visa)
		q.Verification = tokenize.None
		_, err := r.Save(t.Context(), q) // in the meantime
		return err
	}, nil)
	res := w.batch(r, req(t, visa), req(t, master))
	require.Equal(t, tokenize.Updated, res[0].Details.Outcome)
	require.Equal(t, tokenize.ExternalSuccessful, res[0].Details.Verified)
	require.Len(t, a.take(), 2)
}

// The same call is carried out elsewhere while the acquirer thinks: what it did is
// not what refuses this one.
func TestSentWhileVerifying(t *testing.T) {
	verifying(t, func(t *testing.T, w *world, a *acquirer) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard, verifyAcquirer)
		q := keyed(with(t, "A", visa), "k1")
		q.CreateOnly = true
		a.says(func(context.Context, tokenize.VerifyRequest) (tokenize.Verified, error) {
			a.says(nil)
			_, err := r.Save(t.Context(), q)
			return tokenize.ExternalSuccessful, err
		})
		require.Equal(t, tokenize.Replayed, w.save(r, q).Outcome)
		require.Len(t, a.take(), 2)
	})
}

// The store fails at any one of its calls.
func TestVerifyOnFailingStore(t *testing.T) {
	a := &acquirer{}
	w := newWorld(t, memory.New(), &tokenize.Options{Verifier: a})
	r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
	w.save(r, req(t, master))
	sweep(t, w, r, func() error {
		res, err := r.SaveBatch(t.Context(), []tokenize.SaveRequest{keyed(full(t, visa, "123"), "k1"), req(t, amex)})
		if err == nil {
			require.Nil(t, res[0].Err)
			require.Nil(t, res[1].Err)
		}
		return err
	}, errInjected, tokenize.ServerFailed)
}

// A job's step tells later what the acquirer said.
func TestStepOfDeclined(t *testing.T) {
	verifying(t, func(t *testing.T, w *world, a *acquirer) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
		job, err := r.JobOf(t.Context(), me, "import", strings.NewReader("file"))
		require.NoError(t, err)
		a.says(answering(tokenize.ExternalBlocked))
		_, err = r.SaveStep(t.Context(), job, []byte("1"), []tokenize.SaveRequest{req(t, visa)})
		require.NoError(t, err)
		last, ok, err := r.LastStep(t.Context(), me, job)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, tokenize.ExternalBlocked, last.Rows[0].Err.Verified)
	})
}
