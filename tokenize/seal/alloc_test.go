//go:build !race

package seal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/seal"
)

// Warm calls on numbers and codes allocate nothing. The race detector allocates for
// itself, so this is left out under it.
func TestWarmCallsDoNotAllocate(t *testing.T) {
	s, ctx := newSealer(t, "shop"), t.Context()
	pan, cvc, id := number(t, visa), code(t, "123"), seal.NewRecordID()
	b := &seal.Binding{Record: id, Owner: "owner", Generation: 1}
	record, err := s.SealPAN(ctx, nil, pan, id)
	require.NoError(t, err)
	bound, err := s.SealNumber(ctx, nil, seal.PAN, pan, b)
	require.NoError(t, err)
	sealed, err := s.SealCVC(ctx, nil, cvc, b)
	require.NoError(t, err)
	dst := make([]byte, 0, 256)
	for name, call := range map[string]func(){
		"SealPAN":    func() { _, err = s.SealPAN(ctx, dst, pan, id) },
		"OpenPAN":    func() { _, err = s.OpenPAN(ctx, record, id) },
		"SealNumber": func() { _, err = s.SealNumber(ctx, dst, seal.PAN, pan, b) },
		"OpenNumber": func() { _, err = s.OpenNumber(ctx, bound, seal.PAN, b) },
		"Reseal":     func() { _, err = s.Reseal(ctx, dst, bound, seal.PAN, b) },
		"SealCVC":    func() { _, err = s.SealCVC(ctx, dst, cvc, b) },
		"OpenCVC":    func() { _, err = s.OpenCVC(ctx, sealed, b) },
	} {
		require.Zero(t, testing.AllocsPerRun(1000, call), name)
		require.NoError(t, err, name)
	}
}
