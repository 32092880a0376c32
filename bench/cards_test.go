package bench

import (
	"testing"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

var (
	pan16 = []byte("4111111111111111") // a published test card
	sinkB bool
	sinkC byte
	sinkS string
	sinkD []byte
	sinkP card.PAN
	sinkN card.Network
)

func BenchmarkLuhn(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkB = luhnFloor(pan16)
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkB = card.Luhn(pan16)
		}
	})
}

func BenchmarkCheckDigit(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkC = checkDigitFloor(pan16[:15])
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkC, _ = card.CheckDigit(pan16[:15])
		}
	})
}

func BenchmarkBrand(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkS = brandFloor(pan16)
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkN = card.NetworkOf(pan16)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	buf := make([]byte, 0, 32)
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkD = append(buf, pan16...)
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkD = card.AppendMasked(buf, pan16, card.Mask64)
		}
	})
}

// Parsing has no budget of its own; its floor packs sixteen checked digits.
func BenchmarkParse(b *testing.B) {
	var packed [10]byte
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i := 0; i < len(pan16); i += 2 {
				hi, lo := pan16[i]-'0', pan16[i+1]-'0'
				if hi > 9 || lo > 9 {
					b.Fatal("not digits")
				}
				packed[i/2] = hi<<4 | lo
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkP, _ = card.ParsePAN(pan16)
		}
	})
}

func BenchmarkToken(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			f, buf := new(tokenFloor), make([]byte, 0, 32)
			for pb.Next() {
				f.append(buf)
			}
		})
	})
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			buf := make([]byte, 0, 32)
			for pb.Next() {
				generate.AppendRandomWithLuhn(buf)
			}
		})
	})
}
