package main

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/card"
)

func TestRowsAreGoodCards(t *testing.T) {
	const n = 50_000
	for _, seed := range []uint64{0, 1, 77} {
		var out, again bytes.Buffer
		require.NoError(t, write(&out, n, seed))
		require.NoError(t, write(&again, n, seed))
		require.True(t, bytes.Equal(out.Bytes(), again.Bytes()), "the same seed made another file")
		rows, err := csv.NewReader(&out).ReadAll()
		require.NoError(t, err)
		require.Equal(t, []string{"number", "expiry"}, rows[0])
		seen, brands := map[string]bool{}, map[card.Brand]int{}
		for i, row := range rows[1:] {
			pan, err := card.ParsePAN(row[0])
			require.NoError(t, err)
			require.NoErrorf(t, pan.Check(nil), "row %d", i)
			_, err = card.ParseExpiry(row[1])
			require.NoError(t, err)
			seen[row[0]] = true
			brands[pan.Brand()]++
		}
		require.Len(t, seen, n, "a number came twice")
		require.Greater(t, len(brands), 5)
	}
}

// Rows far out are good cards too.
func TestFarRows(t *testing.T) {
	for i := uint64(0); i < 100_000_000; i += 499 {
		pan, err := card.ParsePAN(appendNumber(nil, i, 1))
		require.NoError(t, err)
		require.NoErrorf(t, pan.Check(nil), "row %d", i)
	}
}
