//go:build !race

package tokenize_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
)

// Where a merchant belongs is remembered without an allocation, and one more detail
// of a request is none where it is not given.
func TestMerchantsDoNotAllocate(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	callers := []tokenize.Caller{me, w.merchant(r, "SHOP1"), w.merchant(r, "SHOP2")}
	var allocs [3]float64
	for i, c := range callers {
		q := tokenize.SaveRequest{Caller: c, Token: d.Token}
		allocs[i] = testing.AllocsPerRun(200, func() {
			if _, err := r.Save(t.Context(), q); err != nil {
				t.Error(err)
			}
		})
	}
	require.Equal(t, allocs[0], allocs[1])
	require.Equal(t, allocs[0], allocs[2])
}
