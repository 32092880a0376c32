package code_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// What is written down of each call.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	r := w.repo()
	s := w.codes(r, w.transient(nil), fixed(&code.Options{Tries: 1}))
	token := w.save(r, visa)
	m := w.merchant(r, "M1")
	w.sink.take()
	was := func(events ...audit.Event) {
		t.Helper()
		got := w.sink.take()
		require.Len(t, got, len(events))
		for i := range events {
			e := &events[i]
			e.Time, e.Repository, e.Merchant, e.Owner, e.Correlation = got[i].Time, "SHOP", "M1", "clerk", "c-1"
			if e.Unknown == "" {
				e.Token = token
			} else {
				e.Unknown = got[i].Unknown
				require.Len(t, e.Unknown, 32)
			}
		}
		require.Equal(t, events, got)
	}
	const whose = "owner Merchant M1"
	put := func() {
		require.NoError(t, s.Put(t.Context(), m, own, token, cvc(t, "123")))
		was(audit.Event{Action: audit.PutCode, Outcome: audit.Done, Reason: whose})
	}
	put()
	_, err := s.Verify(t.Context(), m, own, token, cvc(t, "123"), code.ApplePay)
	require.NoError(t, err)
	was(audit.Event{Action: audit.VerifyCode, Outcome: audit.Done, Reason: whose + ", counter Apple Pay"})
	_, err = s.Verify(t.Context(), m, own, token, cvc(t, "124"), code.Card)
	require.ErrorIs(t, err, code.ErrWrong)
	was(audit.Event{Action: audit.VerifyCode, Outcome: audit.Wrong, Reason: whose + ", counter card"},
		audit.Event{Action: audit.BlockCode, Outcome: audit.Done, Reason: whose + ", counter card"})
	_, err = s.Verify(t.Context(), m, own, token, cvc(t, "123"), code.Card)
	require.ErrorIs(t, err, code.ErrBlocked)
	was(audit.Event{Action: audit.VerifyCode, Outcome: audit.Refused, Field: card.FieldCode, Reason: whose + ", counter card"})
	require.NoError(t, s.Unblock(t.Context(), m, own, token, code.GooglePay))
	was(audit.Event{Action: audit.UnblockCode, Outcome: audit.Done, Reason: whose + ", counter card"},
		audit.Event{Action: audit.UnblockCode, Outcome: audit.Done, Reason: whose + ", counter Google Pay"})
	require.NoError(t, s.ResetTries(t.Context(), m, own, token))
	was(audit.Event{Action: audit.ResetTries, Outcome: audit.Done, Reason: whose + ", counter card"})
	_, err = s.Retrieve(t.Context(), m, own, token)
	require.NoError(t, err)
	was(audit.Event{Action: audit.RetrieveCode, Outcome: audit.Done, Reason: whose})
	put()
	require.NoError(t, s.Authorized(t.Context(), m, own, token))
	was(audit.Event{Action: audit.EraseCode, Outcome: audit.Done, Reason: whose})
	unknown(t, s.Authorized(t.Context(), m, own, "4111111111111111"))
	was(audit.Event{Action: audit.EraseCode, Outcome: audit.Refused, Field: "token", Unknown: "x", Reason: whose})
	_, err = s.Status(t.Context(), m, own, token)
	unknown(t, err)
	was()
}

// That a counter is blocked is written down once, though it was a refusal that blocked
// it: a crash kept the last wrong attempt from it.
func TestRefusalThatBlocks(t *testing.T) {
	w, _, s, token := shop(t, nil)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	for range 3 {
		id := all(t, w.ephemeral)[0].ID
		_, err := w.ephemeral.Attempt(t.Context(), id, uint16(code.Card), store.TryLimits{Tries: 3, Guesses: 15}, 0)
		require.NoError(t, err)
	}
	w.sink.take()
	for range 2 {
		_, err := verify(s, token, "123")
		fails(t, err, tokenize.RequestRejected, card.FieldCode, code.ErrBlocked)
	}
	var actions []audit.Action
	for _, e := range w.sink.take() {
		actions = append(actions, e.Action)
	}
	require.Equal(t, []audit.Action{audit.VerifyCode, audit.BlockCode, audit.VerifyCode}, actions)
}

// Without a record of it no code and no result is given out; the attempt counts.
func TestSinkFails(t *testing.T) {
	w, _, s, token := shop(t, nil)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	full := errors.New("disk full")
	w.sink.fail(full)
	got, err := s.Retrieve(t.Context(), me, own, token)
	require.ErrorIs(t, err, tokenize.ErrAudit)
	require.True(t, got.IsZero())
	for _, digits := range []string{"123", "124"} {
		st, err := verify(s, token, digits)
		fails(t, err, tokenize.ServerFailed, "", tokenize.ErrAudit)
		require.NotErrorIs(t, err, code.ErrWrong)
		require.Zero(t, st)
	}
	w.sink.fail(nil)
	st, err := s.Status(t.Context(), me, own, token)
	require.NoError(t, err)
	require.Equal(t, card1(2), st.Counters[0])
	require.Equal(t, 99, st.ReadsLeft)
}

// Errors and events have the embedder's correlation ID, or one that is made.
func TestCorrelation(t *testing.T) {
	w, r, s, token := shop(t, nil)
	e := fails(t, s.Put(t.Context(), me, own, "0", cvc(t, "123")), tokenize.InvalidRequest, "token", nil)
	require.Regexp(t, "^[A-Z2-7]{26}$", e.CorrelationID)
	require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
	s.Close()
	type key struct{}
	s = w.codes(r, w.transient(nil), &code.Options{CorrelationID: func(ctx context.Context) string { return ctx.Value(key{}).(string) }})
	e = fails(t, s.Put(context.WithValue(t.Context(), key{}, "mine"), me, own, "0", cvc(t, "123")), tokenize.InvalidRequest, "token", nil)
	require.Equal(t, "mine", e.CorrelationID)
	e = fails(t, s.Put(context.WithValue(t.Context(), key{}, visa), me, own, "0", cvc(t, "123")), tokenize.InvalidRequest, "token", nil)
	require.Empty(t, e.CorrelationID, "a card number is not echoed")
	for _, e := range w.sink.take() {
		require.NotEqual(t, visa, e.Correlation)
	}
}

// A token's state keeps its code from being used, and attempts at it from counting.
func TestStates(t *testing.T) {
	w, r, s, _ := shop(t, nil)
	for name, c := range map[string]struct {
		into func(token string) error
		err  error
	}{
		"suspended": {func(token string) error { _, err := r.Suspend(w.ctx, me, token); return err }, tokenize.ErrTokenSuspended},
		"invalid":   {func(token string) error { _, err := r.SetValid(w.ctx, me, token, false); return err }, tokenize.ErrTokenInvalid},
		"expired": {func(token string) error {
			_, err := r.Update(w.ctx, tokenize.UpdateRequest{Caller: me, Token: token, TokenExpiry: tokenize.Date{Year: 2020, Month: 1, Day: 31}})
			return err
		}, tokenize.ErrTokenExpired},
	} {
		token := w.save(r, visa)
		require.NoError(t, s.Put(t.Context(), me, own, token, cvc(t, "123")))
		_, err := verify(s, token, "124")
		require.ErrorIs(t, err, code.ErrWrong)
		require.NoError(t, c.into(token))
		for _, call := range []string{"Verify", "Retrieve"} {
			err := calls(s, me, own, t)[call](token)
			fails(t, err, tokenize.RequestRejected, "token", c.err)
		}
		for _, call := range []string{"Status", "ResetTries", "Unblock"} {
			require.NoError(t, calls(s, me, own, t)[call](token), "%s %s", name, call)
		}
		st, err := s.Status(t.Context(), me, own, token)
		require.NoError(t, err)
		require.Equal(t, 14, st.GuessesLeft, name)
		require.NoError(t, calls(s, me, own, t)["Put"](token))
		require.NoError(t, calls(s, me, own, t)["Authorized"](token))
		require.NoError(t, r.Delete(t.Context(), me, token))
		fails(t, calls(s, me, own, t)["Put"](token), tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
		for _, call := range []string{"Status", "ResetTries", "Unblock", "Verify", "Retrieve"} {
			unknown(t, calls(s, me, own, t)[call](token))
		}
	}
	require.Empty(t, all(t, w.ephemeral))
}
