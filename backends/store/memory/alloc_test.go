//go:build !race

package memory_test

import (
	"fmt"
	"testing"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// TestWriteAllocs: a new row takes its own bytes and the list of outcomes.
// What the tables take when they grow is less than one in all.
func TestWriteAllocs(t *testing.T) {
	c := memory.New().Cards()
	key := envelope.NewKeyID()
	if err := c.OpenFence(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	rec := append(append([]byte{1, 1}, key[:]...), make([]byte, 100)...)
	tokens := make([]string, 2001)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("token %d", i)
	}
	w := []store.Write{{Unique: true, Row: store.Row{
		Status: store.Active, BIN: "41111111", LastFour: "1111", Network: "visa", Brand: "visa",
		Sealed: []store.Sealed{{Field: 1, Record: rec}}, Index: make([]store.IndexValue, 1),
	}}}
	n := 0
	ctx := t.Context()
	allocs := testing.AllocsPerRun(2000, func() {
		w[0].Row.Token = tokens[n]
		w[0].Row.Index[0].Value = [32]byte{byte(n), byte(n >> 8)}
		n++
		if out, err := c.Write(ctx, w, nil); err != nil || out[0].Result != store.Written {
			t.Fatalf("Write: %v, %v", out, err)
		}
	})
	if allocs > 2 {
		t.Fatalf("a write of one new row allocates %v times, want at most 2", allocs)
	}
}
