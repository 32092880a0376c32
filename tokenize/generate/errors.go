package generate

import "errors"

// The kinds of failure, tested with errors.Is. Where a field of the request is at
// fault they come inside an [*Error].
var (
	// ErrTooShort: Preserve64 is refused below 14 digits; the middle would have
	// too few values.
	ErrTooShort = errors.New("has fewer than 14 digits")
	// ErrFailsLuhn: Preserve64 and FF1 are refused for numbers that fail Luhn, which some
	// brands issue; a Luhn-failing token could be another such card.
	ErrFailsLuhn = errors.New("does not pass the Luhn check")
	// ErrSmallDomain: FF1 is refused below 15 digits; the middle would have fewer
	// values than SP 800-38G rev. 1 demands.
	ErrSmallDomain = errors.New("has fewer than 15 digits, too few to encrypt a part of them")
	// ErrNoNumber: an FF1 token that no card number has.
	ErrNoNumber = errors.New("has no card number behind it")
	// ErrMalformed: not of the shape that the strategy demands.
	ErrMalformed = errors.New("is malformed")
	// ErrLooksLikeCard: the proposed token is, or contains, a card number.
	ErrLooksLikeCard = errors.New("would put a card number where a token belongs")
	// ErrExhausted: every token of the space is taken.
	ErrExhausted = errors.New("generate: every token of the space is taken")
	// ErrDisorder: the tokens in use were not handed over in ascending order, or
	// not in the form of their space. The fault is the store's, not the caller's.
	ErrDisorder = errors.New("generate: tokens in use are out of order or malformed")
	// ErrStrategy: no such generation strategy.
	ErrStrategy = errors.New("generate: unknown generation strategy")
)

// Names that an [Error] gives to the field at fault.
const (
	FieldNumber = "number" // the card number
	FieldToken  = "token"  // the token that the caller proposed
)

var (
	errVaultlessKey   = errors.New("generate: key must be 32 bytes")
	errVaultlessPlace = errors.New("generate: environment and scope must be at most 65535 bytes")
)

// Error says which field was refused and why. It never carries the value.
type Error struct {
	Field string // FieldNumber or FieldToken
	Err   error  // one of the kinds above
}

func (e *Error) Error() string { return "generate: " + e.Field + " " + e.Err.Error() }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Err }
