package tokenize

import (
	"context"
	"encoding/base32"
	"time"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/tokenize/card"
)

// TokenType says which tokens a save is to make. The zero value is [Reuse].
type TokenType uint8

const (
	Reuse             TokenType = iota + 1 // leads back to the card
	Analytics                              // an analytics token alone; nothing is stored
	ReuseAndAnalytics                      // both
)

var tokenTypeNames = [...]string{Reuse: "REUSE", Analytics: "ANALYTICS", ReuseAndAnalytics: "REUSE_AND_ANALYTICS"}

// String is the type as the published interfaces spell it.
func (t TokenType) String() string { return name(tokenTypeNames[:], int(t)) }

// MarshalText writes the published spelling.
func (t TokenType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the published spelling.
func (t *TokenType) UnmarshalText(b []byte) error {
	n, err := parse(tokenTypeNames[:], string(b), "types")
	*t = TokenType(n)
	return err
}

// An analytics token is a prefix and 160 bits in lower-case base32, 36 characters.
// Both are part of the format.
const (
	analyticsPrefix = "ana-"
	analyticsBytes  = 20
)

var analyticsText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// analyticsToken is the card's analytics token: an HMAC of all digits under a key of
// its own, which no rotation of the index key touches.
func (r *Repository) analyticsToken(ctx context.Context, now time.Time, pan card.PAN) (string, error) {
	x, err := r.analyticsIndex(ctx, now)
	if err != nil {
		return "", err
	}
	return analyticsUnder(x, pan), nil
}

func analyticsUnder(x *blindindex.Index, pan card.PAN) string {
	var digits [card.MaxLen]byte
	var sum [blindindex.Size]byte
	x.Append(sum[:0], pan.AppendDigits(digits[:0]))
	clear(digits[:])
	return analyticsPrefix + analyticsText.EncodeToString(sum[:analyticsBytes])
}

// checkTypes refuses types that do not go with the rest of a request.
func (q *SaveRequest) checkTypes() error {
	switch {
	case q.Types <= Reuse:
	case q.Types > ReuseAndAnalytics:
		return invalid("types", Invalid, "is not a known token type")
	case q.Card.Number.IsZero():
		return invalid(card.FieldNumber, Missing, "is needed for an analytics token")
	case q.Types == Analytics && (q.update || q.Token != "" || q.CreateOnly || q.ExpectVersion != 0):
		return invalid("token", Unsupported, "is not stored where an analytics token alone is asked for")
	}
	return nil
}

// analyze answers the requests for an analytics token alone, once they are verified.
func (b *batch) analyze(ctx context.Context) error {
	for i := range b.reqs {
		q := &b.reqs[i]
		if q.Types != Analytics || b.res[i].Err != nil {
			continue
		}
		token, err := b.r.analyticsToken(ctx, b.now, q.Card.Number)
		if err != nil {
			return err
		}
		b.res[i].Details = Details{
			Repository: b.r.c.ID, Analytics: token, Outcome: Computed,
			Verified: b.prep[i].verified, CorrelationID: q.CorrelationID,
		}
	}
	return nil
}
