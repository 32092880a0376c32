package tokenize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/needles"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
)

// acquirer answers for a service's Verifier and keeps what it was asked.
type acquirer struct {
	mu     sync.Mutex
	asked  []tokenize.VerifyRequest
	answer verdict
}

type verdict func(ctx context.Context, q tokenize.VerifyRequest) (tokenize.Verified, error)

func (a *acquirer) Verify(ctx context.Context, q tokenize.VerifyRequest) (tokenize.Verified, error) {
	a.mu.Lock()
	a.asked = append(a.asked, q)
	answer := a.answer
	a.mu.Unlock()
	if answer == nil {
		return tokenize.ExternalSuccessful, nil
	}
	return answer(ctx, q)
}

// says is how the acquirer answers from now on; nil is with success.
func (a *acquirer) says(answer verdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// take returns what was asked since it was called last.
func (a *acquirer) take() []tokenize.VerifyRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

func verifyAcquirer(c *tokenize.Config) { c.ID, c.Verification = c.ID+"-ACQ", tokenize.Acquirer }

// verifying runs a test on every store, in a vault with an acquirer.
func verifying(t *testing.T, test func(t *testing.T, w *world, a *acquirer)) {
	stores(t, func(t *testing.T, w *world) {
		a := &acquirer{}
		test(t, newWorld(t, w.db, &tokenize.Options{Verifier: a}), a)
	})
}

// full is a card with all that a verifier is told.
func full(t testing.TB, digits, code string) tokenize.SaveRequest {
	t.Helper()
	q := req(t, digits)
	cvc, err := card.ParseCVC(code)
	require.NoError(t, err)
	q.Card.Code, q.Card.Expiry, q.Card.Holder = cvc, card.Expiry{Month: 12, Year: 2030}, "HOLDER"
	q.Card.Currency, q.CorrelationID = "EUR", "c-9"
	return q
}

func TestVerifierIsTold(t *testing.T) {
	verifying(t, func(t *testing.T, w *world, a *acquirer) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
		q := full(t, visa, "123")
		q.Caller = w.merchant(r, "SHOP1")
		d := w.save(r, q)
		require.Equal(t, tokenize.Created, d.Outcome)
		require.Equal(t, tokenize.ExternalSuccessful, d.Verified)
		asked := a.take()
		require.Len(t, asked, 1)
		require.True(t, asked[0].Card.Number.Equal(number(t, visa)))
		require.Equal(t, "123", string(asked[0].Card.Code.AppendDigits(nil)))
		require.Equal(t, card.Expiry{Month: 12, Year: 2030}, asked[0].Card.Expiry)
		require.Equal(t, []string{"HOLDER", "EUR", r.Config().ID, "SHOP1", "c-9"}, []string{asked[0].Card.Holder,
			asked[0].Card.Currency, asked[0].Repository, asked[0].Merchant, asked[0].CorrelationID})

		row := w.row(r, d.Token)
		require.Len(t, row.Sealed, 2, "number and holder, no code")
		require.True(t, w.reveal(r, d.Token).Code.IsZero())
		got, err := r.Get(t.Context(), me, d.Token)
		require.NoError(t, err)
		require.Equal(t, tokenize.ExternalSuccessful, got.Verified)
		events := w.sink.take()
		require.Equal(t, "EXTERNAL_VERIFICATION_SUCCESSFUL", events[len(events)-2].Verification)

		// Without a number there is nothing to verify; a new expiry is not verified.
		d = w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "OTHER"}})
		require.Equal(t, tokenize.ExternalSuccessful, d.Verified)
		d = w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Expiry: card.Expiry{Month: 1, Year: 2031}}})
		require.Equal(t, tokenize.NotVerified, d.Verified)
		require.Empty(t, a.take())
		d, err = r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: full(t, visa, "123").Card})
		require.NoError(t, err)
		require.Equal(t, tokenize.ExternalSuccessful, d.Verified)
		require.Len(t, a.take(), 1)

		// The request's own strategy stands in for the repository's, both ways.
		q = req(t, visa)
		q.Verification = tokenize.None
		w.save(r, q)
		require.Empty(t, a.take())
		q.Verification = tokenize.Acquirer
		require.Equal(t, tokenize.ExternalSuccessful, w.save(w.repo(tokenize.UUID, tokenize.UniqueToken), q).Verified)
		require.Len(t, a.take(), 1)
	})
}

// unheard are answers that are none.
var unheard = map[string]verdict{
	"an error": func(_ context.Context, q tokenize.VerifyRequest) (tokenize.Verified, error) {
		return tokenize.ExternalSuccessful, errors.New(string(q.Card.Number.AppendDigits(nil)))
	},
	"a panic": func(_ context.Context, q tokenize.VerifyRequest) (tokenize.Verified, error) {
		panic(string(q.Card.Number.AppendDigits(nil)))
	},
	"zero":            answering(0),
	"not external":    answering(tokenize.BasicSuccessful),
	"out of range":    answering(99),
	"processed badly": answering(tokenize.ExternalProcessingError),
}

func answering(v tokenize.Verified) verdict {
	return func(context.Context, tokenize.VerifyRequest) (tokenize.Verified, error) { return v, nil }
}

// Whatever is not a success stores nothing, neither a new card nor a change, and
// says why, in the error and in the record.
func TestRefusedByTheAcquirer(t *testing.T) {
	type result struct {
		answer verdict
		want   tokenize.Verified
		name   string
		cause  tokenize.Cause
		field  string
	}
	const prefix = "EXTERNAL_VERIFICATION_"
	results := []result{
		{nil, tokenize.ExternalBlocked, "BLOCKED", tokenize.RequestRejected, "verification"},
		{nil, tokenize.ExternalDeclined, "DECLINED", tokenize.RequestRejected, "verification"},
		{nil, tokenize.ExternalDeclinedAuthenticationRequired, "DECLINED_AUTHENTICATION_REQUIRED", tokenize.RequestRejected, "verification"},
		{nil, tokenize.ExternalDeclinedExpiredCard, "DECLINED_EXPIRED_CARD", tokenize.RequestRejected, card.FieldExpiry},
		{nil, tokenize.ExternalDeclinedInvalidCSC, "DECLINED_INVALID_CSC", tokenize.RequestRejected, card.FieldCode},
	}
	for i := range results {
		results[i].answer = answering(results[i].want)
	}
	for _, a := range unheard {
		results = append(results, result{a, tokenize.ExternalProcessingError, "PROCESSING_ERROR", tokenize.ServerBusy, ""})
	}
	verifying(t, func(t *testing.T, w *world, a *acquirer) {
		for _, m := range managements {
			r := w.repo(tokenize.UUID, m, verifyAcquirer)
			old := w.save(r, req(t, master))
			before := w.dump(r)
			for _, want := range results {
				w.sink.take()
				a.take()
				a.says(want.answer)
				q, change := keyed(full(t, canary, "907"), "k"), full(t, canary, "907")
				change.Token = old.Token
				_, one := r.Save(t.Context(), q)
				_, changed := r.Save(t.Context(), change)
				res := w.batch(r, q, q, full(t, amex, canaryCode)) // the same sent twice is asked once
				require.Len(t, a.take(), 4)
				for _, err := range []error{one, changed, res[0].Err, res[1].Err, res[2].Err} {
					e := fails(t, err, want.cause, want.field, tokenize.ErrVerification)
					require.Equal(t, want.want, e.Verified)
					require.Equal(t, "c-9", e.CorrelationID)
					require.Equal(t, prefix+want.name, e.SupportCode)
					noDigits(t, fmt.Sprintf("%+v %#v %v", err, err, unwrap(err)))
					require.NotContains(t, fmt.Sprint(e.Error(), unwrap(err)), canaryCode)
				}
				require.Equal(t, before, w.dump(r), want.name)
				events := w.sink.take()
				require.Len(t, events, 5)
				for _, e := range events {
					require.Equal(t, prefix+want.name, e.Verification)
					require.Equal(t, want.cause == tokenize.ServerBusy, e.Outcome == audit.Failed)
					require.Equal(t, want.field, e.Field)
				}
				noDigits(t, told(t, events))
				require.Empty(t, needles.In(told(t, events), codeNeedles(canaryCode)))
			}
			// What was declined is not remembered.
			a.says(nil)
			require.Equal(t, tokenize.Created, w.save(r, keyed(full(t, canary, "907"), "k")).Outcome)
		}
	})
}

// The stored numbers of results, and their names.
func TestVerifiedNumbers(t *testing.T) {
	for i, name := range strings.Fields(`INVALID NO_VERIFICATION_PERFORMED BASIC_VERIFICATION_SUCCESSFUL
		EXTERNAL_VERIFICATION_SUCCESSFUL EXTERNAL_VERIFICATION_BLOCKED EXTERNAL_VERIFICATION_DECLINED
		EXTERNAL_VERIFICATION_DECLINED_AUTHENTICATION_REQUIRED EXTERNAL_VERIFICATION_DECLINED_EXPIRED_CARD
		EXTERNAL_VERIFICATION_DECLINED_INVALID_CSC EXTERNAL_VERIFICATION_PROCESSING_ERROR INVALID`) {
		require.Equal(t, name, tokenize.Verified(i).String())
	}
}

// What is not well formed is never sent to the acquirer, nor what lacks a verifier.
func TestVerifierIsNotAsked(t *testing.T) {
	verifying(t, func(t *testing.T, w *world, a *acquirer) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard, verifyAcquirer)
		for field, change := range map[string]func(q *tokenize.SaveRequest){
			card.FieldNumber:   func(q *tokenize.SaveRequest) { q.Card.Number = number(t, "4111111111111112") },
			card.FieldCurrency: func(q *tokenize.SaveRequest) { q.Card.Currency = "eur" },
			card.FieldCode:     func(q *tokenize.SaveRequest) { q.Card.Code = full(t, amex, "1234").Card.Code },
			card.FieldHolder:   func(q *tokenize.SaveRequest) { q.Card.Holder = strings.Repeat("H", 31) },
			card.FieldExpiry:   func(q *tokenize.SaveRequest) { q.Card.Expiry.Month = 13 },
			"token":            func(q *tokenize.SaveRequest) { q.Token = "not a token" },
			"correlationID":    func(q *tokenize.SaveRequest) { q.CorrelationID = strings.Repeat("c", 256) },
		} {
			q := full(t, visa, "123")
			q.Token = "Token1"
			change(&q)
			_, err := r.Save(t.Context(), q)
			fails(t, err, tokenize.InvalidRequest, field, nil)
		}
		q := tokenize.SaveRequest{Caller: me, Token: "Token1", Verification: tokenize.Acquirer, Card: card.Details{Holder: "H"}}
		_, err := r.Save(t.Context(), q)
		require.Equal(t, tokenize.Missing, fails(t, err, tokenize.InvalidRequest, card.FieldNumber, nil).Kind)
		require.Empty(t, a.take())
		require.Empty(t, w.dump(r))

		// Code and currency are for the acquirer alone.
		for _, v := range []tokenize.Verification{tokenize.None, tokenize.Basic} {
			q := full(t, visa, "123")
			q.Token, q.Verification = "Token1", v
			_, err := r.Save(t.Context(), q)
			require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, card.FieldCode, nil).Kind)
			q.Card.Code = card.CVC{}
			_, err = r.Save(t.Context(), q)
			require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, card.FieldCurrency, nil).Kind)
		}

		// Without a verifier: not to be configured, the stored one can still be read.
		w.save(r, with(t, "Token1", visa))
		bare, err := tokenize.Open(t.Context(), w.cards, w.keys, nil)
		require.NoError(t, err)
		_, err = bare.EnsureRepository(t.Context(), r.Config())
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "verification", nil).Kind)
		other, err := bare.Repository(t.Context(), r.Config().ID)
		require.NoError(t, err)
		_, err = other.Save(t.Context(), with(t, "Token2", master))
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "verification", nil).Kind)
		_, err = other.Get(t.Context(), me, "Token1")
		require.NoError(t, err)
	})
}
