package tokenize

import "time"

// Date is a day, such as the last one on which a token may be used. The zero Date
// means none. It prints as 2027-01-31 and may be compared with ==.
type Date struct {
	Year  int // 2000 to 9999
	Month int // 1 to 12
	Day   int // 1 to 31, as the month has them
}

// ParseDate reads YYYY-MM-DD (ISO 8601). The error is an [*Error] for the field
// "tokenExpiry".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, invalid(fieldTokenExpiry, Invalid, "must be a day, written YYYY-MM-DD")
	}
	d := Date{t.Year(), int(t.Month()), t.Day()}
	if err := d.check(); err != nil {
		return Date{}, err
	}
	return d, nil
}

const fieldTokenExpiry = "tokenExpiry"

func (d Date) check() error {
	start := d.start(0)
	if d.Year < 2000 || d.Year > 9999 || start.Day() != d.Day || int(start.Month()) != d.Month {
		return invalid(fieldTokenExpiry, Invalid, "must be a day of the years 2000 to 9999")
	}
	return nil
}

// start is when the day, or one that many later, begins in UTC.
func (d Date) start(later int) time.Time {
	return time.Date(d.Year, time.Month(d.Month), d.Day+later, 0, 0, 0, 0, time.UTC)
}

// IsZero reports whether d is no day.
func (d Date) IsZero() bool { return d == Date{} }

// Over reports whether the day has ended, in UTC. The zero Date never has.
func (d Date) Over(at time.Time) bool { return !d.IsZero() && !at.Before(d.start(1)) }

// String is YYYY-MM-DD, and "" for what is no day.
func (d Date) String() string {
	if d.check() != nil {
		return ""
	}
	return d.start(0).Format(time.DateOnly)
}

// MarshalText writes String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Date) UnmarshalText(b []byte) (err error) {
	*d = Date{}
	if len(b) > 0 {
		*d, err = ParseDate(string(b))
	}
	return err
}

// endOf is the moment, in Unix milliseconds, at which a token that is usable
// through that day ceases to resolve; 0 for none.
func endOf(d Date) int64 {
	if d.IsZero() {
		return 0
	}
	return d.start(1).UnixMilli()
}

// lastDay is the day of which endOf is the end.
func lastDay(end int64) Date {
	if end == 0 {
		return Date{}
	}
	t := time.UnixMilli(end - 1).UTC()
	return Date{t.Year(), int(t.Month()), t.Day()}
}
