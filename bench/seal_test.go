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

var sealPath = path{"Seal", 1,
	func(tb testing.TB) func() func(int) {
		g := bareGCM(tb)
		return func() func(int) {
			plain, aad, dst := make([]byte, plainSize), make([]byte, aadSize), make([]byte, 0, 256)
			return func(n int) {
				for range n {
					g.Seal(dst, nil, plain, aad)
				}
			}
		}
	},
	func(tb testing.TB) func() func(int) {
		return sealLoop(tb, seal.New(newManager(tb), "bench"), seal.NewRecordID())
	},
}

func sealLoop(tb testing.TB, s *seal.Sealer, id seal.RecordID) func() func(int) {
	pan, ctx := testPAN(tb), context.Background()
	return func() func(int) {
		dst := make([]byte, 0, 256)
		return func(n int) {
			for range n {
				if _, err := s.SealPAN(ctx, dst, pan, id); err != nil {
					tb.Error(err)
				}
			}
		}
	}
}

var openPath = path{"Open", 1,
	func(tb testing.TB) func() func(int) {
		g := bareGCM(tb)
		record := g.Seal(nil, nil, make([]byte, plainSize), make([]byte, aadSize))
		return func() func(int) {
			aad, dst := make([]byte, aadSize), make([]byte, 0, 256)
			return func(n int) {
				for range n {
					if _, err := g.Open(dst, nil, record, aad); err != nil {
						tb.Error(err)
					}
				}
			}
		}
	},
	func(tb testing.TB) func() func(int) {
		s, id, ctx := seal.New(newManager(tb), "bench"), seal.NewRecordID(), context.Background()
		record, err := s.SealPAN(ctx, nil, testPAN(tb), id)
		if err != nil {
			tb.Fatal(err)
		}
		return openLoop(tb, s, record, id)
	},
}

func openLoop(tb testing.TB, s *seal.Sealer, record []byte, id seal.RecordID) func() func(int) {
	ctx := context.Background()
	return func() func(int) {
		return func(n int) {
			for range n {
				if _, err := s.OpenPAN(ctx, record, id); err != nil {
					tb.Error(err)
				}
			}
		}
	}
}

// foreignPath opens records of other processes: the data key is in memory, the
// sealing key of each record's salt is not. Its floor is two AES blocks, a key
// schedule, GCM and the opening; the record there is another key's, so that its
// tag is computed and found wrong, which costs the same but for eleven bytes.
var foreignPath = path{"OpenForeign", 1,
	func(tb testing.TB) func() func(int) {
		block, g := newAES(tb), bareGCM(tb)
		record := g.Seal(nil, nil, make([]byte, plainSize), make([]byte, aadSize))
		return func() func(int) {
			aad, dst, key := make([]byte, aadSize), make([]byte, 0, 256), make([]byte, 32)
			return func(n int) {
				for range n {
					block.Encrypt(key[:16], key[:16])
					block.Encrypt(key[16:], key[16:])
					k, err := aes.NewCipher(key)
					if err != nil {
						tb.Error(err)
					}
					fresh, err := cipher.NewGCMWithRandomNonce(k)
					if err != nil {
						tb.Error(err)
					}
					if _, err := fresh.Open(dst, nil, record, aad); err == nil {
						tb.Error("opened")
					}
				}
			}
		}
	},
	func(tb testing.TB) func() func(int) {
		// More salts than the cache of sealing keys holds, used in turn.
		const salts = 4096
		m, ctx, id, pan := newManager(tb), context.Background(), seal.NewRecordID(), testPAN(tb)
		s := seal.New(m, "bench")
		records := make([][]byte, salts)
		for i := range records {
			var err error
			if records[i], err = s.SealPAN(ctx, nil, pan, id); err != nil {
				tb.Fatal(err)
			}
			m.Renew()
		}
		return func() func(int) {
			at := 0
			return func(n int) {
				for range n {
					at++
					if _, err := s.OpenPAN(ctx, records[at%salts], id); err != nil {
						tb.Error(err)
					}
				}
			}
		}
	},
}

const indexLabel = "cardseal index"

var indexPath = path{"BlindIndex", 1,
	func(testing.TB) func() func(int) {
		return func() func(int) {
			h, message, out := bareHMAC(), make([]byte, 1+len(indexLabel)+1+len(pan16)), make([]byte, 0, 32)
			return func(n int) {
				for range n {
					h.Reset()
					h.Write(message)
					h.Sum(out)
				}
			}
		}
	},
	func(tb testing.TB) func() func(int) {
		x, err := blindindex.New(make([]byte, 32), indexLabel)
		if err != nil {
			tb.Fatal(err)
		}
		return func() func(int) {
			out := make([]byte, 0, 32)
			return func(n int) {
				for range n {
					x.Append(out, pan16)
				}
			}
		}
	},
}

func TestSizesAreThoseMeasured(t *testing.T) {
	aad, err := (&envelope.Additional{Field: 1}).AppendTo(nil)
	if err != nil || len(aad) != aadSize {
		t.Fatalf("additional data is %d bytes: %v", len(aad), err)
	}
}
