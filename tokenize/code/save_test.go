package code_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

func with(t testing.TB, c tokenize.Caller, digits, code string) tokenize.SaveRequest {
	q := tokenize.SaveRequest{Caller: c, Card: card.Details{Code: cvc(t, code)}}
	if digits != "" {
		q.Card.Number = number(t, digits)
	}
	return q
}

// A code that comes with a card, or with a change of one, is kept for its caller.
func TestSaveKeepsCode(t *testing.T) {
	w, r, s, _ := shop(t, nil)
	m := w.merchant(r, "M1")
	d, err := r.Save(t.Context(), with(t, m, visa, "123"))
	require.NoError(t, err)
	require.Equal(t, tokenize.Created, d.Outcome)
	got, err := s.Retrieve(t.Context(), m, own, d.Token)
	is(t, "123", got, err)
	_, err = s.Retrieve(t.Context(), me, own, d.Token)
	unknown(t, err)

	_, err = r.Update(t.Context(), tokenize.UpdateRequest{Caller: m, Token: d.Token, Card: card.Details{Code: cvc(t, "456")}})
	require.NoError(t, err)
	got, err = s.Retrieve(t.Context(), m, own, d.Token)
	is(t, "456", got, err)
	again, err := w.vault.Repository(t.Context(), "SHOP") // another Repository of the scope
	require.NoError(t, err)
	res, err := again.SaveBatch(t.Context(), []tokenize.SaveRequest{with(t, me, visa2, "111"), with(t, me, amex, "2222")})
	require.NoError(t, err)
	for i, digits := range []string{"111", "2222"} {
		require.Nil(t, res[i].Err)
		got, err = s.Retrieve(t.Context(), me, own, res[i].Details.Token)
		is(t, digits, got, err)
	}
	var actions []audit.Action
	for _, e := range w.sink.take() {
		require.Equal(t, "SHOP", e.Repository)
		actions = append(actions, e.Action)
	}
	require.Equal(t, []audit.Action{"create-repository", "save", "assign-merchant", "save", "put-code", "retrieve-code", "retrieve-code",
		"update", "put-code", "retrieve-code", "save", "save", "put-code", "put-code", "retrieve-code", "retrieve-code"}, actions)
}

// A call that is sent again under its idempotency key keeps no code, though perhaps it
// was sent because that failed, and says whether one is there.
func TestSaveAgain(t *testing.T) {
	w, r, s, _ := shop(t, nil)
	q := with(t, me, visa, "123")
	q.IdempotencyKey = "once"
	w.eph.put = func() error { return store.ErrUnavailable }
	d, err := r.Save(t.Context(), q)
	e := fails(t, err, tokenize.ServerBusy, card.FieldCode, tokenize.ErrCodeNotKept)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, "CODE_NOT_KEPT", e.SupportCode)
	require.NotEmpty(t, d.Token, "the card is saved")
	events := w.sink.take()
	last := events[len(events)-1]
	require.Equal(t, audit.PutCode, last.Action)
	require.Equal(t, audit.Failed, last.Outcome)
	_, err = r.Reveal(t.Context(), me, d.Token, "see")
	require.NoError(t, err)
	w.eph.put = nil
	kept := func(is error) {
		t.Helper()
		again, err := r.Save(t.Context(), q)
		require.Equal(t, d.Token, again.Token)
		require.Equal(t, tokenize.Replayed, again.Outcome)
		if is == nil {
			require.NoError(t, err)
			return
		}
		require.NotErrorIs(t, err, tokenize.ErrTokenNotFound)
		require.Equal(t, "CODE_NOT_KEPT", fails(t, err, tokenize.RequestRejected, card.FieldCode, is).SupportCode)
	}
	kept(tokenize.ErrCodeNotKept)
	require.Empty(t, all(t, w.ephemeral))
	m := w.merchant(r, "M1")
	require.NoError(t, s.Put(t.Context(), m, own, d.Token, cvc(t, "123"))) // another's
	kept(tokenize.ErrCodeNotKept)
	require.NoError(t, s.Put(t.Context(), me, own, d.Token, cvc(t, "123")))
	w.sink.take()
	before, err := s.Status(t.Context(), me, own, d.Token)
	require.NoError(t, err)
	kept(nil)
	now, err := s.Status(t.Context(), me, own, d.Token)
	require.NoError(t, err)
	require.Equal(t, before, now, "looking counts nothing")
	require.Len(t, w.sink.take(), 1, "the save alone is recorded")
	require.NoError(t, s.Authorized(t.Context(), me, own, d.Token))
	kept(tokenize.ErrCodeNotKept)
	_, err = s.Retrieve(t.Context(), me, own, d.Token)
	unknown(t, err)

	two := []tokenize.SaveRequest{with(t, me, visa2, "123"), with(t, me, visa2, "456")}
	two[0].IdempotencyKey, two[1].IdempotencyKey = "twice", "twice"
	res, err := r.SaveBatch(t.Context(), two)
	require.NoError(t, err)
	require.Nil(t, res[0].Err)
	require.Nil(t, res[1].Err, "the first call is in the same batch")
	got, err := s.Retrieve(t.Context(), me, own, res[1].Details.Token)
	is(t, "123", got, err)
}

// A save that is sent again, as late as it may come, undoes no code that was allocated
// since, and no attempt that was counted.
func TestSaveAgainIssued(t *testing.T) {
	w, r, s, _ := bank(t, nil)
	q := with(t, me, visa, "123")
	q.IdempotencyKey = "once"
	d, err := r.Save(t.Context(), q)
	require.NoError(t, err)
	require.NoError(t, s.Allocate(t.Context(), me, d.Token))
	for range 3 {
		_, err = verify(s, d.Token, "1234") // of another length
		require.ErrorIs(t, err, code.ErrWrong)
	}
	before := all(t, w.durable)
	_, err = r.Save(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, before, all(t, w.durable))
	_, err = verify(s, d.Token, "123")
	require.ErrorIs(t, err, code.ErrBlocked)
}

// A code that the brand does not carry, and one that the caller may not have kept,
// refuse the save before anything is stored.
func TestSaveRefusesCode(t *testing.T) {
	w, r, _, token := shop(t, nil)
	count := func() (n int) {
		require.NoError(t, r.Each(t.Context(), me, "", func(tokenize.Details) bool { n++; return true }))
		return n
	}
	before := count()
	for _, q := range []tokenize.SaveRequest{with(t, me, amex, "123"), with(t, me, visa, "1234"), with(t, me, uatp, "123")} {
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.InvalidRequest, card.FieldCode, nil)
	}
	old, err := r.Get(t.Context(), me, token)
	require.NoError(t, err)
	_, err = r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: token,
		Card: card.Details{Code: cvc(t, "1234"), Holder: "NEW"}})
	fails(t, err, tokenize.InvalidRequest, card.FieldCode, nil)
	now, err := r.Get(t.Context(), me, token)
	require.NoError(t, err)
	require.Equal(t, old, now)
	c := me
	c.Permissions &^= tokenize.MaySaveCode
	_, err = r.Save(t.Context(), with(t, c, visa, "123"))
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	q := with(t, me, visa, "123")
	q.Types = tokenize.Analytics
	_, err = r.Save(t.Context(), q)
	fails(t, err, tokenize.InvalidRequest, card.FieldCode, nil)
	require.Equal(t, before, count())
	require.Empty(t, all(t, w.ephemeral))
}

// Where no service is attached, or not any more, a code is refused as ever.
func TestSaveWithoutService(t *testing.T) {
	w := newWorld(t)
	r := w.repo()
	_, err := r.Save(t.Context(), with(t, me, visa, "123"))
	require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, card.FieldCode, nil).Kind)
	s := w.codes(r, w.transient(nil), nil)
	_, err = r.Save(t.Context(), with(t, me, visa, "123"))
	require.NoError(t, err)
	s.Close()
	_, err = r.Save(t.Context(), with(t, me, visa, "123"))
	fails(t, err, tokenize.InvalidRequest, card.FieldCode, nil)
}

type verifier struct{ codes []card.CVC }

func (v *verifier) Verify(_ context.Context, q tokenize.VerifyRequest) (tokenize.Verified, error) {
	v.codes = append(v.codes, q.Card.Code)
	if len(v.codes) == 2 {
		return tokenize.ExternalDeclined, nil
	}
	return tokenize.ExternalSuccessful, nil
}

// The acquirer is asked with the code as well; a card that it does not pass leaves
// none behind.
func TestVerifierGetsCode(t *testing.T) {
	v := &verifier{}
	w := newWorld(t, func(o *tokenize.Options) { o.Verifier = v })
	r := w.repo(func(c *tokenize.Config) { c.Verification = tokenize.Acquirer })
	s := w.codes(r, w.transient(nil), nil)
	d, err := r.Save(t.Context(), with(t, me, visa, "123"))
	require.NoError(t, err)
	got, err := s.Retrieve(t.Context(), me, own, d.Token)
	is(t, "123", got, err)
	_, err = r.Save(t.Context(), with(t, me, visa2, "456"))
	require.ErrorIs(t, err, tokenize.ErrVerification)
	require.Empty(t, all(t, w.ephemeral))
	is(t, "123", v.codes[0], nil)
	is(t, "456", v.codes[1], nil)
}
