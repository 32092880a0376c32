//go:build !race

package bench

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// An allocation on a hot path is a defect.
func TestHotPathsDoNotAllocate(t *testing.T) {
	ctx, pan, id := context.Background(), testPAN(t), seal.NewRecordID()
	s := seal.New(newManager(t), "bench")
	record, err := s.SealPAN(ctx, nil, pan, id)
	require.NoError(t, err)
	x, err := blindindex.New(make([]byte, 32), "index")
	require.NoError(t, err)
	dst := make([]byte, 0, 256)
	middle := newFF1(t, 6)
	for name, path := range map[string]func(){
		"seal":        func() { _, err = s.SealPAN(ctx, dst, pan, id) },
		"open":        func() { sinkPAN, err = s.OpenPAN(ctx, record, id) },
		"blind index": func() { x.Append(dst, pan16) },
		"Luhn":        func() { sinkBool = card.Luhn(pan16) },
		"check digit": func() { sinkByte, err = card.CheckDigit(pan16[:15]) },
		"brand":       func() { sinkNetwork = card.NetworkOf(pan16) },
		"mask":        func() { sinkBytes = card.AppendMasked(dst, pan16, card.Mask64) },
		"parse":       func() { sinkPAN, err = card.ParsePAN(pan16) },
		"token":       func() { generate.AppendRandomWithLuhn(dst) },
		"FF1":         func() { _, err = middle.Encrypt(dst, ff1Number[:6], ff1Tweak) },
		"FF1 batch":   func() { _, err = middle.EncryptBatch(dst, ff1Number, ff1Prefix[:2*len(ff1Tweak)]) },
	} {
		require.Zero(t, testing.AllocsPerRun(1000, path), name)
		require.NoError(t, err, name)
	}
}
