//go:build !race

// The race detector makes sync.Pool drop what it is given.

package generate

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// What DrawFree allocates does not grow with the tokens in use.
func TestDrawFreeKeepsNothing(t *testing.T) {
	s := space(t, pan14)
	var taken []string
	for k := range s.Size() - 1 {
		taken = append(taken, s.Middle(k))
	}
	allocs := func(taken []string) float64 {
		seq := yieldAll(nil, taken...)
		return testing.AllocsPerRun(10, func() { _, _ = s.DrawFree(seq) })
	}
	require.Equal(t, allocs(nil), allocs(taken))
}

func TestNothingIsAllocated(t *testing.T) {
	s := space(t, pan16)
	buf := make([]byte, 0, 64)
	digits := []byte(pan16)
	luhn, uuid := string(AppendRandomWithLuhn(nil)), string(AppendUUID(nil))
	kept := string(s.AppendToken(nil, 7))
	middle := s.Middle(7)
	f := vaultless(t, vaultScope)
	vaultlessToken, many := must(f.AppendToken(nil, digits)), bytes.Repeat(digits, 3*vaultlessStep)
	batch := make([]byte, 0, len(many))
	var sink uint64
	var ok bool
	for name, call := range map[string]func(){
		"AppendRandomWithLuhn":   func() { buf = AppendRandomWithLuhn(buf[:0]) },
		"AppendPreserve64":       func() { buf, _ = AppendPreserve64(buf[:0], digits) },
		"Vaultless.AppendToken":  func() { buf, _ = f.AppendToken(buf[:0], digits) },
		"Vaultless.AppendNumber": func() { buf, _ = f.AppendNumber(buf[:0], vaultlessToken) },
		"Vaultless.AppendTokens": func() { batch, _ = f.AppendTokens(batch[:0], many, len(digits)) },
		"AppendUUID":             func() { buf = AppendUUID(buf[:0]) },
		"AppendOrder":            func() { buf, ok = AppendOrder(buf[:0], kept) },
		"AppendUnbufferedDigits": func() { buf = AppendUnbufferedDigits(buf[:0], 3) },
		"Uint64n":                func() { sink += Uint64n(1000) },
		"UnbufferedUint64n":      func() { sink += UnbufferedUint64n(1000) },
		"Rank":                   func() { sink, ok = s.Rank(middle) },
		"Valid": func() {
			ok = Valid(RandomWithLuhn, luhn) && Valid(Preserve64, kept) && Valid(UUID, uuid) &&
				Valid(MerchantProvided, kept) && IsRandomWithLuhn(luhn)
		},
		"CheckMerchantToken": func() { ok = CheckMerchantToken(luhn, digits, nil) == nil },
	} {
		// Averages round down, so a pool that a collection emptied does not show.
		require.Zero(t, testing.AllocsPerRun(1000, call), name)
	}
	require.True(t, ok)
}
