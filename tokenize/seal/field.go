package seal

import (
	"fmt"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// Field says what a sealed value is. Its number is part of the format. The zero
// value is invalid.
type Field byte

const (
	PAN          Field = 1
	CVC          Field = 2
	NetworkToken Field = 3
	Holder       Field = 4
	Email        Field = 5
	// Custom is the first of the embedder's own fields, which end at 255.
	Custom Field = 128
)

// String names the field.
func (f Field) String() string {
	switch f {
	case PAN:
		return "PAN"
	case CVC:
		return "CVC"
	case NetworkToken:
		return "network token"
	case Holder:
		return "holder"
	case Email:
		return "e-mail"
	}
	if f >= Custom {
		return fmt.Sprintf("custom field %d", byte(f))
	}
	return fmt.Sprintf("unknown field %d", byte(f))
}

func (f Field) isText() bool { return f == Holder || f == Email || f >= Custom }

// Sizes of sealed values in stored mode, in bytes.
const (
	PANSize = envelope.Overhead + 11
	CVCSize = envelope.Overhead + 3
)

// RecordID names the row a sealed value belongs to.
type RecordID = envelope.RecordID

// NewRecordID draws a record ID.
func NewRecordID() RecordID { return envelope.NewRecordID() }

// Pair is one of the embedder's own values that a sealed value is bound to.
type Pair = envelope.Pair

// Binding is what a sealed value is bound to besides scope and field. None of it
// is stored in the record; the same must be given to open it.
type Binding struct {
	Record     RecordID
	Owner      string // empty where there is none
	Generation uint64 // raised whenever the value changes; 0 if the embedder does not count
	Pairs      []Pair // sorted by name, names unique, 1 KiB in all
}

func (b *Binding) additional(f Field) envelope.Additional {
	return envelope.Additional{
		Field: byte(f), Record: b.Record, Owner: b.Owner, Generation: b.Generation, Pairs: b.Pairs,
	}
}
