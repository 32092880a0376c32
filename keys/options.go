package keys

import (
	"context"
	"time"
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
	// RefreshAfter is how long after the KMS gave a data key out it is asked for
	// again in the background, state and wrapping alike, while it goes on serving.
	// Only keys in use are. It begins the key's life anew, so that callers wait for
	// the KMS once and not once in each CacheLife, and a KMS or store that takes a
	// key out of use is obeyed that much earlier. A key that could not be asked for is
	// tried again a twentieth of the shortest of SealLease, CacheLife, RenewAge and
	// RefreshAfter later, and so on, in its grace too. Default never; at least a
	// second, less than CacheLife.
	RefreshAfter time.Duration
	// Grace is how long past CacheLife a data key may serve while store or KMS
	// cannot be reached ([ErrUnavailable], [ErrThrottled]). Any other answer ends
	// it, and no key of purpose [CVC] has one. It lengthens the time in which a
	// disabled or destroyed key may open. Without RefreshAfter the first use of a key
	// past its life waits until it is known that they are away, for Timeout where
	// nothing answers. Default none, at most 24 hours.
	Grace time.Duration
	// RotateAge is how old an active data key may grow before whoever seals next
	// makes another, which the rings [Index], [Analytics], [FPE] and [Audit] are
	// exempt from. While the KMS is away the old one goes on. Default never; at least
	// a minute.
	RotateAge time.Duration
	// CacheKeys bounds the data keys a ring holds in memory. Default 1,024, at
	// most 65,536; a ring of one scope holds 8 at most.
	CacheKeys int
	// CacheRings bounds the rings of the [PerScope] layout that hold keys in
	// memory. The one looked up longest ago is emptied. A ring takes 2 to 3 KB.
	// Default 10,000, at least 16, at most 1,000,000.
	CacheRings int
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
	// KEKs guard the rings beside the KEK the manager is opened with, so that any
	// one of them opens a data key. A refusal of one is no refusal while another
	// opens; a KEK that is away is asked last. Data keys are then drawn here, also
	// where a KEK is a [Generator]. All processes that make keys for a ring name the
	// same: what one that lacks a KEK makes by itself, such as by RotateAge, is not
	// wrapped by that KEK until [Scope.Rewrap] in another completes it. Not in inline
	// mode.
	KEKs []KEK
	// OldKEKs open what they wrapped and wrap nothing: those a ring is moved away
	// from. Whoever seals under a key that they alone wrapped makes another first,
	// with the exceptions of RotateAge; [Scope.Rewrap] moves the others. Not in inline
	// mode.
	OldKEKs []KEK
	// Quorum is how many KEKs have to wrap a new data key before it is used. What
	// they did not reach [Scope.Rewrap] completes. Default all of them: no data key
	// then hangs on one KMS alone.
	Quorum int
	// KEKFor names a scope's own KEKs in the [PerScope] layout, in place of the
	// manager's; none means the manager's, which go on opening what they wrapped. It
	// is asked again whenever a ring comes back into memory, by many at once, and
	// what it returns must wrap for that scope alone if destroying it shall shred
	// that scope alone. It fails with this package's kinds, and so do its KEKs: only
	// after [ErrUnavailable] or [ErrThrottled] do Grace and the exceptions of RotateAge
	// hold. Not in inline mode.
	KEKFor func(ctx context.Context, scope string) ([]KEK, error)
	// Observer is told of calls, look-ups and changes. Default nobody.
	Observer Observer
}
