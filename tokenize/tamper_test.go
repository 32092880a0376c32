package tokenize_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Whoever can write to the store moves sealed values about: none opens in another
// place than its own.
func TestTamperedRows(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		save := func(digits, holder string) string {
			q := req(t, digits)
			q.Card.Holder = holder
			return w.save(r, q).Token
		}
		theirs := save(master, "THEIRS")
		other := w.row(r, theirs)
		for name, change := range map[string]func(row *store.Row){
			"number of another row": func(row *store.Row) { row.Sealed[0] = other.Sealed[0] },
			"all values of another row, with its record ID": func(row *store.Row) {
				row.Sealed, row.RecordID = other.Sealed, other.RecordID
			},
			"holder of another row": func(row *store.Row) { row.Sealed[1].Record = other.Sealed[1].Record },
			"record ID":             func(row *store.Row) { row.RecordID = envelope.NewRecordID() },
			"generation raised":     func(row *store.Row) { row.Sealed[0].Generation++ },
			"generation lowered":    func(row *store.Row) { row.Sealed[0].Generation-- },
			"number as holder":      func(row *store.Row) { row.Sealed[1].Record = row.Sealed[0].Record },
			"holder as number":      func(row *store.Row) { row.Sealed[0].Record = row.Sealed[1].Record },
			"number as network token": func(row *store.Row) {
				row.Sealed[0].Field = byte(seal.NetworkToken)
			},
			"fields exchanged": func(row *store.Row) {
				row.Sealed[0].Record, row.Sealed[1].Record = row.Sealed[1].Record, row.Sealed[0].Record
			},
			"a bit of the number": func(row *store.Row) { row.Sealed[0].Record[len(row.Sealed[0].Record)-1] ^= 1 },
			"cut short":           func(row *store.Row) { row.Sealed[0].Record = row.Sealed[0].Record[:seal.PANSize-1] },
			"no number":           func(row *store.Row) { row.Sealed = row.Sealed[1:] },
		} {
			t.Run(name, func(t *testing.T) {
				w := w.in(t)
				token := save(visa, "OURS")
				w.holds(r, token, visa)
				w.rewrite(r, token, change)
				w.doesNotOpen(r, token)
				w.doesNotOpen(w.other(r), token) // with cold caches
			})
		}
		w.holds(r, theirs, master)
	})
}

func (w *world) doesNotOpen(r *tokenize.Repository, token string) {
	w.Helper()
	got, err := r.Reveal(w.ctx, me, token, "settlement")
	e := fails(w, err, tokenize.ServerFailed, "", nil)
	require.Contains(w, []string{"RECORD_DAMAGED", "STORE_DAMAGED"}, e.SupportCode)
	require.True(w, got.Number.IsZero())
	require.Empty(w, got.Holder)
}

// An older value of the same field does not open under the number of the newer.
func TestOlderValue(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		old := w.row(r, d.Token)
		w.save(r, with(t, d.Token, amex))
		w.rewrite(r, d.Token, func(row *store.Row) {
			require.Equal(t, old.Sealed[0].Generation+1, row.Sealed[0].Generation)
			row.Sealed[0].Record = old.Sealed[0].Record
		})
		w.doesNotOpen(r, d.Token)
	})
}

// A row carried into another repository does not open there.
func TestRowOfAnotherScope(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		one := w.repo(tokenize.UUID, tokenize.UniqueCard)
		two := w.repo(tokenize.UUID, tokenize.UniqueToken)
		d := w.save(one, req(t, visa))
		row := w.row(one, d.Token)
		row.Scope, row.Version = scopeID(t, two), 0
		out, err := w.db.Cards().Write(t.Context(), []store.Write{{Row: row, Epoch: w.stored(two).Epoch}}, nil)
		require.NoError(t, err)
		require.Equal(t, store.Written, out[0].Result)
		w.doesNotOpen(two, d.Token)
		w.holds(one, d.Token, visa)
	})
}

// What is sealed tells nothing: neither number nor holder is in a row in clear, and
// two rows of one card have nothing sealed in common.
func TestNothingInClear(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueToken)
	const rows = 4
	packed := 0 // three bytes may be the same by chance, though not in each row
	var records [][]byte
	for range rows {
		q := req(t, canary)
		q.Card.Holder, q.Card.Email = "HOLDER", canaryEmail
		row := w.row(r, w.save(r, q).Token)
		require.Len(t, row.Sealed, 3)
		require.NotContains(t, fmt.Sprintf("%+v %q", row, row.UpdatedBy), canaryEmail)
		require.Len(t, row.Sealed[0].Record, seal.PANSize)
		if bytes.Contains(row.Sealed[0].Record, []byte("\x09\x90\x13")) {
			packed++
		}
		for _, s := range row.Sealed {
			require.NotContains(t, string(s.Record), "HOLDER")
			require.NotContains(t, string(s.Record), canaryEmail)
			require.NotContains(t, string(s.Record), hidden)
			records = append(records, s.Record[58:])
		}
	}
	require.Less(t, packed, rows)
	for i := range records {
		for j := range i {
			require.False(t, slices.Equal(records[i], records[j]))
		}
	}
	// The index value of a card is its own in each repository.
	two := w.repo(tokenize.UUID, tokenize.UniqueCard)
	a, b := w.row(r, w.save(r, req(t, visa)).Token), w.row(two, w.save(two, req(t, visa)).Token)
	require.NotEqual(t, a.Index[0].Value, b.Index[0].Value)
	require.Equal(t, a.Index[0].Key, b.Index[0].Key)
}
