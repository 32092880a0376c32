package bench

import (
	"context"
	"crypto/subtle"
	"errors"
	"testing"
	"time"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
)

// codesKept is how many codes the store of the code benchmarks has, and codeUses how
// often each is used before it is put anew, outside of what is measured.
const (
	codesKept = 1000
	codeUses  = 9
)

// coder uses the codes of many cards in turn.
type coder struct {
	codes        *code.Codes
	puts         []code.Put
	right, wrong card.CVC
}

func newCoder(b testing.TB) *coder {
	ctx, db := context.Background(), memory.New()
	m, err := keys.Open(ctx, db.Keys(), keystest.NewKEK("bench"), nil)
	check(b, err)
	b.Cleanup(func() { m.Close() })
	v, err := tokenize.Open(ctx, db.Cards(), m, nil)
	check(b, err)
	r, err := v.EnsureRepository(ctx, tokenize.Config{ID: "BENCH", Generation: tokenize.UUID, Management: tokenize.UniqueCard})
	check(b, err)
	ephemeral, err := memory.NewCodes(nil)
	check(b, err)
	t, err := code.OpenTransient(ctx, ephemeral, keystest.NewKEK("bench"), &code.TransientOptions{TTL: 24 * time.Hour, MaxReads: 100})
	check(b, err)
	b.Cleanup(func() { t.Close() })
	c := new(coder)
	c.codes, err = code.Open(ctx, r, t, &code.Options{Tries: 10, Guesses: 100})
	check(b, err)
	c.right, err = card.ParseCVC("123")
	check(b, err)
	c.wrong, err = card.ParseCVC("124")
	check(b, err)
	f := &filler{tb: b}
	copy(f.digits[:], "4000000000000000")
	for range codesKept {
		d, err := r.Save(ctx, f.next())
		check(b, err)
		c.puts = append(c.puts, code.Put{Ref: code.Ref{Token: d.Token}, Code: c.right})
	}
	c.putAll(b)
	return c
}

func check(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (c *coder) putAll(b testing.TB) {
	_, err := c.codes.PutBatch(context.Background(), teller, c.puts)
	check(b, err)
}

// codeFloor is the floor of a comparison: one bare open and one comparison in constant
// time.
func codeFloor(tb testing.TB) func() func(int) {
	g := bareGCM(tb)
	sealed := g.Seal(nil, nil, make([]byte, card.PackedCVCSize), make([]byte, aadSize))
	return func() func(int) {
		aad, dst, candidate := make([]byte, aadSize), make([]byte, 0, 64), make([]byte, card.PackedCVCSize)
		return func(n int) {
			for range n {
				plain, err := g.Open(dst, nil, sealed, aad)
				if err != nil || subtle.ConstantTimeCompare(plain, candidate) != 1 {
					tb.Error("another code")
				}
			}
		}
	}
}

// verifying compares right codes. In few turns they are used up and put anew.
func verifying(tb testing.TB) func() func(int) {
	return func() func(int) {
		ctx, c, used := context.Background(), newCoder(tb), 0
		return func(n int) {
			for range n {
				if used++; used%(codesKept*codeUses) == 0 {
					if _, err := c.codes.PutBatch(ctx, teller, c.puts); err != nil {
						tb.Error(err)
					}
				}
				token := c.puts[used%codesKept].Ref.Token
				if _, err := c.codes.Verify(ctx, teller, code.Owner{}, token, c.right, code.Card); err != nil {
					tb.Error(err)
				}
			}
		}
	}
}

// BenchmarkCode is each call on the memory store, beside the floor of a comparison. A call besides opens the card, whose
// digest names its code, and reads and writes the counters.
func BenchmarkCode(b *testing.B) {
	ctx := context.Background()
	b.Run("floor", func(b *testing.B) {
		r := newRunner(b, codeFloor)
		b.ReportAllocs()
		b.ResetTimer()
		r.run(b.N)
	})
	for _, call := range []struct {
		name string
		do   func(c *coder, token string) error
	}{
		{"verify right", func(c *coder, token string) error {
			_, err := c.codes.Verify(ctx, teller, code.Owner{}, token, c.right, code.Card)
			return err
		}},
		{"verify wrong", func(c *coder, token string) error {
			_, err := c.codes.Verify(ctx, teller, code.Owner{}, token, c.wrong, code.Card)
			if !errors.Is(err, code.ErrWrong) {
				return errors.Join(err, errors.New("was not wrong"))
			}
			return nil
		}},
		{"put", func(c *coder, token string) error { return c.codes.Put(ctx, teller, code.Owner{}, token, c.right) }},
		{"retrieve", func(c *coder, token string) error {
			_, err := c.codes.Retrieve(ctx, teller, code.Owner{}, token)
			return err
		}},
	} {
		b.Run(call.name, func(b *testing.B) {
			c := newCoder(b)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n > 0 && n%(codesKept*codeUses) == 0 {
					b.StopTimer()
					c.putAll(b)
					b.StartTimer()
				}
				check(b, call.do(c, c.puts[n%codesKept].Ref.Token))
			}
		})
	}
}
