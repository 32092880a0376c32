package store

import "github.com/cardseal/cardseal/crypto/envelope"

// MaxName is the length in bytes that a token, an ordered column, a merchant and
// a repository's name may have, in every store.
const MaxName = 255

// MaxIndex is how many index values a row may have: a few live keys' worth.
const MaxIndex = 255

// InvalidError says which part of a call cannot be stored. It never carries the
// value itself.
type InvalidError struct {
	Field   string // as in the Go type, such as "Row.Token"
	Problem string
}

// Error names the field and what is wrong with it.
func (e *InvalidError) Error() string { return "store: " + e.Field + " " + e.Problem }

// Check refuses with an [InvalidError] what no outcome speaks of: rows that no
// store could keep or give back as they are. Every store asks it before it
// writes, so that what passes a test on one passes on another.
func Check(w *Write) error {
	r := &w.Row
	switch {
	case r.Token == "" || len(r.Token) > MaxName:
		return &InvalidError{"Row.Token", "must have 1 to 255 bytes"}
	case len(r.Order) > MaxName:
		return &InvalidError{"Row.Order", "must have at most 255 bytes"}
	case r.Status < Active || r.Status > Deleted:
		return &InvalidError{"Row.Status", "is unknown"}
	case r.Version == 1<<64-1:
		return &InvalidError{"Row.Version", "cannot be raised"}
	}
	if r.Status == Deleted {
		return nil // the rest is dropped
	}
	if len(r.BIN) > 8 {
		return &InvalidError{"Row.BIN", "must have at most 8 digits"}
	}
	if len(r.LastFour) > 4 {
		return &InvalidError{"Row.LastFour", "must have at most 4 digits"}
	}
	for i := range r.Sealed {
		if i > 0 && r.Sealed[i-1].Field >= r.Sealed[i].Field {
			return &InvalidError{"Row.Sealed", "must be ascending by Field, each at most once"}
		}
		if _, ok := envelope.StoredKeyID(r.Sealed[i].Record); !ok {
			return &InvalidError{"Row.Sealed", "holds no record in stored mode"}
		}
	}
	if len(r.Analytics) > MaxName || len(r.Scheme.PAR) > MaxName || len(r.Scheme.Requestor) > MaxName {
		return &InvalidError{"Row.Analytics or Row.Scheme", "must have texts of at most 255 bytes"}
	}
	if len(r.Index) > MaxIndex {
		return &InvalidError{"Row.Index", "must have at most 255 values"}
	}
	for i := range r.Index {
		for j := range i {
			if r.Index[i] == r.Index[j] {
				return &InvalidError{"Row.Index", "holds a value twice"}
			}
		}
	}
	return nil
}

// CheckCode refuses with an [InvalidError] a code that no store could keep. Every
// store asks it before it writes.
func CheckCode(c *Code) error {
	switch {
	case len(c.ID.Owner) > MaxName:
		return &InvalidError{"CodeID.Owner", "must have at most 255 bytes"}
	case c.Token == "" || len(c.Token) > MaxName:
		return &InvalidError{"Code.Token", "must have 1 to 255 bytes"}
	case c.RecordID == envelope.RecordID{}:
		return &InvalidError{"Code.RecordID", "is missing"}
	case c.Guesses != 0 || len(c.Counters) != 0:
		return &InvalidError{"Code.Guesses or Code.Counters", "must be empty: a new code has no attempts"}
	}
	return CheckRecord(c.Record)
}

// CheckRecord refuses with an [InvalidError] a sealed code that is no record in
// stored mode.
func CheckRecord(record []byte) error {
	if _, ok := envelope.StoredKeyID(record); !ok {
		return &InvalidError{"Code.Record", "is no record in stored mode"}
	}
	return nil
}

// CheckLimits refuses with an [InvalidError] limits that allow nothing.
func CheckLimits(l TryLimits) error {
	if l.Tries == 0 || l.Guesses == 0 {
		return &InvalidError{"TryLimits", "must be at least 1"}
	}
	return nil
}

// CheckSettle refuses with an [InvalidError] an attempt that took no number.
func CheckSettle(a *Attempt, l TryLimits) error {
	if a.Result != TryTaken {
		return &InvalidError{"Attempt.Result", "must be TryTaken"}
	}
	return CheckLimits(l)
}
