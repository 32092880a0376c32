package keys

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Options tunes a [Manager]. The zero value of each field means its default;
// values outside the stated bounds are refused.
type Options struct {
	// Environment separates keys, for example of production and test: no record
	// or wrapped key of one opens in another. Default "production"; UTF-8, at
	// most 255 bytes.
	Environment string
	// SealLease is how long a process may seal under a key without reading from
	// the store that it still is the active one. Default 5 minutes, at least a
	// second, at most an hour.
	SealLease time.Duration
	// CacheLife is how long a data key's raw bytes stay in memory after the KMS
	// gave them out. Default an hour, at least a second, at most 24 hours.
	CacheLife time.Duration
	// CacheKeys bounds the data keys a ring holds in memory. Default 1,024, at
	// most 65,536.
	CacheKeys int
	// RenewAge is how long a process seals under one salt. Default an hour, at
	// least a second, at most 24 hours.
	RenewAge time.Duration
	// InlineUnwraps is how many inline data keys not yet in memory a Scope asks
	// the KMS about in a minute; records beyond that fail with ErrThrottled.
	// Default 60, at most 60,000.
	InlineUnwraps int
	// Timeout bounds one KMS call with all its tries, or one key store call, which
	// several callers may wait for, each within its own context. Default 10
	// seconds, at most 5 minutes.
	Timeout time.Duration
	// Tries is how often a KMS call is made at most, with growing random waits
	// between, while it fails with ErrThrottled or ErrUnavailable. Default 4, at
	// most 10; 1 never tries again.
	Tries int
}

// OptionError is an option outside its bounds.
type OptionError struct{ Field, Reason string }

func (e *OptionError) Error() string { return "keys: option " + e.Field + " " + e.Reason }

// filled returns the options with defaults in place of zeros, or what is wrong.
func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	if f.Environment == "" {
		f.Environment = "production"
	}
	if len(f.Environment) > 255 || !utf8.ValidString(f.Environment) {
		return f, &OptionError{"Environment", "must be UTF-8 of at most 255 bytes"}
	}
	for _, d := range []struct {
		field     string
		value     *time.Duration
		normal    time.Duration
		low, high time.Duration
	}{
		{"SealLease", &f.SealLease, 5 * time.Minute, time.Second, time.Hour},
		{"CacheLife", &f.CacheLife, time.Hour, time.Second, 24 * time.Hour},
		{"RenewAge", &f.RenewAge, time.Hour, time.Second, 24 * time.Hour},
		{"Timeout", &f.Timeout, 10 * time.Second, time.Millisecond, 5 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.normal
		}
		if *d.value < d.low || *d.value > d.high {
			return f, &OptionError{d.field, fmt.Sprintf("must be between %v and %v", d.low, d.high)}
		}
	}
	for _, n := range []struct {
		field        string
		value        *int
		normal, high int
	}{
		{"CacheKeys", &f.CacheKeys, 1024, 65536},
		{"InlineUnwraps", &f.InlineUnwraps, 60, 60000},
		{"Tries", &f.Tries, 4, 10},
	} {
		if *n.value == 0 {
			*n.value = n.normal
		}
		if *n.value < 1 || *n.value > n.high {
			return f, &OptionError{n.field, fmt.Sprintf("must be between 1 and %d", n.high)}
		}
	}
	return f, nil
}

// tick is how often deadlines are looked at: a twentieth of the shortest.
func (o *Options) tick() time.Duration {
	return min(o.SealLease, o.CacheLife, o.RenewAge) / 20
}

// stamp is a moment by both clocks.
type stamp struct{ at time.Time }

func now() stamp { return stamp{time.Now()} }

// passed reports whether d has passed since s, by the monotonic clock or by the
// wall clock. The first stands still while a machine is suspended, the second
// can be set back.
func (s stamp) passed(d time.Duration) bool {
	t := time.Now()
	return t.Sub(s.at) >= d || t.Round(0).Sub(s.at.Round(0)) >= d
}

// validScope reports what the derivation and the binding can hold.
func validScope(scope string) bool {
	return len(scope) <= math.MaxUint8 && utf8.ValidString(scope)
}
