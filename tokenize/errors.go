package tokenize

import (
	"context"
	"errors"
	"strings"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Cause is what kind of failure an [Error] is. The zero value is invalid.
type Cause uint8

const (
	InvalidRequest  Cause = iota + 1 // the request is malformed: Field says where
	RequestRejected                  // well formed, but against a rule or not allowed
	ServerBusy                       // worth another try
	ServerFailed                     // our side: store, KMS or a defect
)

// String is the cause as the published interfaces spell it.
func (c Cause) String() string {
	switch c {
	case InvalidRequest:
		return "INVALID_REQUEST"
	case RequestRejected:
		return "REQUEST_REJECTED"
	case ServerBusy:
		return "SERVER_BUSY"
	case ServerFailed:
		return "SERVER_FAILED"
	}
	return "INVALID"
}

// FieldKind says in which way a field is at fault.
type FieldKind uint8

const (
	Invalid FieldKind = iota + 1
	Missing
	Unsupported
)

// String is the kind as the published interfaces spell it.
func (k FieldKind) String() string {
	switch k {
	case Invalid:
		return "INVALID"
	case Missing:
		return "MISSING"
	case Unsupported:
		return "UNSUPPORTED"
	}
	return "NONE"
}

// Error is what every failing call of this package returns. It names the field
// at fault and never carries a card number, a security code, a token or key
// material. Unwrap gives the error behind it, for errors.Is.
type Error struct {
	Cause         Cause
	Field         string    // where one is at fault
	Kind          FieldKind // likewise
	Explanation   string
	SupportCode   string   // for ServerFailed and RequestRejected: a fixed word per reason
	CorrelationID string   // the caller's, echoed
	Verified      Verified // where acquirer verification refused the card: its result, else 0

	err error
}

// Error is one line without a trailing full stop.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("tokenize: ")
	b.WriteString(e.Cause.String())
	if e.Field != "" {
		b.WriteString(": " + e.Field)
		if e.Kind != 0 {
			b.WriteString(" " + e.Kind.String())
		}
	}
	if e.Explanation != "" {
		b.WriteString(": " + e.Explanation)
	}
	return b.String()
}

// Unwrap is the error behind this one, or nil.
func (e *Error) Unwrap() error { return e.err }

// What an Error may wrap besides the errors of card, keys, envelope and store.
var (
	// ErrTokenNotFound: no such token in this repository.
	ErrTokenNotFound = errors.New("tokenize: no such token")
	// ErrTokenDeleted: the token was deleted and is never given out again.
	ErrTokenDeleted = errors.New("tokenize: token was deleted")
	// ErrTokenExpired: the token's last day is over.
	ErrTokenExpired = errors.New("tokenize: token has expired")
	// ErrTokenSuspended: the token gives no card until it is activated.
	ErrTokenSuspended = errors.New("tokenize: token is suspended")
	// ErrTokenInvalid: an account updater said the card is no longer good.
	ErrTokenInvalid = errors.New("tokenize: card details are no longer good")
	// ErrTokenExists: a save that was to create found the token there.
	ErrTokenExists = errors.New("tokenize: token exists")
	// ErrCardHasToken: another token of the repository holds the card.
	ErrCardHasToken = errors.New("tokenize: card has another token")
	// ErrConflict: the stored version is not the one that was named.
	ErrConflict = errors.New("tokenize: changed by another caller")
	// ErrKeyNamed: a repository finds cards or makes tokens under the data key.
	ErrKeyNamed = errors.New("tokenize: a repository needs the data key")
	// ErrReusedKey: the idempotency key came with another request before.
	ErrReusedKey = errors.New("tokenize: idempotency key was used for another request")
	// ErrPermission: the caller lacks the permission.
	ErrPermission = errors.New("tokenize: caller lacks the permission")
	// ErrMerchant: the merchant does not belong to the repository.
	ErrMerchant = errors.New("tokenize: merchant is not assigned to this repository")
	// ErrExhausted: every token of the card's space is taken.
	ErrExhausted = generate.ErrExhausted
	// ErrOutcomeUnknown: the answer to a commit was lost; the same call with the
	// same idempotency key tells.
	ErrOutcomeUnknown = store.ErrOutcomeUnknown
	// ErrAudit: what was asked for is done (or, for a reveal, refused), but the
	// audit sink failed.
	ErrAudit = errors.New("tokenize: audit sink failed")
	// ErrUnindexed: a rotation of the index key cannot be completed, since there
	// are cards whose new index value could not be made.
	ErrUnindexed = errors.New("tokenize: cards without their new index value are left")
	// ErrUnsealed: cards that cannot be opened were not brought under the active key.
	ErrUnsealed = errors.New("tokenize: cards that cannot be opened are left under their key")
	// ErrVerification: acquirer verification did not pass the card; Error.Verified
	// has its result.
	ErrVerification = errors.New("tokenize: acquirer verification did not pass the card")
	// ErrRequestor: another merchant is the scheme token's requestor.
	ErrRequestor = errors.New("tokenize: another merchant is the requestor")
	// ErrSchemeNotFound: the token has no scheme token. ErrSchemeDeleted: it had.
	ErrSchemeNotFound = errors.New("tokenize: no scheme token")
	ErrSchemeDeleted  = errors.New("tokenize: scheme token was deleted")
	// ErrSchemeRefused is what a [TokenService] returns that refuses an action.
	ErrSchemeRefused = errors.New("tokenize: token service refuses the action")
	// ErrCodeNotKept: the card is saved, but the security code that came with it is not
	// kept; what is behind it says why. Where that is [ErrOutcomeUnknown] or [ErrAudit] it
	// may be kept. The same call again keeps no code, package code does.
	ErrCodeNotKept = errors.New("tokenize: the card is saved, its security code is not kept")
	// ErrNoCodeStore: the repository keeps its cards' security codes as their issuer,
	// and the vault was opened without [Options.IssuerCodes].
	ErrNoCodeStore = errors.New("tokenize: the vault was opened without the store of issuer codes")
	// ErrConfig: a configuration contradicts the stored one.
	ErrConfig = errors.New("tokenize: configuration contradicts the stored one")
)

func invalid(field string, kind FieldKind, explanation string) *Error {
	return &Error{Cause: InvalidRequest, Field: field, Kind: kind, Explanation: explanation}
}

func rejected(field, support string, err error) *Error {
	return &Error{Cause: RequestRejected, Field: field, Kind: Invalid, SupportCode: support, Explanation: trim(err), err: err}
}

// errDeleted says that the token was deleted.
func errDeleted() *Error {
	return &Error{Cause: RequestRejected, Field: "token", Kind: Invalid, SupportCode: "DELETED",
		Explanation: trim(ErrTokenDeleted), err: ErrTokenDeleted}
}

// conflict says that others changed what a call was about to, again and again.
func conflict() *Error {
	return &Error{Cause: ServerBusy, SupportCode: "CONFLICT", Explanation: trim(ErrConflict), err: ErrConflict}
}

// trim is an error's text without its package, which means nothing to a caller.
func trim(err error) string {
	s := err.Error()
	if _, rest, ok := strings.Cut(s, ": "); ok {
		return rest
	}
	return s
}

// wrap makes an Error of whatever a layer below returned.
func wrap(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*card.Error](err); ok {
		return &Error{Cause: InvalidRequest, Field: e.Field, Kind: FieldKind(e.Kind), Explanation: e.Reason, err: err}
	}
	if e, ok := errors.AsType[*generate.Error](err); ok {
		return &Error{Cause: InvalidRequest, Field: e.Field, Kind: Invalid, Explanation: e.Err.Error(), err: err}
	}
	for _, k := range serverKinds {
		if errors.Is(err, k.err) {
			return &Error{Cause: k.cause, SupportCode: k.support, Explanation: trim(k.err), err: err}
		}
	}
	// Only now: a KMS call that ran into its own deadline, and a commit whose answer
	// was not waited for, are not the caller's giving up alone.
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Cause: ServerBusy, SupportCode: "CANCELLED", Explanation: "the caller gave up", err: err}
	}
	return &Error{Cause: ServerFailed, SupportCode: "INTERNAL", Explanation: "unexpected failure", err: err}
}

// AsError makes an Error of whatever a layer below returned: for the packages beside
// this one, whose calls fail as this one's do. nil stays nil.
func AsError(err error) error {
	if err == nil {
		return nil
	}
	return wrap(err)
}

// serverKinds maps what lies below to causes, in order of precedence: a record
// that does not open because the KMS is away is the KMS's failure.
var serverKinds = []struct {
	err     error
	cause   Cause
	support string
}{
	{store.ErrOutcomeUnknown, ServerFailed, "OUTCOME_UNKNOWN"},
	{ErrAudit, ServerFailed, "AUDIT"},
	{generate.ErrExhausted, RequestRejected, "EXHAUSTED"},
	{store.ErrFenced, ServerFailed, "KEY_FENCED"},
	{store.ErrDurable, RequestRejected, "STORE_DURABLE"},
	{store.ErrUnavailable, ServerBusy, "STORE_UNAVAILABLE"},
	{store.ErrLocked, ServerFailed, "STORE_LOCKED"},
	{store.ErrFull, ServerFailed, "STORE_FULL"},
	{store.ErrReadOnly, ServerFailed, "STORE_READ_ONLY"},
	{store.ErrNewer, ServerFailed, "STORE_NEWER"},
	{store.ErrCorrupt, ServerFailed, "STORE_DAMAGED"},
	{store.ErrClosed, ServerFailed, "STORE_CLOSED"},
	{keys.ErrThrottled, ServerBusy, "KMS_THROTTLED"},
	{keys.ErrUnavailable, ServerBusy, "KMS_UNAVAILABLE"},
	{keys.ErrDenied, ServerFailed, "KMS_DENIED"},
	{keys.ErrDisabled, ServerFailed, "KEY_DISABLED"},
	{keys.ErrNotFound, ServerFailed, "KEY_MISSING"},
	{keys.ErrCorrupt, ServerFailed, "KEY_DAMAGED"},
	{keys.ErrClosed, ServerFailed, "CLOSED"},
	{envelope.ErrUnknownKey, ServerFailed, "KEY_MISSING"},
	{envelope.ErrOpen, ServerFailed, "RECORD_DAMAGED"},
}
