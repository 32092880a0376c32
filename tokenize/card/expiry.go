package card

import "time"

// Expiry is the last month in which a card may be used. The zero Expiry means that
// none is known. It is not secret, prints as MMYY, and may be compared with ==.
type Expiry struct {
	Month int // 1 to 12
	Year  int // 2000 to 2099, all four digits
}

// NewExpiry returns the Expiry of month 1 to 12 and year 2000 to 2099. The error is an
// *Error for the field "expiry".
func NewExpiry(month, year int) (Expiry, error) {
	e := Expiry{month, year}
	if err := e.check(); err != nil {
		return Expiry{}, err
	}
	return e, nil
}

// ParseExpiry reads MMYY, the century being 2000. The error is an *Error for the field
// "expiry".
func ParseExpiry[T ~string | ~[]byte](s T) (Expiry, error) {
	if len(s) == 0 {
		return Expiry{}, missing(FieldExpiry)
	}
	if len(s) != 4 {
		return Expiry{}, invalid(FieldExpiry, ReasonExpiryForm)
	}
	for i := range len(s) {
		if !isDigit(s[i]) {
			return Expiry{}, invalid(FieldExpiry, ReasonExpiryForm)
		}
	}
	return NewExpiry(int(s[0]-'0')*10+int(s[1]-'0'), 2000+int(s[2]-'0')*10+int(s[3]-'0'))
}

// ParseExpiryLenient takes MM/YY as well as MMYY.
func ParseExpiryLenient[T ~string | ~[]byte](s T) (Expiry, error) {
	if len(s) == 5 && s[2] == '/' {
		return ParseExpiry([]byte{s[0], s[1], s[3], s[4]})
	}
	return ParseExpiry(s)
}

func (e Expiry) check() error {
	switch {
	case e.Month < 1 || e.Month > 12:
		return invalid(FieldExpiry, ReasonExpiryMonth)
	case e.Year < 2000 || e.Year > 2099:
		return invalid(FieldExpiry, ReasonExpiryYear)
	}
	return nil
}

// IsZero reports whether no expiry is known.
func (e Expiry) IsZero() bool { return e == Expiry{} }

// Valid reports whether e is a month of the years 2000 to 2099. The zero Expiry is not.
func (e Expiry) Valid() bool { return e.check() == nil }

// AppendMMYY appends the four digits MMYY to dst, and nothing unless e is Valid.
func (e Expiry) AppendMMYY(dst []byte) []byte {
	if !e.Valid() {
		return dst
	}
	m, y := byte(e.Month), byte(e.Year-2000)
	return append(dst, '0'+m/10, '0'+m%10, '0'+y/10, '0'+y%10)
}

// String returns MMYY, and "" unless e is Valid.
func (e Expiry) String() string {
	var buf [4]byte
	return string(e.AppendMMYY(buf[:0]))
}

// Expired reports whether the card can't be used any more at the given time: it can be
// used through the last instant of its month, in UTC. An Expiry that isn't Valid says
// nothing of any time and is not expired.
func (e Expiry) Expired(at time.Time) bool {
	if !e.Valid() {
		return false
	}
	// time.Date takes month 13 as January of the next year.
	return !at.Before(time.Date(e.Year, time.Month(e.Month)+1, 1, 0, 0, 0, 0, time.UTC))
}

// MarshalText returns MMYY, empty for the zero Expiry, and an error for one that isn't
// Valid.
func (e Expiry) MarshalText() ([]byte, error) {
	if !e.IsZero() {
		if err := e.check(); err != nil {
			return nil, err
		}
	}
	return e.AppendMMYY(nil), nil
}

// UnmarshalText reads what MarshalText wrote.
func (e *Expiry) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*e = Expiry{}
		return nil
	}
	got, err := ParseExpiry(b)
	if err != nil {
		return err
	}
	*e = got
	return nil
}
