package transfer

import (
	"context"
	"errors"
	"iter"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Limits of a record, in bytes.
const (
	MaxPosition = 255
	MaxSealed   = 64 << 10
)

// Record is one card on its way into a repository. Its byte slices are left alone
// once it was yielded.
type Record struct {
	// Position is where the record stands in its source, in the source's own terms:
	// a row number, a key, a token. 1 to MaxPosition bytes, another for each record.
	// It is stored and reported in clear, so that one that holds a card number is
	// refused.
	Position []byte
	// Card is the card in clear, or what is known in clear of a sealed one.
	Card card.Details
	// Sealed is the card as the foreign vault sealed it, up to MaxSealed bytes; the
	// [Opener] opens it. Bound is what the Opener needs besides, such as the
	// additional data.
	Sealed, Bound []byte
	// Token is the card's token. A MerchantProvided repository keeps it under the
	// rules it has for all; elsewhere it is made anew ([ImportOptions].NewTokens).
	Token string
	// TokenExpiry is the last day on which the token resolves, in UTC.
	TokenExpiry tokenize.Date
	// Suspended and Invalid are the state in which the token comes into being: see
	// tokenize.SaveRequest.
	Suspended, Invalid bool
	// Err says why the source cannot give this record: it is refused.
	Err error
}

// Source is what is imported.
type Source interface {
	// Records yields the records behind a position in an order that never changes;
	// nil is the beginning. An error that is yielded ends the import; a record that
	// alone cannot be read has its Err instead. The sequence runs in a goroutine of
	// the import and ends with ctx.
	Records(ctx context.Context, after []byte) iter.Seq2[Record, error]
}

// Opener opens what a foreign vault sealed.
type Opener interface {
	// Open returns the card in r.Sealed; details it leaves zero are taken of r.Card. It is
	// called from many goroutines at once. A value that is itself at fault is
	// [ErrOpen], or a *card.Error of what it holds: the record is refused. Any other
	// error, such as that of a KMS, ends the import.
	Open(ctx context.Context, r *Record) (card.Details, error)
}

// ErrOpen is a sealed value that does not open, or does not hold what it should.
var ErrOpen = errors.New("transfer: sealed value does not open")

// Result is what became of one record.
type Result struct {
	Position []byte          // of the record
	Token    string          // its token now
	Err      *tokenize.Error // why it was refused, else nil; after a resumption without what it wrapped
}

// Report is how far a job is, earlier calls included.
type Report struct {
	Records int64 // seen
	Refused int64 // of them: not saved, or exported without their card
	Done    bool  // the source, or the repository, has come to its end
}
