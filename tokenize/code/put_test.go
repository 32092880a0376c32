package code_test

import (
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
