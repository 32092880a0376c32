package tokenize

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// EncryptedCard is a card as its holder's browser or app encrypted it to a key that
// the repository published under an alias; see package capture.
//
// A message has to be saved within half an hour of the beginning of the call that
// opened it, in which a large batch may still ask its acquirer about other cards. After
// that it is refused as stale.
type EncryptedCard struct {
	Alias   string
	Message []byte // at most 8192 bytes; not kept
}

// fieldEncrypted is how errors name an encrypted card.
const fieldEncrypted = "encryptedCard"

// CaptureKeys are the keys to which clients encrypt cards for this repository, to be
// made, published and retired. A vault without [Options.CaptureKeys] has none.
func (r *Repository) CaptureKeys() (*capture.Keyring, error) {
	if r.capture == nil {
		return nil, invalid(fieldEncrypted, Unsupported, "needs a store of capture keys, which this service has not")
	}
	return r.capture, nil
}

// ownRequests copies requests of which one is encrypted: the card that opens must not
// come to lie in the caller's memory. It is nil where none is.
func ownRequests(reqs []SaveRequest) []SaveRequest {
	for i := range reqs {
		if reqs[i].Encrypted != nil {
			return slices.Clone(reqs)
		}
	}
	return nil
}

// decrypt puts the card of a message into the request, which is the batch's own, and
// notes what the save has to spend.
func (r *Repository) decrypt(ctx context.Context, q *SaveRequest, p *prepared, now time.Time) error {
	o, err := r.openMessage(ctx, q.Encrypted.Alias, q.Encrypted.Message)
	if err != nil {
		return err
	}
	clear, sent := &q.Card, &o.Card
	if !clear.Number.IsZero() || !clear.Code.IsZero() ||
		!clear.Expiry.IsZero() && !sent.Expiry.IsZero() || clear.Holder != "" && sent.Holder != "" {
		return invalid(fieldEncrypted, Invalid, "is not taken beside a number, a code, or what it holds itself, in clear")
	}
	clear.Number = sent.Number
	if !sent.Expiry.IsZero() {
		clear.Expiry = sent.Expiry
	}
	if sent.Holder != "" {
		clear.Holder = sent.Holder
	}
	// A page sends the code whether the repository wants it or not.
	clear.Code = sent.Code
	if verified := r.verification(q) == Acquirer && !sent.Number.IsZero(); !verified && !r.keeps(q) {
		clear.Code = card.CVC{}
	}
	spend := o.Replay.Spend(now)
	p.message = &spend
	if err := o.Fresh(now); err != nil {
		p.late = untimely(err)
	}
	return nil
}

// openMessage opens a message of whatever age.
func (r *Repository) openMessage(ctx context.Context, alias string, message []byte) (capture.Opened, error) {
	ring, err := r.CaptureKeys()
	if err != nil {
		return capture.Opened{}, err
	}
	o, err := ring.OpenLate(ctx, alias, message)
	if errors.Is(err, capture.ErrOpen) {
		return capture.Opened{}, &Error{Cause: InvalidRequest, Field: fieldEncrypted, Kind: Invalid,
			Explanation: "does not open", err: capture.ErrOpen}
	}
	return o, err
}

// untimely is the refusal of a message that opened.
func untimely(err error) *Error {
	support := "STALE"
	switch err {
	case capture.ErrFuture:
		support = "FUTURE"
	case capture.ErrReplayed:
		support = "REPLAYED"
	}
	return rejected(fieldEncrypted, support, err)
}

// refuseLate refuses the requests whose messages are not fresh, but for those that
// were carried out under their idempotency keys when they were.
func (b *batch) refuseLate() {
	for i := range b.reqs {
		if p := &b.prep[i]; p.late != nil && b.res[i].Err == nil && b.replayed[i] == "" {
			b.res[i].Err = fault(p.late, b.reqs[i].CorrelationID)
		}
	}
}

// maxOpened is how long a message may lie opened. Stores remember for more than twice
// as long those that others spent in the meantime.
const maxOpened = 30 * time.Minute

// outwaited takes messages that were opened too long ago for late, and reports whether
// there are such. A computer that slept did so by the wall clock alone.
func (b *batch) outwaited() bool {
	now := time.Now()
	if b.opened.IsZero() || max(now.Sub(b.opened), now.Round(0).Sub(b.opened.Round(0))) <= maxOpened {
		return false
	}
	any := false
	for i := range b.reqs {
		if p := &b.prep[i]; p.message != nil && p.late == nil && b.res[i].Err == nil && b.replayed[i] == "" {
			p.late, any = untimely(capture.ErrStale), true
		}
	}
	return any
}

// spendAlone spends the messages of requests that store nothing. It comes last: a
// request that was refused spends none.
func (b *batch) spendAlone(ctx context.Context) {
	if b.outwaited() {
		b.refuseLate()
	}
	var messages []store.Spend
	var from []int
	for i := range b.reqs {
		if p := &b.prep[i]; p.message != nil && b.reqs[i].Types == Analytics && b.res[i].Err == nil {
			messages, from = append(messages, *p.message), append(from, i)
		}
	}
	if len(messages) == 0 {
		return
	}
	before, err := b.r.v.cards.Spend(ctx, b.r.scope, messages)
	for k, i := range from {
		switch id := b.reqs[i].CorrelationID; {
		case err != nil:
			b.res[i].Err = fault(err, id)
		case before[k]:
			b.res[i].Err = fault(untimely(capture.ErrReplayed), id)
		}
	}
}
