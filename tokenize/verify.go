package tokenize

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/tokenize/card"
)

// Verifier asks an acquirer about a card. The embedding service supplies it.
//
// Verify answers with one of the External results, [ExternalSuccessful] to have the
// card stored. Any other answer, an error, a panic and an answer after the deadline
// are taken as [ExternalProcessingError]. Errors are not passed on: their text may
// hold the card.
//
// It is called from many goroutines, at most [Options.ServiceCalls] at once, and
// outside any transaction. It must return once its context is done, must not keep
// the request, and stores no security code (PCI DSS 3.3.1).
type Verifier interface {
	Verify(ctx context.Context, q VerifyRequest) (Verified, error)
}

// VerifyRequest is what a [Verifier] is told. It prints as the masked card.
type VerifyRequest struct {
	// Card is the card as the save gave it: number, and where there are such
	// expiry, security code, holder and currency. It passed [Basic] verification.
	Card          card.Details
	Repository    string
	Merchant      string // the caller's, empty where he has none
	CorrelationID string
}

// verification is the strategy that a request is held to.
func (r *Repository) verification(q *SaveRequest) Verification {
	if q.Verification != 0 {
		return q.Verification
	}
	return r.c.Verification
}

// checkAcquirer decides whether the Verifier has to be asked about a request, and
// refuses what is for the Verifier alone where not.
func (r *Repository) checkAcquirer(q *SaveRequest, p *prepared) error {
	if r.verification(q) == Acquirer && p.hasNumber {
		if r.v.o.Verifier == nil {
			return errNoVerifier()
		}
		p.acquirer = true
		return nil
	}
	switch {
	case q.Verification == Acquirer:
		return invalid(card.FieldNumber, Missing, "is needed for acquirer verification")
	case !q.Card.Code.IsZero() && !p.keep:
		return invalid(card.FieldCode, Unsupported, "is kept by no service of security codes here and serves acquirer verification alone")
	case q.Card.Currency != "":
		return invalid(card.FieldCurrency, Unsupported, "serves acquirer verification alone")
	}
	return nil
}

func errNoVerifier() *Error {
	return invalid("verification", Unsupported, "needs a verifier, which this service has not")
}

// verify asks the Verifier about every request that wants it: once each, however
// often the batch is planned. A request that was found carried out before under its
// idempotency key is not asked about, nor one that comes twice in the batch.
func (b *batch) verify(ctx context.Context) error {
	var todo []int
	var same [][2]int // a repetition, and the request it repeats
	first := map[[32]byte]int{}
	for i := range b.reqs {
		p := &b.prep[i]
		if !p.acquirer || b.res[i].Err != nil {
			continue
		}
		if p.verified = 0; b.replayed[i] != "" {
			continue
		}
		if p.hasOnce {
			j, ok := first[p.once.Key]
			if ok && b.prep[j].once.Input == p.once.Input {
				same = append(same, [2]int{i, j})
				continue
			}
			first[p.once.Key] = i
		}
		todo = append(todo, i)
	}
	errs := make([]error, len(todo))
	var next atomic.Int64
	work := func() {
		for k := int(next.Add(1)) - 1; k < len(todo) && ctx.Err() == nil; k = int(next.Add(1)) - 1 {
			errs[k] = b.verifyOne(ctx, todo[k])
		}
	}
	var wg sync.WaitGroup
	for range min(len(todo), cap(b.r.v.services.room)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for _, s := range same {
		i, j := s[0], s[1]
		b.prep[i].verified = b.prep[j].verified
		if e := b.res[j].Err; e != nil {
			b.res[i].Err = fault(e, b.reqs[i].CorrelationID)
		}
	}
	for i := range b.own {
		if !b.prep[i].keep {
			b.own[i].Card.Code = card.CVC{}
		}
	}
	if !b.prep[0].keep {
		b.one[0].Card.Code = card.CVC{} // other requests are the caller's own
	}
	return nil
}

// findSent finds out which of the requests that are to be verified, or whose messages
// are not fresh, were carried out before, under the digest key in use or the one
// before it, and which of the messages are spent.
func (b *batch) findSent(ctx context.Context) error {
	for range maxRounds {
		_, err := b.recall(ctx)
		for i := 0; i < len(b.reqs) && err == nil; i++ {
			if p := &b.prep[i]; (p.acquirer || p.late != nil) && b.res[i].Err == nil && b.replayed[i] == "" {
				_, err = b.sentBefore(ctx, i)
			}
		}
		if !errors.Is(err, errOutdated) {
			return err
		}
		if err := b.catchUp(ctx); err != nil {
			return err
		}
	}
	return conflict()
}

// verifyOne asks about one request. An error is the caller's giving up.
func (b *batch) verifyOne(ctx context.Context, i int) error {
	q, p := &b.reqs[i], &b.prep[i]
	p.asked = false // it may be sent by another while the Verifier thinks
	v := b.r.v
	request := VerifyRequest{
		Card: q.Card, Repository: b.r.c.ID, Merchant: q.Caller.Merchant, CorrelationID: q.CorrelationID,
	}
	var err error
	p.verified, err = askService(ctx, v.services, func(ctx context.Context) (Verified, error) {
		return v.o.Verifier.Verify(ctx, request)
	})
	if err := ctx.Err(); err != nil {
		return err // that the caller gave up is not the acquirer's word
	}
	if err != nil || p.verified < ExternalSuccessful || p.verified > ExternalProcessingError {
		p.verified = ExternalProcessingError
	}
	if p.verified != ExternalSuccessful {
		b.res[i].Err = fault(declined(p.verified), q.CorrelationID)
	}
	return nil
}

// declined is the error of a card that did not pass. That the acquirer's word was
// not to be had is worth another try; every other result is the acquirer's word.
func declined(v Verified) *Error {
	e := &Error{Cause: RequestRejected, Field: "verification", Kind: Invalid, SupportCode: v.String(),
		Explanation: trim(ErrVerification), Verified: v, err: ErrVerification}
	switch v {
	case ExternalDeclinedExpiredCard:
		e.Field = card.FieldExpiry
	case ExternalDeclinedInvalidCSC:
		e.Field = card.FieldCode
	case ExternalProcessingError:
		e.Cause, e.Field, e.Kind = ServerBusy, "", 0
	}
	return e
}

// external is the result of acquirer verification, empty where it was not asked.
func (p *prepared) external() string {
	if p.verified < ExternalSuccessful {
		return ""
	}
	return p.verified.String()
}
