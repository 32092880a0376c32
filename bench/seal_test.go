package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// Sizes of what goes through the cipher for one PAN: the packed number, and the
// additional data of a record without owner and pairs.
const (
	plainSize = card.PackedSize
	aadSize   = 28
)

func newManager(tb testing.TB) *keys.Manager {
	m, err := keys.Open(context.Background(), memory.New().Keys(), keystest.NewKEK("bench"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

func testPAN(tb testing.TB) card.PAN {
	pan, err := card.ParsePAN(pan16)
	if err != nil {
		tb.Fatal(err)
	}
	return pan
}

func BenchmarkSeal(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		g := bareGCM(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			plain, aad, dst := make([]byte, plainSize), make([]byte, aadSize), make([]byte, 0, 256)
			for pb.Next() {
				g.Seal(dst, nil, plain, aad)
			}
		})
	})
	b.Run("ours", func(b *testing.B) {
		s, pan, id, ctx := seal.New(newManager(b), "bench"), testPAN(b), seal.NewRecordID(), context.Background()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			dst := make([]byte, 0, 256)
			for pb.Next() {
				if _, err := s.SealPAN(ctx, dst, pan, id); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkOpen(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		g := bareGCM(b)
		record := g.Seal(nil, nil, make([]byte, plainSize), make([]byte, aadSize))
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			aad, dst := make([]byte, aadSize), make([]byte, 0, 256)
			for pb.Next() {
				if _, err := g.Open(dst, nil, record, aad); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("ours", func(b *testing.B) {
		s, id, ctx := seal.New(newManager(b), "bench"), seal.NewRecordID(), context.Background()
		record, err := s.SealPAN(ctx, nil, testPAN(b), id)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := s.OpenPAN(ctx, record, id); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkOpenForeign opens records of other processes: the data key is in
// memory, the sealing key of each record's salt is not.
func BenchmarkOpenForeign(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		block := newAES(b)
		g := bareGCM(b)
		record := g.Seal(nil, nil, make([]byte, plainSize), make([]byte, aadSize))
		aad, dst, key := make([]byte, aadSize), make([]byte, 0, 256), make([]byte, 32)
		b.ReportAllocs()
		for b.Loop() {
			block.Encrypt(key[:16], key[:16])
			block.Encrypt(key[16:], key[16:])
			k, err := aes.NewCipher(key)
			if err != nil {
				b.Fatal(err)
			}
			fresh, err := cipher.NewGCMWithRandomNonce(k)
			if err != nil {
				b.Fatal(err)
			}
			// The record is another key's: its tag is computed and found wrong,
			// which costs the same but for decrypting eleven bytes.
			if _, err := fresh.Open(dst, nil, record, aad); err == nil {
				b.Fatal("opened")
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		// More salts than the cache of sealing keys holds, used in turn.
		const salts = 8192
		m, ctx, id, pan := newManager(b), context.Background(), seal.NewRecordID(), testPAN(b)
		s := seal.New(m, "bench")
		records := make([][]byte, salts)
		for i := range records {
			var err error
			if records[i], err = s.SealPAN(ctx, nil, pan, id); err != nil {
				b.Fatal(err)
			}
			m.Renew()
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.OpenPAN(ctx, records[i%salts], id); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkBlindIndex(b *testing.B) {
	const label = "cardseal index"
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			h, message, out := bareHMAC(), make([]byte, 1+len(label)+1+len(pan16)), make([]byte, 0, 32)
			for pb.Next() {
				h.Reset()
				h.Write(message)
				h.Sum(out)
			}
		})
	})
	b.Run("ours", func(b *testing.B) {
		x, err := blindindex.New(make([]byte, 32), label)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			out := make([]byte, 0, 32)
			for pb.Next() {
				x.Append(out, pan16)
			}
		})
	})
}

func TestSizesAreThoseMeasured(t *testing.T) {
	aad, err := (&envelope.Additional{Field: 1}).AppendTo(nil)
	if err != nil || len(aad) != aadSize {
		t.Fatalf("additional data is %d bytes: %v", len(aad), err)
	}
}
