package ff1

import "strconv"

// ArgumentError is a wrong argument: which one, and what it must be. It never
// holds the argument's value.
type ArgumentError struct{ Field, Reason string }

func (e *ArgumentError) Error() string { return "ff1: " + e.Field + " " + e.Reason }

// What callers tell apart, by errors.Is. Each is an *[ArgumentError].
var (
	// ErrDomain is a length at which there are fewer than 10^6 numeral strings,
	// which SP 800-38G rev. 1 forbids: all of them could be tried.
	ErrDomain error = &ArgumentError{"length", "gives fewer than 1000000 values"}
	// ErrNumeral is input with something in it that is no numeral of the radix.
	ErrNumeral error = &ArgumentError{"input", "holds something other than numerals of the radix"}
)

var (
	errKey       error = &ArgumentError{"key", "must be 16, 24 or 32 bytes"}
	errRadix     error = &ArgumentError{"radix", "must be 2 to 65536"}
	errLong      error = &ArgumentError{"length", "must be at most " + strconv.Itoa(MaxLength) + " numerals"}
	errDigits    error = &ArgumentError{"length", "must be 6 to " + strconv.Itoa(MaxDigits) + " digits"}
	errTweakLong error = &ArgumentError{"tweak", "must be at most " + strconv.Itoa(MaxTweak) + " bytes"}
	errTweakSize error = &ArgumentError{"tweak size", "must be 0 to " + strconv.Itoa(MaxTweak) + " bytes with the prefix"}
	errInput     error = &ArgumentError{"input", "must have the length that was set"}
	errTweak     error = &ArgumentError{"tweak", "must have the size that was set"}
	errBatch     error = &ArgumentError{"input", "must be a whole count of numbers, and tweaks as many"}
)

// BatchError is a number in a batch with something in it that is no digit. To
// errors.Is it is [ErrNumeral].
type BatchError struct {
	Index int // of the first such number, from 0
}

func (e *BatchError) Error() string {
	return "ff1: number " + strconv.Itoa(e.Index) + " of the batch holds something other than digits"
}

func (e *BatchError) Unwrap() error { return ErrNumeral }
