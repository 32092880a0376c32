package keys

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// OptionError is an option outside its bounds.
type OptionError struct{ Field, Reason string }

func (e *OptionError) Error() string { return "keys: option " + e.Field + " " + e.Reason }

// WithDefaults returns the options as a [Manager] with a key store takes them, nil
// included, or the [OptionError] that [Open] would answer with.
func (o *Options) WithDefaults() (Options, error) { return o.filled(true) }

// filled returns the options with defaults in place of zeros, or what is wrong.
func (o *Options) filled(stored bool) (Options, error) {
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
		field             string
		value             *int
		low, normal, high int
	}{
		{"CacheKeys", &f.CacheKeys, 1, 1024, 65536},
		{"CacheRings", &f.CacheRings, 16, 10_000, 1_000_000},
		{"InlineUnwraps", &f.InlineUnwraps, 1, 60, 60000},
		{"Tries", &f.Tries, 1, 4, 10},
	} {
		if *n.value == 0 {
			*n.value = n.normal
		}
		if *n.value < n.low || *n.value > n.high {
			return f, &OptionError{n.field, fmt.Sprintf("must be between %d and %d", n.low, n.high)}
		}
	}
	switch {
	case f.RefreshAfter != 0 && (f.RefreshAfter < time.Second || f.RefreshAfter >= f.CacheLife):
		return f, &OptionError{"RefreshAfter", "must be between 1s and less than CacheLife"}
	case f.Grace < 0 || f.Grace > 24*time.Hour:
		return f, &OptionError{"Grace", "must be between 0s and 24h0m0s"}
	case f.RotateAge != 0 && f.RotateAge < time.Minute:
		return f, &OptionError{"RotateAge", "must be at least 1m0s"}
	case stored:
	case len(f.KEKs) > 0:
		return f, &OptionError{"KEKs", "need a key store: an inline record has room for one"}
	case len(f.OldKEKs) > 0:
		return f, &OptionError{"OldKEKs", "need a key store"}
	case f.KEKFor != nil:
		return f, &OptionError{"KEKFor", "needs a key store"}
	}
	return f, nil
}

// validScope reports what the derivation and the binding can hold.
func validScope(scope string) bool {
	return len(scope) <= math.MaxUint8 && utf8.ValidString(scope)
}
