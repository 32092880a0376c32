package bench

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

var teller = tokenize.Caller{Owner: "bench", Permissions: tokenize.MayAll}

// rowsKept is how many rows a store is filled with before a new one takes its
// place: what is measured is the path, not how the machine hands out memory to a
// table that grows for ever.
const rowsKept = 10_000

// batchSize is how many cards the batch path saves in one call.
const batchSize = 1000

// filler saves new cards, one range of test numbers a goroutine.
type filler struct {
	tb     testing.TB
	m      *keys.Manager
	r      *tokenize.Repository
	rows   int
	digits [16]byte
}

func newFiller(tb testing.TB) *filler {
	f := &filler{tb: tb}
	copy(f.digits[:], "4000000000000000")
	f.fresh()
	tb.Cleanup(func() { f.m.Close() })
	return f
}

// fresh puts an empty store in place of the full one.
func (f *filler) fresh() {
	ctx, db := context.Background(), memory.New()
	if f.m != nil {
		f.m.Close()
	}
	var err error
	if f.m, err = keys.Open(ctx, db.Keys(), keystest.NewKEK("bench"), nil); err != nil {
		f.tb.Fatal(err)
	}
	v, err := tokenize.Open(ctx, db.Cards(), f.m, nil)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.r, err = v.EnsureRepository(ctx, tokenize.Config{
		ID: "BENCH", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard,
	})
	if err != nil {
		f.tb.Fatal(err)
	}
	f.rows = 0
}

// next counts to the next Luhn-valid number.
func (f *filler) next() tokenize.SaveRequest {
	for i := 14; ; i-- {
		if f.digits[i]++; f.digits[i] <= '9' {
			break
		}
		f.digits[i] = '0'
	}
	f.digits[15], _ = card.CheckDigit(f.digits[:15])
	pan, err := card.ParsePAN(f.digits[:])
	if err != nil {
		f.tb.Fatal(err)
	}
	if f.rows++; f.rows > rowsKept {
		f.fresh()
	}
	return tokenize.SaveRequest{Caller: teller, Card: card.Details{Number: pan}}
}

// saveFloor is the sum of a save's crypto parts: one seal, one index value, one
// token, one record ID.
func saveFloor(tb testing.TB) func() func(int) {
	g := bareGCM(tb)
	return func() func(int) {
		h, f := bareHMAC(), new(tokenFloor)
		plain, aad, dst := make([]byte, plainSize), make([]byte, aadSize), make([]byte, 0, 256)
		message, id := make([]byte, 32), make([]byte, 16)
		return func(n int) {
			for range n {
				g.Seal(dst, nil, plain, aad)
				h.Reset()
				h.Write(message)
				h.Sum(dst)
				f.append(dst)
				rand.Read(id)
			}
		}
	}
}

var savePath = path{"Save", 1, saveFloor,
	func(tb testing.TB) func() func(int) {
		return func() func(int) {
			f, ctx := newFiller(tb), context.Background()
			return func(n int) {
				for range n {
					if _, err := f.r.Save(ctx, f.next()); err != nil {
						tb.Error(err)
					}
				}
			}
		}
	},
}

// batchPath counts single cards; it saves them by the thousand.
var batchPath = path{"SaveBatch", batchSize, saveFloor,
	func(tb testing.TB) func() func(int) {
		return func() func(int) {
			f, ctx := newFiller(tb), context.Background()
			reqs := make([]tokenize.SaveRequest, 0, batchSize)
			return func(n int) {
				for range n {
					if reqs = append(reqs, f.next()); len(reqs) < batchSize {
						continue
					}
					if _, err := f.r.SaveBatch(ctx, reqs); err != nil {
						tb.Error(err)
					}
					reqs = reqs[:0]
				}
			}
		}
	},
}
