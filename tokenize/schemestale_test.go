package tokenize_test

import (
	"testing"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
)

// A process that does not know yet of a new index key still tells the card's own
// number from a network token.
func TestSchemeTokenUnderANewIndexKey(t *testing.T) {
	w := newWorld(t, memory.New(), nil)
	r := w.schemes()
	d := w.save(r, req(t, visa))
	stale := w.other(r)
	w.save(stale, req(t, amex))
	w.reindex(r, tokenize.ReindexOptions{NewKey: true})
	_, err := stale.SetSchemeToken(t.Context(), attach(t, d.Token, visa))
	fails(t, err, tokenize.InvalidRequest, "networkToken", nil)
	w.set(stale, attach(t, d.Token, netToken))
}
