package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/store"
)

// SaveRequest asks for a card to be stored, or for a token's details to be
// changed.
type SaveRequest struct {
	Caller Caller
	// IdempotencyKey makes the call happen once however often it is sent: for 30
	// days, or until the token is deleted, the first answer comes again. A security
	// code is kept by the first call alone: see Card. Up to 255 bytes; empty for none.
	IdempotencyKey string
	// Token names an existing token to update. In a MerchantProvided repository
	// it is the token to create or update, and required.
	Token string
	// CreateOnly refuses a Token that exists. ExpectVersion, where not 0, refuses
	// one that has another version.
	CreateOnly    bool
	ExpectVersion uint64
	// Card is what to store. Number may be missing for an existing token. Security
	// code and currency are handed to the [Verifier] where it is asked. Beyond that the
	// currency serves nothing and is refused; the code is refused too unless package
	// code serves the repository, and then kept there for the caller once the card is
	// saved, for which [MaySaveCode] is needed. Should that fail the error is
	// [ErrCodeNotKept], and the card is saved: the code is put through package code then.
	// The same call again keeps none, as late as it may come: it is [ErrCodeNotKept]
	// unless the caller has a code for the card, this one or another.
	Card card.Details
	// Encrypted is the card as its holder sent it, in place of Card's number and
	// security code; expiry and holder may be in either. Its code goes where Card's would,
	// but is kept for a caller who has [MaySaveCode] alone; else it is dropped. Start month and sequence number are read
	// and not kept. A save that is carried out spends the message, in the same transaction: it
	// is refused afterwards ([capture.ErrReplayed]), as is one of more than 15 minutes ago
	// ([capture.ErrStale]) or from the future ([capture.ErrFuture]). A save that is refused
	// spends none. With an idempotency key the first answer comes again for the same card,
	// in the same message or another, and as long as the message's key lives also when
	// it is stale; not so for Analytics alone, where a message is good for one answer.
	// Whatever else a message may be refused for is one error, which wraps
	// [capture.ErrOpen].
	Encrypted *EncryptedCard
	// Types says which tokens to make. An analytics token is one-way, the same for the
	// same card as long as the repository lives, and unrelated to those of other
	// repositories; it is kept with a token and follows its number. Analytics alone
	// stores nothing: the card is verified, the result has the analytics token and
	// no other, and an idempotency key is not remembered, since nothing could differ.
	Types TokenType
	// TokenExpiry is the last day on which the token resolves, in UTC; it may lie in
	// the past. A token that the save finds is given it as well.
	TokenExpiry Date
	// Suspended and Invalid bring the state along that a card was in elsewhere: the
	// token comes into being, or is found, suspended ([MaySuspend] is needed) or with
	// a card that is no longer good ([MayUpdate]). At no moment it gives the card.
	Suspended, Invalid bool
	// Clear takes details away from a token that the save finds; [MayUpdate] is
	// needed for it.
	Clear Clear
	// Brand is the card's brand as the caller knows it, in a name that
	// [card.ResolveBrand] reads, such as VISA, CB or UPI; empty to leave it to the
	// number. One that the number's own range contradicts is refused.
	Brand string
	// Verification stands in for the repository's own where it is not 0. A request
	// without a number is not verified.
	Verification Verification
	// External asks for another service's token, which is Unsupported.
	External      ExternalType
	CorrelationID string // up to 255 bytes of printable ASCII, echoed

	update bool // made by Update: the token must exist
}

// SaveResult is what became of one request: Details, or Err; both where Err is
// [ErrCodeNotKept].
type SaveResult struct {
	Details Details
	Err     *Error
}

// maxCorrelation is the longest correlation ID in bytes.
const maxCorrelation = 255

// prepared is a request that was found well formed, and what follows from it
// alone.
type prepared struct {
	hasNumber bool
	bins      card.BINDetails
	index     store.IndexValue   // cards are found by
	more      []store.IndexValue // stored as well, while the index key is being replaced
	verified  Verified
	hasOnce   bool
	once      store.Once
	asked     bool // the store was asked whether once is known
	acquirer  bool // the Verifier has to be asked
	message   *store.Spend
	late      *Error // the message is not fresh
	named     named
	keep      bool // the security code is kept once the card is saved
	renumbers bool // the token is given another card number
}

// needs is the permission that a request takes.
func (r *Repository) needs(q *SaveRequest) Permission {
	p := MaySave
	if q.update || q.Clear != 0 || q.Token != "" && r.c.Generation != MerchantProvided {
		p = rules[opUpdate].needs
	}
	if q.Suspended {
		p |= rules[opSuspend].needs
	}
	if q.Invalid {
		p |= rules[opValid].needs
	}
	if r.keeps(q) {
		p |= rules[opPutCode].needs
	}
	return p
}

// prepare checks a request as far as it can be without the store.
func (r *Repository) prepare(ctx context.Context, l *lookup, q *SaveRequest, p *prepared, now time.Time) error {
	if !isPrintable(q.CorrelationID, maxCorrelation) {
		return invalid("correlationID", Invalid, "must be at most 255 bytes of printable ASCII and name no card number")
	}
	if len(q.IdempotencyKey) > 255 {
		return invalid("idempotencyKey", Invalid, "must be at most 255 bytes")
	}
	if q.External > InternalToken {
		return invalid("externalType", Unsupported, "is not made here")
	}
	p.hasNumber, p.keep = !q.Card.Number.IsZero(), r.keeps(q)
	if err := r.checkAcquirer(q, p); err != nil {
		return err
	}
	if err := q.Card.Validate(); err != nil {
		return err
	}
	if err := q.checkChanges(); err != nil {
		return err
	}
	if err := q.checkTypes(); err != nil {
		return err
	}
	var err error
	if p.named, err = nameBrand(q.Brand); err != nil {
		return err
	}
	if q.update && q.Token == "" {
		return invalid("token", Missing, "is needed")
	}
	if !p.hasNumber && (q.Token == "" || q.CreateOnly) {
		return invalid(card.FieldNumber, Missing, "is needed for a new token")
	}
	if p.hasNumber {
		if err := r.prepareNumber(ctx, l, q, p); err != nil {
			return err
		}
	}
	if q.Types == Analytics {
		return nil
	}
	if err := r.checkToken(q); err != nil {
		return err
	}
	if q.IdempotencyKey != "" {
		p.hasOnce = true
		p.once = onceUnder(l.digestKey, q, now)
	}
	return nil
}

// prepareNumber verifies a card number and computes its index value.
func (r *Repository) prepareNumber(ctx context.Context, l *lookup, q *SaveRequest, p *prepared) error {
	pan := q.Card.Number
	p.bins = r.bins(pan)
	if q.Brand != "" {
		if err := p.named.onto(&p.bins); err != nil {
			return err
		}
	}
	if p.keep {
		if err := q.Card.Code.CheckFor(p.bins.Brand); err != nil {
			return err
		}
	}
	switch r.verification(q) {
	case None:
		p.verified = NotVerified
	case Basic, Acquirer:
		if err := pan.Check(r.v.o.BINTable); err != nil {
			return err
		}
		p.verified = BasicSuccessful
	default:
		return invalid("verification", Unsupported, "is not a known strategy")
	}
	if err := r.checkNumber(pan); err != nil && q.Types != Analytics {
		return err
	}
	if limit := r.v.o.SaveLimit; limit != nil {
		if err := limit(ctx, q.Caller, pan.BIN(), pan.LastFour()); err != nil {
			return &Error{Cause: ServerBusy, SupportCode: "SAVE_LIMIT", Explanation: "too many saves", err: err}
		}
	}
	l.index(pan, p)
	return nil
}

// checkNumber refuses a number that the strategy has no token for.
func (r *Repository) checkNumber(pan card.PAN) error {
	if r.c.Generation != Preserve64 && r.c.Generation != FF1 {
		return nil
	}
	var buf [card.MaxLen]byte
	defer clear(buf[:])
	digits := pan.AppendDigits(buf[:0])
	if r.c.Generation == FF1 {
		return generate.CheckVaultless(digits)
	}
	_, err := generate.Space64Of(digits)
	return err
}

// checkToken refuses a token that cannot be one. It must not be echoed: callers
// pass card numbers where tokens belong.
func (r *Repository) checkToken(q *SaveRequest) error {
	if r.c.Generation != MerchantProvided {
		if q.Token == "" {
			if q.ExpectVersion != 0 || q.CreateOnly {
				return invalid("token", Missing, "is needed to name a version or to create only")
			}
			return nil
		}
		if q.CreateOnly {
			return invalid("createOnly", Unsupported, "serves tokens that the caller provides")
		}
		if !generate.Valid(r.c.Generation, q.Token) {
			return r.unknownToken()
		}
		return nil
	}
	if q.Token == "" {
		return invalid("token", Missing, "has to be provided in this repository")
	}
	var digits [card.MaxLen]byte
	pan := q.Card.Number.AppendDigits(digits[:0])
	defer clear(digits[:])
	return generate.CheckMerchantToken(q.Token, pan, r.looksLikePAN)
}

// looksLikePAN asks the embedder's BIN table as well as the built-in one.
func (r *Repository) looksLikePAN(digits []byte) bool {
	if card.LooksLikePAN(digits) {
		return true
	}
	pan, err := card.ParsePAN(digits)
	return err == nil && r.v.o.BINTable != nil && pan.Check(r.v.o.BINTable) == nil
}

func (r *Repository) unknownToken() *Error {
	return &Error{Cause: InvalidRequest, Field: "token", Kind: Invalid,
		Explanation: "does not exist in this repository", err: ErrTokenNotFound}
}

// fault turns an error into a result's. A correlation ID that is not one is not
// echoed.
func fault(err error, correlation string) *Error {
	e := *wrap(err)
	if isPrintable(correlation, maxCorrelation) {
		e.CorrelationID = correlation
	}
	return &e
}
