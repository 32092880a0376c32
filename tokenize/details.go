package tokenize

import (
	"time"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Status is where a token is in its life.
type Status uint8

const (
	Active    = Status(store.Active)
	Suspended = Status(store.Suspended)
	Deleted   = Status(store.Deleted)
)

var statusNames = [...]string{Active: "ACTIVE", Suspended: "SUSPENDED", Deleted: "DELETED"}

// String is the status as the published interfaces spell it.
func (s Status) String() string { return name(statusNames[:], int(s)) }

// MarshalText writes the published spelling.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Verified is the result of a card's last verification.
type Verified uint8

const (
	NotVerified Verified = iota + 1
	BasicSuccessful
	// What acquirer verification came to. Of these, ExternalSuccessful alone is ever
	// stored: with the others nothing is, and [Error.Verified] says which it was.
	ExternalSuccessful
	ExternalBlocked
	ExternalDeclined
	ExternalDeclinedAuthenticationRequired
	ExternalDeclinedExpiredCard
	ExternalDeclinedInvalidCSC
	ExternalProcessingError
)

var verifiedNames = [...]string{
	NotVerified: "NO_VERIFICATION_PERFORMED", BasicSuccessful: "BASIC_VERIFICATION_SUCCESSFUL",
	ExternalSuccessful:                     "EXTERNAL_VERIFICATION_SUCCESSFUL",
	ExternalBlocked:                        "EXTERNAL_VERIFICATION_BLOCKED",
	ExternalDeclined:                       "EXTERNAL_VERIFICATION_DECLINED",
	ExternalDeclinedAuthenticationRequired: "EXTERNAL_VERIFICATION_DECLINED_AUTHENTICATION_REQUIRED",
	ExternalDeclinedExpiredCard:            "EXTERNAL_VERIFICATION_DECLINED_EXPIRED_CARD",
	ExternalDeclinedInvalidCSC:             "EXTERNAL_VERIFICATION_DECLINED_INVALID_CSC",
	ExternalProcessingError:                "EXTERNAL_VERIFICATION_PROCESSING_ERROR",
}

// String is the result as the published interfaces spell it.
func (v Verified) String() string { return name(verifiedNames[:], int(v)) }

// MarshalText writes the published spelling.
func (v Verified) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// SaveOutcome says what a save did.
type SaveOutcome uint8

const (
	Created  SaveOutcome = iota + 1 // a new token
	Existing                        // the card had this token, nothing else to change
	Updated                         // an existing token's details were changed
	Replayed                        // the idempotency key was known: the first call's token
	Computed                        // an analytics token alone: nothing was stored
)

var outcomeNames = [...]string{Created: "created", Existing: "existing", Updated: "updated", Replayed: "replayed", Computed: "computed"}

// String is the outcome in lower case.
func (o SaveOutcome) String() string { return name(outcomeNames[:], int(o)) }

// MarshalText writes String.
func (o SaveOutcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Details is what may be known of a token without opening its card. It holds no
// full card number.
type Details struct {
	Token         string
	Analytics     string // the card's analytics token, empty where none was asked for
	Repository    string
	Status        Status
	Valid         bool // false: an account updater said the card is no longer good
	Outcome       SaveOutcome
	Verified      Verified
	Brand         card.Brand
	Scheme        card.Scheme
	LocalBrand    card.LocalBrand // 0 where none is known
	Funding       card.Funding
	SchemeStatus  SchemeStatus // of the scheme token, 0 where there is none
	BIN           string       // 8 digits of a 16-digit card, else 6
	LastFour      string
	Masked        string // as the repository's configuration says
	Expiry        card.Expiry
	TokenExpiry   Date   // the last day on which the token resolves, in UTC; zero for none
	Version       uint64 // raised by every write, one of LastUsed included
	Created       time.Time
	Updated       time.Time
	UpdatedBy     string
	LastUsed      time.Time // of a save or reveal, at most once a minute
	CorrelationID string    // the caller's, echoed
}

// details makes Details of a row, and of the text in which all its short strings
// lie: token, BIN, last four and mask share one piece of memory.
func (r *Repository) details(row *store.Row) Details {
	d := Details{
		Token: row.Token, Repository: r.c.ID, Status: Status(row.Status),
		Version: row.Version,
	}
	if d.Status == Deleted {
		return d
	}
	d.Valid, d.Verified = !row.Invalid, Verified(row.Verified)
	// Names that a later version wrote are unknown here; they stay zero.
	_ = d.Brand.UnmarshalText([]byte(row.Brand))
	_ = d.LocalBrand.UnmarshalText([]byte(row.Local))
	_ = d.Funding.UnmarshalText([]byte(row.Funding))
	d.Scheme = d.Brand.Scheme()
	d.BIN, d.LastFour, d.Analytics = row.BIN, row.LastFour, row.Analytics
	d.Expiry, d.TokenExpiry = expiryOf(row.Expiry), lastDay(row.Expires)
	d.Created, d.Updated, d.LastUsed = moment(row.Created), moment(row.Updated), moment(row.LastUsed)
	d.UpdatedBy, d.SchemeStatus = row.UpdatedBy, SchemeStatus(row.Scheme.Status)
	var masked [card.MaxLen]byte
	d.Masked = string(r.appendMasked(masked[:0], row))
	return d
}

// appendMasked shows as much of a number as the row has in clear and the mask
// lets through.
func (r *Repository) appendMasked(dst []byte, row *store.Row) []byte {
	n := int(row.PANLength)
	first, last := r.c.Masking.Shows(n)
	first, last = min(first, len(row.BIN)), min(last, len(row.LastFour))
	dst = append(dst, row.BIN[:first]...)
	for range n - first - last {
		dst = append(dst, r.c.Masking.Fill())
	}
	return append(dst, row.LastFour[len(row.LastFour)-last:]...)
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func expiryNumber(e card.Expiry) uint16 {
	if e.IsZero() {
		return 0
	}
	return uint16((e.Year-2000)*100 + e.Month)
}

func expiryOf(n uint16) card.Expiry {
	if n == 0 {
		return card.Expiry{}
	}
	return card.Expiry{Month: int(n % 100), Year: 2000 + int(n/100)}
}
