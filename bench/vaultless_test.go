package bench

import (
	"fmt"
	"testing"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// vaultlessNumbers are as many Luhn-valid numbers of 16 digits as a batch has, one
// behind the other.
func vaultlessNumbers(tb testing.TB) (all []byte) {
	for i := range ff1Batch {
		digits := fmt.Appendf(nil, "411111%09d", i*15_485_863%1_000_000_000)
		check, err := card.CheckDigit(digits)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(append(all, digits...), check)
	}
	return all
}

func newVaultless(tb testing.TB) *generate.Vaultless {
	f, err := generate.NewVaultless(ff1Key, "production", "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d")
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// vaultlessFloor is FF1 by hand over the six middle digits, walked until the number
// fails Luhn.
func vaultlessFloor(tb testing.TB) func() func(int) {
	numbers := vaultlessNumbers(tb)
	return func() func(int) {
		f := newFF1Floor(tb, ff1Key, 6, ff1Prefix, len(ff1Tweak))
		var whole [16]byte
		return func(n int) {
			for i := range n {
				copy(whole[:], numbers[i%ff1Batch*16:])
				whole[11] = '0' + (whole[11]-'0'+1)%10
				for {
					f.append(whole[:6], whole[6:12], ff1Tweak)
					if !card.Luhn(whole[:]) {
						break
					}
				}
			}
		}
	}
}

// vaultlessPath makes one FF1 token after the other.
var vaultlessPath = path{"VaultlessToken", 1, vaultlessFloor,
	func(tb testing.TB) func() func(int) {
		f, numbers := newVaultless(tb), vaultlessNumbers(tb)
		return func() func(int) {
			dst := make([]byte, 0, 16)
			return func(n int) {
				for i := range n {
					if _, err := f.AppendToken(dst, numbers[i%ff1Batch*16:][:16]); err != nil {
						tb.Error(err)
					}
				}
			}
		}
	},
}

// vaultlessBatchPath makes FF1 tokens in batches; its floor is that of single ones.
var vaultlessBatchPath = path{"VaultlessBatch", ff1Batch, vaultlessFloor,
	func(tb testing.TB) func() func(int) {
		f, numbers := newVaultless(tb), vaultlessNumbers(tb)
		return func() func(int) {
			dst := make([]byte, 0, len(numbers))
			return func(n int) {
				for n > 0 {
					count := min(n, ff1Batch)
					if _, err := f.AppendTokens(dst, numbers[:count*16], 16); err != nil {
						tb.Error(err)
					}
					n -= count
				}
			}
		}
	},
}
