package transfer

import (
	"errors"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Error is a part of the embedder's that failed. What it said is not in the text, as
// it may quote a value; Unwrap gives it.
type Error struct {
	Part string // "source", "opener", "results" or "sink"
	err  error
}

// Error names the part.
func (e *Error) Error() string { return "transfer: " + e.Part + " failed" }

// Unwrap is what the part said.
func (e *Error) Unwrap() error { return e.err }

// What an [Error] may wrap besides.
var (
	// ErrSourceChanged: the source does not yield what it did before.
	ErrSourceChanged = errors.New("transfer: source does not yield the same records as before")
	// ErrPosition: a position is empty, longer than MaxPosition, the same as the one
	// before, or holds a card number.
	ErrPosition = errors.New("transfer: not a position")
	// ErrNoOpener: a record is sealed, and there is nothing to open it.
	ErrNoOpener = errors.New("transfer: sealed record, but no opener")
)

// failed is a part's error. One of a repository says enough itself.
func failed(part string, err error) error {
	if e, ok := errors.AsType[*tokenize.Error](err); ok {
		return e
	}
	return &Error{part, err}
}

func invalid(field string, kind tokenize.FieldKind, explanation string) *tokenize.Error {
	return &tokenize.Error{Cause: tokenize.InvalidRequest, Field: field, Kind: kind, Explanation: explanation}
}

// refusal is why one record is refused. Words are taken from the errors of this
// module alone.
func refusal(err error, field, otherwise string) *tokenize.Error {
	if e, ok := errors.AsType[*tokenize.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*card.Error](err); ok {
		return invalid(e.Field, tokenize.FieldKind(e.Kind), e.Reason)
	}
	return invalid(field, tokenize.Invalid, otherwise)
}

// Outage tells a failure that every card would share, such as a KMS that is away,
// from one of the card or token itself: work stops for it instead of refusing all.
func Outage(e *tokenize.Error) bool {
	if e.Cause == tokenize.InvalidRequest || e.Cause == tokenize.RequestRejected {
		return false
	}
	if _, ok := errors.AsType[*keys.CallError](e); ok {
		return true // once the KMS serves again, the work goes on
	}
	for _, one := range []error{envelope.ErrUnknownKey, keys.ErrDisabled, keys.ErrNotFound} {
		if errors.Is(e, one) {
			return false
		}
	}
	return e.SupportCode != "RECORD_DAMAGED" && e.SupportCode != "STORE_DAMAGED"
}
