package capture

import (
	"time"

	"github.com/cardseal/cardseal/internal/strictjson"
	"github.com/cardseal/cardseal/tokenize/card"
)

// fieldNames are the members of the encrypted object.
var fieldNames = []string{
	"cardNumber", "sequenceNumber", "cardholderName", "startMonth", "startYear",
	"expiryMonth", "expiryYear", "cvv", "captureTime",
}

// maxSequence is the longest sequence number in digits.
const maxSequence = 3

// read reads the encrypted object and overwrites it. Number and code go from the
// text into their types without becoming strings.
func (o *Opened) read(text []byte) bool {
	var startMonth, startYear, month, year int
	ok := strictjson.Read(text, fieldNames, func(i int, v strictjson.Value) bool {
		var err error
		name := fieldNames[i]
		switch name {
		case "sequenceNumber", "startMonth", "startYear", "expiryMonth", "expiryYear":
			if v.Kind == strictjson.Object || !allDigits(v.Bytes) {
				return false
			}
		default:
			if v.Kind != strictjson.String || len(v.Bytes) == 0 {
				return false
			}
		}
		ok := true
		switch name {
		case "cardNumber":
			o.Card.Number, err = card.ParsePAN(v.Bytes)
		case "cvv":
			o.Card.Code, err = card.ParseCVC(v.Bytes)
		case "cardholderName":
			o.Card.Holder = string(v.Bytes)
			err = card.CheckHolder(o.Card.Holder)
		case "sequenceNumber":
			if ok = len(v.Bytes) <= maxSequence; ok {
				o.Sequence = string(v.Bytes)
			}
		case "startMonth":
			startMonth, ok = number(v.Bytes, 1, 2)
		case "startYear":
			startYear, ok = number(v.Bytes, 4, 4)
		case "expiryMonth":
			month, ok = number(v.Bytes, 1, 2)
		case "expiryYear":
			year, ok = number(v.Bytes, 4, 4)
		case "captureTime":
			o.Captured, ok = captureTime(v.Bytes)
		}
		return ok && err == nil
	})
	return ok && !o.Captured.IsZero() &&
		setMonth(&o.Card.Expiry, month, year) && setMonth(&o.Start, startMonth, startYear)
}

// setMonth sets a month that was sent with its year. None of the two is zero when
// it was sent: no month or year of zero is valid.
func setMonth(e *card.Expiry, month, year int) bool {
	if month == 0 && year == 0 {
		return true
	}
	var err error
	*e, err = card.NewExpiry(month, year)
	return err == nil
}

// number reads a positive number of least to most digits.
func number(b []byte, least, most int) (n int, ok bool) {
	if len(b) < least || len(b) > most {
		return 0, false
	}
	for _, c := range b {
		n = 10*n + int(c-'0')
	}
	return n, n > 0
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// captureTime reads a time in RFC 3339, section 5.6, in UTC with a capital T and Z,
// of at most nanoseconds. time.Parse alone is laxer.
func captureTime(b []byte) (time.Time, bool) {
	const shape = "0000-00-00T00:00:00"
	if len(b) < len(shape)+1 || b[len(b)-1] != 'Z' {
		return time.Time{}, false
	}
	for i := range len(shape) {
		if digit := b[i] >= '0' && b[i] <= '9'; digit != (shape[i] == '0') || !digit && b[i] != shape[i] {
			return time.Time{}, false
		}
	}
	if fraction := b[len(shape) : len(b)-1]; len(fraction) > 0 &&
		(fraction[0] != '.' || len(fraction) > 10 || !allDigits(fraction[1:])) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	return t, err == nil
}
