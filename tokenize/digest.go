package tokenize

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/crypto/secret"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// digest is digestUnder the digest key in force.
func (l *lookup) digest(use string, parts ...[]byte) [32]byte {
	return digestUnder(l.digestKey, use, parts...)
}

// digestUnder is HMAC-SHA-256 under a digest key of the index ring over the use
// and the parts, each behind a 32-bit length.
func digestUnder(digestKey *secret.Bytes, use string, parts ...[]byte) (out [32]byte) {
	var key [32]byte
	mac := hmac.New(sha256.New, digestKey.Reveal(key[:0]))
	clear(key[:])
	var size [4]byte
	for _, part := range append([][]byte{[]byte(use)}, parts...) {
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		mac.Write(size[:])
		mac.Write(part)
	}
	mac.Sum(out[:0])
	return out
}

// onceLife is how long an idempotency key is remembered.
const onceLife = 30 * 24 * time.Hour

// onceUnder is how a request is remembered by its idempotency key.
func onceUnder(key *secret.Bytes, q *SaveRequest, now time.Time) store.Once {
	return store.Once{
		Key:   digestUnder(key, "once", []byte(q.Caller.Merchant), []byte(q.IdempotencyKey)),
		Input: inputUnder(key, q),
		Now:   now.UnixMilli(), Until: now.Add(onceLife).UnixMilli(),
	}
}

// inputUnder is the digest that tells one request from another under the same
// idempotency key. Of a security code nothing is kept, so that it has no part in it.
func inputUnder(key *secret.Bytes, q *SaveRequest) [32]byte {
	var digits [card.MaxLen]byte
	defer clear(digits[:])
	parts := [][]byte{q.Card.Number.AppendDigits(digits[:0]), []byte(q.Card.Expiry.String()),
		[]byte(q.Card.Holder), []byte(q.Token), {byte(q.Verification)}}
	// Behind what requests always had, so that the digest of those is the same, each
	// group behind a name of its own.
	if q.Card.Email != "" || !q.TokenExpiry.IsZero() || q.Clear != 0 {
		parts = append(parts, []byte("changes"), []byte(q.Card.Email), []byte(q.TokenExpiry.String()), []byte{byte(q.Clear)})
	}
	if q.Card.Currency != "" || q.Brand != "" {
		parts = append(parts, []byte("acquirer"), []byte(q.Card.Currency), []byte(q.Brand))
	}
	if q.Types > Reuse {
		parts = append(parts, []byte("types"), []byte(q.Types.String()))
	}
	if q.Suspended || q.Invalid {
		parts = append(parts, []byte("states"), fmt.Append(nil, q.Suspended), fmt.Append(nil, q.Invalid))
	}
	return digestUnder(key, "input", parts...)
}
