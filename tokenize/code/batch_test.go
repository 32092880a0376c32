package code_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A batch does what it can, and says of each what it came to.
func TestBatches(t *testing.T) {
	w, r, s, one := shop(t, nil)
	two := w.save(r, amex)
	errs, err := s.PutBatch(t.Context(), me, []code.Put{
		{code.Ref{Token: one}, cvc(t, "123")}, {code.Ref{Token: "0"}, cvc(t, "123")},
		{code.Ref{Token: two}, cvc(t, "123")}, {code.Ref{Token: two}, cvc(t, "1111")}, {code.Ref{Token: two}, cvc(t, "2222")},
	})
	require.NoError(t, err)
	require.Nil(t, errs[0])
	require.ErrorIs(t, errs[1], tokenize.ErrTokenNotFound)
	require.Equal(t, card.FieldCode, errs[2].Field)
	require.Nil(t, errs[3])
	require.Nil(t, errs[4])
	refs := []code.Ref{{Token: one}, {Token: "0"}, {Token: two}}
	read, err := s.RetrieveBatch(t.Context(), me, refs)
	require.NoError(t, err)
	is(t, "123", read[0].Code, nil)
	require.ErrorIs(t, read[1].Err, tokenize.ErrTokenNotFound)
	is(t, "2222", read[2].Code, nil)
	verified, err := s.VerifyBatch(t.Context(), me, []code.Candidate{
		{refs[0], cvc(t, "124"), code.Card}, {refs[0], cvc(t, "123"), code.GooglePay}, {refs[1], cvc(t, "123"), code.Card},
		{refs[2], cvc(t, "2222"), 7}, {refs[2], card.CVC{}, code.Card}, {refs[2], cvc(t, "2222"), code.Card},
	})
	require.NoError(t, err)
	require.ErrorIs(t, verified[0].Err, code.ErrWrong)
	require.Equal(t, code.CounterStatus{Counter: code.Card, State: code.Unblocked, Left: 2}, verified[0].Counter)
	require.Nil(t, verified[1].Err)
	require.Equal(t, code.CounterStatus{Counter: code.GooglePay, State: code.Unblocked, Left: 3}, verified[1].Counter)
	require.ErrorIs(t, verified[2].Err, tokenize.ErrTokenNotFound)
	require.Equal(t, "counter", verified[3].Err.Field)
	require.Equal(t, tokenize.Missing, verified[4].Err.Kind)
	require.Nil(t, verified[5].Err)
	st, err := s.StatusBatch(t.Context(), me, refs)
	require.NoError(t, err)
	require.Equal(t, 14, st[0].Status.GuessesLeft)
	require.ErrorIs(t, st[1].Err, tokenize.ErrTokenNotFound)
	require.Equal(t, 15, st[2].Status.GuessesLeft)
	for name, batch := range map[string]func(context.Context, tokenize.Caller, []code.Ref, ...code.Counter) ([]*tokenize.Error, error){
		"reset": s.ResetTriesBatch, "unblock": s.UnblockBatch,
	} {
		for _, ref := range []code.Ref{refs[0], refs[2]} {
			for _, by := range []code.Counter{code.Card, code.GooglePay, code.ApplePay} {
				_, err := s.Verify(t.Context(), me, own, ref.Token, cvc(t, "124"), by)
				require.ErrorIs(t, err, code.ErrWrong)
			}
		}
		w.sink.take()
		done, err := batch(t.Context(), me, refs, code.GooglePay)
		require.NoError(t, err, name)
		require.Nil(t, done[0])
		require.ErrorIs(t, done[1], tokenize.ErrTokenNotFound)
		require.Nil(t, done[2])
		require.Len(t, w.sink.take(), 5, "of each token, and of each wallet that is known")
		st, err := s.StatusBatch(t.Context(), me, refs)
		require.NoError(t, err)
		for _, i := range []int{0, 2} {
			require.Equal(t, 3, st[i].Status.Counters[0].Left, name)
			require.NotEqual(t, 3, st[i].Status.Counters[1].Left, "not named")
			require.Equal(t, 3, st[i].Status.Counters[2].Left, name)
		}
		done, err = batch(t.Context(), me, refs, 7)
		require.NoError(t, err)
		for i := range done {
			require.Equal(t, "counter", done[i].Field)
		}
		_, err = batch(t.Context(), me, make([]code.Ref, code.MaxBatch+1))
		fails(t, err, tokenize.InvalidRequest, "batch", nil)
	}
	done, err := s.AuthorizedBatch(t.Context(), me, refs)
	require.NoError(t, err)
	require.Nil(t, done[0])
	require.ErrorIs(t, done[1], tokenize.ErrTokenNotFound)
	require.Nil(t, done[2])
	require.Empty(t, all(t, w.ephemeral))
	_, err = s.StatusBatch(t.Context(), me, make([]code.Ref, code.MaxBatch+1))
	fails(t, err, tokenize.InvalidRequest, "batch", nil)
}

// Codes are drawn in a batch as one by one.
func TestAllocateBatch(t *testing.T) {
	w, r, s, one := bank(t, nil)
	two, none := w.save(r, amex), w.save(r, uatp)
	tokens := []string{one, "0", two, none, two}
	var last [2]card.CVC
	for range 100 {
		errs, err := s.AllocateBatch(t.Context(), me, tokens)
		require.NoError(t, err)
		require.Nil(t, errs[0])
		require.ErrorIs(t, errs[1], tokenize.ErrTokenNotFound)
		require.Nil(t, errs[2])
		require.Equal(t, card.FieldCode, errs[3].Field)
		require.Nil(t, errs[4])
		for i, token := range []string{one, two} {
			next, err := s.Retrieve(t.Context(), me, own, token)
			require.NoError(t, err)
			require.Equal(t, 3+i, next.Len())
			require.False(t, last[i].Equal(next))
			last[i] = next
		}
	}
	require.Len(t, all(t, w.durable), 2)
	_, err := s.AllocateBatch(t.Context(), me, make([]string, code.MaxBatch+1))
	fails(t, err, tokenize.InvalidRequest, "batch", nil)
	w.issuer.put = func() error { return store.ErrUnavailable }
	_, err = s.AllocateBatch(t.Context(), me, tokens)
	fails(t, err, tokenize.ServerBusy, "", store.ErrUnavailable)
}
