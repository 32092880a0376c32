package code_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

func keyOf(t testing.TB, c store.Code) keys.KeyID {
	id, ok := envelope.StoredKeyID(c.Record)
	require.True(t, ok)
	return id
}

func card1(left int) code.CounterStatus {
	st := code.CounterStatus{Counter: code.Card, State: code.Unblocked, Left: left}
	if left == 0 {
		st.State = code.Blocked
	}
	return st
}

// Wrong attempts count down, a right one starts anew, the last wrong one blocks, and
// Unblock alone ends it.
func TestVerify(t *testing.T) {
	_, _, s, token := shop(t, &code.Options{Tries: 3, Guesses: 20})
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	attempt := func(digits string, left int, err error) {
		t.Helper()
		st, got := verify(s, token, digits)
		if err == nil {
			require.NoError(t, got)
		} else {
			fails(t, got, tokenize.RequestRejected, card.FieldCode, err)
		}
		if err == code.ErrBlocked || err == code.ErrSpent {
			require.Zero(t, st)
			return
		}
		require.Equal(t, card1(left), st)
	}
	attempt("124", 2, code.ErrWrong)
	attempt("1234", 1, code.ErrWrong) // another length is wrong like any other
	attempt("123", 3, nil)
	attempt("000", 2, code.ErrWrong)
	attempt("223", 1, code.ErrWrong)
	attempt("133", 0, code.ErrWrong)
	attempt("123", 0, code.ErrBlocked)
	_, err := s.Retrieve(t.Context(), me, own, token)
	fails(t, err, tokenize.RequestRejected, card.FieldCode, code.ErrBlocked)

	require.NoError(t, s.ResetTries(t.Context(), me, own, token))
	attempt("123", 0, code.ErrBlocked) // resetting clears the count alone
	require.NoError(t, s.Unblock(t.Context(), me, own, token))
	attempt("123", 3, nil)
	attempt("124", 2, code.ErrWrong)
	require.NoError(t, s.ResetTries(t.Context(), me, own, token))
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, card1(3), st.Counters[0])
	require.Equal(t, 20-6, st.GuessesLeft)
	got, err := s.Retrieve(t.Context(), me, own, token)
	is(t, "123", got, err)

	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	st, err = s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, 20, st.GuessesLeft, "a new code begins a new bound")
	for _, bad := range []error{
		s.Unblock(t.Context(), me, own, token, 7), s.ResetTries(t.Context(), me, own, token, code.ApplePay, 0),
	} {
		fails(t, bad, tokenize.InvalidRequest, "counter", nil)
	}
}

// Card and wallets have counters of their own, and one bound on all wrong attempts,
// which neither success nor Unblock gives back and which all tokens of a card share.
func TestWalletsAndBound(t *testing.T) {
	w, r, s, token := shop(t, &code.Options{Tries: 2, Guesses: 7})
	second := w.save(r, visa)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	attempt := func(token, digits string, by code.Counter) error {
		_, err := s.Verify(t.Context(), me, own, token, cvc(t, digits), by)
		return err
	}
	for range 2 {
		require.ErrorIs(t, attempt(token, "124", code.GooglePay), code.ErrWrong)
	}
	require.ErrorIs(t, attempt(second, "123", code.GooglePay), code.ErrBlocked)
	require.NoError(t, attempt(second, "123", code.Card))
	require.NoError(t, attempt(second, "123", code.ApplePay))
	_, err := s.Retrieve(t.Context(), me, own, token)
	require.NoError(t, err, "a wallet's counter is not the card's")

	require.NoError(t, s.Unblock(t.Context(), me, own, token))
	require.ErrorIs(t, attempt(token, "123", code.GooglePay), code.ErrBlocked, "not named")
	require.NoError(t, s.Unblock(t.Context(), me, own, token, code.GooglePay, code.SamsungPay))
	require.NoError(t, attempt(token, "123", code.GooglePay))

	for i, by := range []code.Counter{code.Card, code.ApplePay, code.SamsungPay, code.Card} {
		require.ErrorIs(t, attempt([]string{token, second}[i%2], "124", by), code.ErrWrong)
	}
	st, err := s.Status(t.Context(), me, own, second)
	require.NoError(t, err)
	require.Equal(t, 1, st.GuessesLeft)
	require.Equal(t, []code.CounterStatus{
		{code.Card, code.Blocked, 0}, {code.ApplePay, code.Unblocked, 1},
		{code.GooglePay, code.Unblocked, 1}, {code.SamsungPay, code.Unblocked, 1},
	}, st.Counters, "no counter has more left than the code")
	require.NoError(t, attempt(token, "123", code.ApplePay), "a right one costs nothing")
	require.ErrorIs(t, attempt(token, "124", code.ApplePay), code.ErrWrong)
	require.ErrorIs(t, attempt(token, "123", code.ApplePay), code.ErrSpent)
	require.NoError(t, s.Unblock(t.Context(), me, own, token, code.ApplePay, code.GooglePay, code.SamsungPay))
	require.ErrorIs(t, attempt(token, "123", code.ApplePay), code.ErrSpent)
	_, err = s.Retrieve(t.Context(), me, own, token)
	require.ErrorIs(t, err, code.ErrSpent, "Unblock does not help")
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	require.NoError(t, attempt(token, "123", code.ApplePay))
}

// Many guess at once through two services on one store and two tokens of the card,
// with right ones between: never are more candidates compared than the limits allow.
func TestManyGuess(t *testing.T) {
	const tries, guesses = 5, 17
	w, r, s, token := shop(t, &code.Options{Tries: tries, Guesses: guesses})
	second := w.save(r, visa)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	var wrong, right, refused atomic.Int64
	counters := []code.Counter{code.Card, code.ApplePay, code.GooglePay, code.SamsungPay}
	var wg sync.WaitGroup
	var fault atomic.Pointer[error]
	for g := range 64 {
		wg.Go(func() {
			for n := range 25 {
				digits := "124"
				if (g+n)%5 == 0 {
					digits = "123"
				}
				c, _ := card.ParseCVC(digits)
				_, err := s.Verify(context.Background(), me, own, []string{token, second}[n%2], c, counters[g%4])
				switch {
				case err == nil:
					right.Add(1)
				case errors.Is(err, code.ErrWrong):
					wrong.Add(1)
				case errors.Is(err, code.ErrBlocked), errors.Is(err, code.ErrSpent):
					refused.Add(1)
				default:
					fault.Store(&err)
				}
				if n == 12 && g < 4 {
					if err := s.Unblock(context.Background(), me, own, token, counters...); err != nil {
						fault.Store(&err)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Nil(t, fault.Load())
	require.LessOrEqual(t, wrong.Load(), int64(guesses))
	require.Positive(t, wrong.Load())
	require.EqualValues(t, 64*25, wrong.Load()+right.Load()+refused.Load())
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.EqualValues(t, guesses-wrong.Load(), st.GuessesLeft, "every wrong one counts once, no right one")

	// Of one counter alone no more than its tries.
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	wrong.Store(0)
	for range 64 {
		wg.Go(func() {
			if _, err := verify(s, token, "124"); errors.Is(err, code.ErrWrong) {
				wrong.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, tries, wrong.Load())
}

// What ends between count and comparison counts as wrong, and the limit holds.
func TestCutShort(t *testing.T) {
	w, _, s, token := shop(t, nil)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	w.eph.attempted = func() { panic("cut short") }
	require.Panics(t, func() { verify(s, token, "123") })
	ctx, cancel := context.WithCancel(t.Context())
	w.eph.attempted = cancel
	_, err := s.Verify(ctx, me, own, token, cvc(t, "123"), code.Card)
	require.ErrorIs(t, err, context.Canceled, "a right one that is not settled is not told")
	w.eph.attempted = nil
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, card1(1), st.Counters[0])
	require.Equal(t, 13, st.GuessesLeft)
	w.eph.attempted = func() { panic("cut short") }
	require.Panics(t, func() { verify(s, token, "124") })
	w.eph.attempted = nil
	st, err = s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, card1(0), st.Counters[0])
	_, err = verify(s, token, "123")
	require.ErrorIs(t, err, code.ErrBlocked, "though nobody set it before")
}

// Another code that comes between counts for itself: what is compared and given out is
// the one whose attempt or reading was counted.
func TestReplacedMeanwhile(t *testing.T) {
	w, _, s, token := shop(t, nil)
	put := func(digits string) func() {
		return func() {
			w.eph.looked, w.eph.attempted = nil, nil
			require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, digits)))
		}
	}
	put("123")()
	w.eph.looked = put("456")
	_, err := verify(s, token, "123")
	require.ErrorIs(t, err, code.ErrWrong)
	w.eph.looked = put("789")
	_, err = verify(s, token, "789")
	require.NoError(t, err)
	w.eph.looked = put("321")
	got, err := s.Retrieve(t.Context(), me, own, token)
	is(t, "321", got, err)

	w.eph.attempted = put("654")
	_, err = verify(s, token, "321")
	require.NoError(t, err) // the attempt was at the old one
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, card1(3), st.Counters[0], "the new one has no attempts")
	w.eph.looked = func() {
		w.eph.looked = nil
		require.NoError(t, s.Authorized(t.Context(), me, own, token))
	}
	_, err = verify(s, token, "654")
	unknown(t, err)
}

// A KMS that is away blocks no card and costs no reading.
func TestKMSAway(t *testing.T) {
	w, r, s, token := shop(t, nil)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	// Another process, which has no key in memory.
	again, err := tokenize.Open(t.Context(), w.db.Cards(), w.manager(""), nil)
	require.NoError(t, err)
	same, err := again.Repository(t.Context(), r.Config().ID)
	require.NoError(t, err)
	cold := w.codes(same, w.transient(&code.TransientOptions{MaxReads: 100}), nil)
	_, err = same.Reveal(t.Context(), me, token, "warm") // the card's key alone
	require.NoError(t, err)
	_, err = cold.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	w.kek.SetError(keys.ErrDenied)
	_, err = verify(cold, token, "124")
	fails(t, err, tokenize.ServerFailed, "", keys.ErrDenied)
	_, err = cold.Retrieve(t.Context(), me, own, token)
	fails(t, err, tokenize.ServerFailed, "", keys.ErrDenied)
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, card1(3), st.Counters[0])
	require.Equal(t, 100, st.ReadsLeft)
}

// Attempts that a crash cut short block a counter though nothing wrote that down:
// Unblock ends it, ResetTries does not.
func TestResetAfterCrash(t *testing.T) {
	w, _, s, token := shop(t, nil)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	for range 2 {
		_, err := verify(s, token, "124")
		require.ErrorIs(t, err, code.ErrWrong)
	}
	id := all(t, w.ephemeral)[0].ID
	_, err := w.ephemeral.Attempt(t.Context(), id, uint16(code.Card), store.TryLimits{Tries: 3, Guesses: 15}, 0)
	require.NoError(t, err)
	require.NoError(t, s.ResetTries(t.Context(), me, own, token))
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, card1(0), st.Counters[0])
	_, err = verify(s, token, "123")
	require.ErrorIs(t, err, code.ErrBlocked)
	require.NoError(t, s.Unblock(t.Context(), me, own, token))
	_, err = verify(s, token, "123")
	require.NoError(t, err)
}
