package code_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A code has the length that cards of the token's brand carry.
func TestPutChecksBrand(t *testing.T) {
	w, r, s, _ := shop(t, nil)
	for _, c := range []struct {
		number, code string
		kind         tokenize.FieldKind // 0: is kept
	}{
		{visa, "123", 0}, {visa, "1234", tokenize.Invalid},
		{amex, "1234", 0}, {amex, "123", tokenize.Invalid},
		{uatp, "123", tokenize.Unsupported}, {uatp, "1234", tokenize.Unsupported},
	} {
		token := w.save(r, c.number)
		err := s.Put(t.Context(), me, own, token, cvc(t, c.code))
		if c.kind == 0 {
			require.NoError(t, err)
			got, err := s.Retrieve(t.Context(), me, own, token)
			is(t, c.code, got, err)
			require.NoError(t, s.Authorized(t.Context(), me, own, token))
			continue
		}
		require.Equal(t, c.kind, fails(t, err, tokenize.InvalidRequest, card.FieldCode, nil).Kind)
		_, err = s.Retrieve(t.Context(), me, own, token)
		unknown(t, err)
	}
	require.Equal(t, tokenize.Missing, fails(t, s.Put(t.Context(), me, own, w.save(r, visa), card.CVC{}),
		tokenize.InvalidRequest, card.FieldCode, nil).Kind)
}

// A code is given out as often as the policy says, and not after its time.
func TestReadsAndTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo()
		s := w.codes(r, w.transient(&code.TransientOptions{TTL: 10 * time.Minute, MaxReads: 2}), nil)
		token := w.save(r, visa)
		put := func() { require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123"))) }
		put()
		for range 2 {
			got, err := s.Retrieve(t.Context(), me, own, token)
			is(t, "123", got, err)
		}
		_, err := s.Retrieve(t.Context(), me, own, token)
		unknown(t, err)
		require.Empty(t, all(t, w.ephemeral))

		put()
		st, err := s.Status(t.Context(), me, own, token)
		require.NoError(t, err)
		require.Equal(t, 2, st.ReadsLeft)
		require.Equal(t, 10*time.Minute, st.Expires.Sub(st.Created))
		time.Sleep(10*time.Minute - time.Millisecond)
		got, err := s.Retrieve(t.Context(), me, own, token)
		is(t, "123", got, err)
		time.Sleep(time.Millisecond)
		_, err = s.Retrieve(t.Context(), me, own, token)
		unknown(t, err)
		_, err = verify(s, token, "123")
		unknown(t, err)
		_, err = s.Status(t.Context(), me, own, token)
		unknown(t, err)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, all(t, w.ephemeral), "swept")
	})
}

// A call that a store or the KMS keeps waiting until the code's time is over does not
// use it.
func TestTimeIsUpMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.repo()
		s := w.codes(r, w.transient(&code.TransientOptions{TTL: 5 * time.Minute, MaxReads: 2, Sweep: time.Hour}), nil)
		token := w.save(r, visa)
		stall := func() { time.Sleep(5 * time.Second) }
		late := func(call func() error) {
			t.Helper()
			w.eph.looked, w.eph.read = nil, nil
			require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
			time.Sleep(5*time.Minute - time.Second)
			require.NoError(t, call())
			w.eph.looked = stall
			unknown(t, call())
		}
		late(func() error { _, err := s.Retrieve(t.Context(), me, own, token); return err })
		late(func() error { _, err := verify(s, token, "123"); return err })
		late(func() error { return s.ResetTries(t.Context(), me, own, token) })
		late(func() error { return s.Unblock(t.Context(), me, own, token) })

		w.eph.looked = nil
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		time.Sleep(5*time.Minute - time.Second)
		w.eph.read = stall
		got, err := s.Retrieve(t.Context(), me, own, token)
		unknown(t, err)
		require.True(t, got.IsZero())
	})
}

// By default a code is given out once.
func TestDefaults(t *testing.T) {
	w := newWorld(t)
	r := w.repo()
	s := w.codes(r, w.transient(nil), nil)
	token := w.save(r, visa)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, 1, st.ReadsLeft)
	require.Equal(t, 15, st.GuessesLeft)
	require.Equal(t, 15*time.Minute, st.Expires.Sub(st.Created))
	require.Equal(t, []code.CounterStatus{
		{code.Card, code.Unblocked, 3}, {code.ApplePay, code.Unblocked, 3},
		{code.GooglePay, code.Unblocked, 3}, {code.SamsungPay, code.Unblocked, 3},
	}, st.Counters)
}

// Once the payment is authorized no call gives the code, and saying so again is no
// error.
func TestAuthorized(t *testing.T) {
	w, r, s, token := shop(t, nil)
	site := code.Owner{Type: code.Site, ID: "7"}
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	require.NoError(t, s.Put(t.Context(), me, site, token, cvc(t, "456")))
	for range 2 {
		require.NoError(t, s.Authorized(t.Context(), me, own, token))
		_, err := s.Retrieve(t.Context(), me, own, token)
		unknown(t, err)
		_, err = verify(s, token, "123")
		unknown(t, err)
		_, err = s.Status(t.Context(), me, own, token)
		unknown(t, err)
	}
	got, err := s.Retrieve(t.Context(), me, site, token)
	is(t, "456", got, err) // another's payment
	unknown(t, s.Authorized(t.Context(), me, own, "0"))
	second := w.save(r, visa)
	require.NoError(t, s.Put(t.Context(), me, own, second, cvc(t, "123")))
	require.NoError(t, r.Delete(t.Context(), me, token))
	require.NoError(t, s.Authorized(t.Context(), me, own, token))
	require.Len(t, all(t, w.ephemeral), 1, "put through another token of the card, which a deleted one does not know")
	require.NoError(t, s.Authorized(t.Context(), me, own, second))
	require.Empty(t, all(t, w.ephemeral))
}

// All tokens of a card share its code, and a code put through one of them ends with it.
func TestTokensOfACard(t *testing.T) {
	w, r, s, token := shop(t, nil)
	second, other := w.save(r, visa), w.save(r, visa2)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	got, err := s.Retrieve(t.Context(), me, own, second)
	is(t, "123", got, err)
	_, err = s.Retrieve(t.Context(), me, own, other)
	unknown(t, err)
	require.NoError(t, s.Put(t.Context(), me, own, second, cvc(t, "456")))
	got, err = s.Retrieve(t.Context(), me, own, token)
	is(t, "456", got, err)
	require.NoError(t, r.Delete(t.Context(), me, second))
	_, err = s.Retrieve(t.Context(), me, own, token)
	unknown(t, err)
}

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

// A batch whose codes cannot be stored stores none, and each is recorded as failed.
func TestPutFails(t *testing.T) {
	w, r, s, one := shop(t, nil)
	w.eph.put = func() error { return store.ErrUnavailable }
	w.sink.take()
	errs, err := s.PutBatch(t.Context(), me, []code.Put{
		{code.Ref{Token: one}, cvc(t, "123")}, {code.Ref{Token: w.save(r, visa2)}, cvc(t, "123")}})
	fails(t, err, tokenize.ServerBusy, "", store.ErrUnavailable)
	require.Nil(t, errs)
	require.Empty(t, all(t, w.ephemeral))
	events := w.sink.take()
	require.Len(t, events, 3) // the save is the first
	require.EqualValues(t, "failed", events[1].Outcome)
	require.EqualValues(t, "failed", events[2].Outcome)
}

// A code is not put under a data key whose fence is closed: another key is taken, and
// where there is none it fails.
func TestPutUnderClosedFence(t *testing.T) {
	w, _, s, token := bank(t, nil)
	require.NoError(t, s.Allocate(t.Context(), me, token))
	first := keyOf(t, all(t, w.durable)[0])
	other := w.manager("") // another process
	_, err := other.Rotate(t.Context(), keys.CVC)
	require.NoError(t, err)
	require.NoError(t, w.durable.CloseFence(t.Context(), first))
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	require.NotEqual(t, first, keyOf(t, all(t, w.durable)[0]))
	require.NoError(t, w.durable.CloseFence(t.Context(), keyOf(t, all(t, w.durable)[0])))
	fails(t, s.Put(t.Context(), me, own, token, cvc(t, "456")), tokenize.ServerFailed, "", store.ErrFenced)
	got, err := s.Retrieve(t.Context(), me, own, token)
	is(t, "123", got, err)
}
