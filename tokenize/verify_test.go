package tokenize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
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
		d := w.save(r, full(t, visa, "123"))
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
		q := req(t, visa)
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
				for i, e := range events {
					events[i].Time, events[i].Unknown = time.Time{}, "" // what may look like a code by chance
					require.Equal(t, prefix+want.name, e.Verification)
					require.Equal(t, want.cause == tokenize.ServerBusy, e.Outcome == audit.Failed)
					require.Equal(t, want.field, e.Field)
				}
				noCanary(t, "events", func() string { return fmt.Sprintf("%+v", events) })
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

// A verifier that does not answer is waited for so long and no longer, whether it
// heeds its context or not; one that hangs for good cannot pile up.
func TestHangingVerifier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		hang := func(context.Context, tokenize.VerifyRequest) (tokenize.Verified, error) {
			<-release
			return tokenize.ExternalSuccessful, nil
		}
		a := &acquirer{answer: func(ctx context.Context, _ tokenize.VerifyRequest) (tokenize.Verified, error) {
			<-ctx.Done()
			return tokenize.ExternalSuccessful, ctx.Err()
		}}
		w := newWorld(t, memory.New(), &tokenize.Options{Verifier: a, ServiceTimeout: 5 * time.Second, ServiceCalls: 2})
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
		busy := func(want time.Duration, qs ...tokenize.SaveRequest) {
			t.Helper()
			start := time.Now()
			for _, res := range w.batch(r, qs...) {
				require.Equal(t, tokenize.ExternalProcessingError, fails(t, res.Err, tokenize.ServerBusy, "", tokenize.ErrVerification).Verified)
			}
			require.Equal(t, want, time.Since(start))
		}
		busy(5*time.Second, req(t, visa))
		busy(10*time.Second, req(t, visa), req(t, master), req(t, amex))

		// The caller's own deadline ends the call, and nothing is said of the card.
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.Save(short, req(t, visa))
		require.Equal(t, "CANCELLED", fails(t, err, tokenize.ServerBusy, "", context.DeadlineExceeded).SupportCode)

		a.says(hang)
		a.take()
		busy(5*time.Second, req(t, visa), req(t, master))
		busy(5*time.Second, req(t, visa), req(t, master)) // there is no room
		require.Len(t, a.take(), 2)
		require.Empty(t, w.dump(r))
		close(release)
		require.Equal(t, tokenize.ExternalSuccessful, w.save(r, req(t, visa)).Verified)
	})
}

// A batch asks about several cards at once, never more than it may, and over all
// callers.
func TestVerifierBound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
		}
		a := &acquirer{answer: func(context.Context, tokenize.VerifyRequest) (tokenize.Verified, error) {
			count(1)
			defer count(-1)
			time.Sleep(time.Second)
			return tokenize.ExternalSuccessful, nil
		}}
		for _, c := range []struct {
			calls, want int
			took        time.Duration
		}{{0, 32, 7 * time.Second}, {7, 7, 29 * time.Second}} {
			w := newWorld(t, memory.New(), &tokenize.Options{Verifier: a, ServiceCalls: c.calls})
			r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyAcquirer)
			start := time.Now()
			most = 0
			var wg sync.WaitGroup
			for half := range 2 {
				wg.Go(func() {
					qs := make([]tokenize.SaveRequest, 100)
					for i := range qs {
						qs[i] = tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, 100*half+i)}}
					}
					for _, res := range w.batch(r, qs...) {
						require.Nil(t, res.Err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, c.want, most)
			require.Equal(t, c.took, time.Since(start))
			require.Len(t, w.dump(r), 200)
		}
	})
}

func TestServiceOptions(t *testing.T) {
	w := inMemory(t)
	_, err := tokenize.Open(t.Context(), w.cards, w.keys, &tokenize.Options{ServiceTimeout: -1})
	fails(t, err, tokenize.InvalidRequest, "serviceTimeout", nil)
	_, err = tokenize.Open(t.Context(), w.cards, w.keys, &tokenize.Options{ServiceCalls: -1})
	fails(t, err, tokenize.InvalidRequest, "serviceCalls", nil)
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
