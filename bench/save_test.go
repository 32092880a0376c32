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

func newRepository(tb testing.TB) *tokenize.Repository {
	ctx, db := context.Background(), memory.New()
	m, err := keys.Open(ctx, db.Keys(), keystest.NewKEK("bench"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	v, err := tokenize.Open(ctx, db.Cards(), m, nil)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := v.EnsureRepository(ctx, tokenize.Config{
		ID: "BENCH", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// numbers counts through Luhn-valid numbers of one test range, so that every
// save is of a new card.
type numbers struct {
	digits [16]byte
}

func newNumbers(lane byte) *numbers {
	n := new(numbers)
	copy(n.digits[:], "4000000000000000")
	n.digits[1] += lane % 10
	return n
}

func (n *numbers) next(tb testing.TB) card.PAN {
	for i := 14; ; i-- {
		if n.digits[i]++; n.digits[i] <= '9' {
			break
		}
		n.digits[i] = '0'
	}
	n.digits[15], _ = card.CheckDigit(n.digits[:15])
	pan, err := card.ParsePAN(n.digits[:])
	if err != nil {
		tb.Fatal(err)
	}
	return pan
}

// rowsKept is how many rows a store is filled with before a new one takes its
// place: what is measured is the path, not how the machine hands out memory to a
// table that grows for ever.
const rowsKept = 10_000

// BenchmarkSave is a save of a new card on the memory store against the sum of
// its crypto parts: one seal, one index value, one token, one record ID.
func BenchmarkSave(b *testing.B) {
	b.Run("floor", func(b *testing.B) { saveFloor(b, 1) })
	b.Run("ours", func(b *testing.B) {
		r, ctx, n := newRepository(b), context.Background(), newNumbers(0)
		b.ReportAllocs()
		for i := 1; b.Loop(); i++ {
			if i%rowsKept == 0 {
				r = newRepository(b)
			}
			q := tokenize.SaveRequest{Caller: teller, Card: card.Details{Number: n.next(b)}}
			if _, err := r.Save(ctx, q); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSaveBatch is the same for a thousand cards in one call.
func BenchmarkSaveBatch(b *testing.B) {
	const size = 1000
	b.Run("floor", func(b *testing.B) { saveFloor(b, size) })
	b.Run("ours", func(b *testing.B) {
		r, ctx, n := newRepository(b), context.Background(), newNumbers(0)
		reqs := make([]tokenize.SaveRequest, size)
		b.ReportAllocs()
		for i := 1; b.Loop(); i++ {
			if i%(rowsKept/size) == 0 {
				r = newRepository(b)
			}
			for i := range reqs {
				reqs[i] = tokenize.SaveRequest{Caller: teller, Card: card.Details{Number: n.next(b)}}
			}
			if _, err := r.SaveBatch(ctx, reqs); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func saveFloor(b *testing.B, size int) {
	g, h, f := bareGCM(b), bareHMAC(), new(tokenFloor)
	plain, aad, dst := make([]byte, plainSize), make([]byte, aadSize), make([]byte, 0, 256)
	message, id := make([]byte, 32), make([]byte, 16)
	b.ReportAllocs()
	for b.Loop() {
		for range size {
			g.Seal(dst, nil, plain, aad)
			h.Reset()
			h.Write(message)
			h.Sum(dst)
			f.append(dst)
			rand.Read(id)
		}
	}
}
