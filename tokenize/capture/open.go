package capture

import (
	"context"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/tokenize/card"
)

const (
	// MaxAge is how long after its capture a message is taken.
	MaxAge = 15 * time.Minute
	// Skew is how far clocks may be apart: a message from further in the future is
	// refused.
	Skew = 2 * time.Minute
	// ReplayLife is how long a message must be remembered: as long as any clock that
	// is right within Skew may take it.
	ReplayLife = MaxAge + 2*Skew
)

// Opened is a card as its holder's browser or app sent it. Fields that were not
// sent are zero. Its card prints masked.
type Opened struct {
	// Card has number, expiry, security code and holder. The number's form was
	// checked, its range and Luhn digit were not: see card.PAN.Check.
	Card     card.Details
	Start    card.Expiry // the month from which the card is valid
	Sequence string      // 1 to 3 digits that tell cards with one number apart
	Captured time.Time
	KeyID    KeyID // the key it was encrypted to
	Replay   Replay
}

// Fresh is nil, or [ErrStale] or [ErrFuture] where the card was captured too long
// before now or too far ahead.
func (o *Opened) Fresh(now time.Time) error {
	switch age := now.Sub(o.Captured); {
	case age > MaxAge:
		return ErrStale
	case age < -Skew:
		return ErrFuture
	}
	return nil
}

// Open opens a message that names a key of the alias: a JWE in compact form, or
// an HPKE message in base64url. The caller must insert what Replay says together
// with what it does with the card, within [Skew], or the message could be sent again.
// The errors are [ErrOpen] and its kinds [ErrStale] and [ErrFuture], or those of
// store, KMS and context.
func (r *Keyring) Open(ctx context.Context, alias string, text []byte) (Opened, error) {
	o, err := r.OpenLate(ctx, alias, text)
	if err != nil {
		return Opened{}, err
	}
	if err := o.Fresh(time.Now()); err != nil {
		return Opened{}, err
	}
	return o, nil
}

// OpenLate is Open whenever the card was captured, which [Opened.Fresh] tells, as long
// as the key lives. It is for knowing a message again that was carried out, and for
// looking into one afterwards; a card is not taken in from one that is not fresh.
func (r *Keyring) OpenLate(ctx context.Context, alias string, text []byte) (Opened, error) {
	if !validAlias(alias) {
		return Opened{}, ErrOpen
	}
	m, err := cryptocapture.Parse(text)
	if err != nil {
		return Opened{}, ErrOpen
	}
	row, k, err := r.get(ctx, alias, m.KeyID())
	if err == ErrNoKey {
		return Opened{}, ErrOpen
	}
	if err != nil {
		return Opened{}, err
	}
	now := time.Now()
	if !now.Before(row.Retires) {
		return Opened{}, ErrOpen
	}
	plain, err := k.private.Open(m, r.binding(alias))
	if err != nil {
		return Opened{}, ErrOpen
	}
	defer clear(plain)
	o := Opened{KeyID: row.ID}
	if !o.read(plain) {
		return Opened{}, ErrOpen
	}
	o.Replay = Replay{Scope: r.scope, Digest: m.Digest(&k.digest), Until: now.Add(ReplayLife)}
	return o, nil
}

// OpenOnce is Open for callers who remember messages in a place of their own: it
// inserts what must be remembered before it returns the card, so that a message
// is spent even if nothing comes of it. A message sent before is [ErrReplayed].
func (r *Keyring) OpenOnce(ctx context.Context, s ReplayStore, alias string, text []byte) (Opened, error) {
	o, err := r.Open(ctx, alias, text)
	if err != nil {
		return Opened{}, err
	}
	if err := s.Insert(ctx, o.Replay); err != nil {
		return Opened{}, err
	}
	return o, nil
}
