package bench

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/ff1"
)

// ff1Floor is FF1 with radix 10 as one writes it by hand on machine integers, for
// numbers of one length up to 18 digits, under tweaks of up to 8 bytes behind a
// prefix of whole blocks. All that does not change is encrypted once.
type ff1Floor struct {
	block      cipher.Block
	u, v       int
	powU, powV uint64
	half       int      // bits of a half in the last block
	mac        [16]byte // over P and the prefix
	buf        [16]byte
	_          [64]byte // lest another core's floor lies on the same line
}

func newFF1Floor(tb testing.TB, key []byte, digits int, prefix []byte, rest int) *ff1Floor {
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	f := &ff1Floor{block: block, u: digits / 2, v: digits - digits/2, powU: 1, powV: 1}
	for range f.u {
		f.powU *= 10
	}
	for range f.v {
		f.powV *= 10
	}
	for (f.powV-1)>>f.half != 0 {
		f.half += 8
	}
	f.mac = [16]byte{1, 2, 1, 0, 0, 10, 10, byte(f.u), 0, 0, 0, byte(digits), 0, 0, 0, byte(len(prefix) + rest)}
	block.Encrypt(f.mac[:], f.mac[:])
	for ; len(prefix) > 0; prefix = prefix[16:] {
		for i := range f.mac {
			f.mac[i] ^= prefix[i]
		}
		block.Encrypt(f.mac[:], f.mac[:])
	}
	return f
}

func (f *ff1Floor) append(dst, digits, tweak []byte) []byte {
	f.buf = [16]byte{}
	copy(f.buf[:8], tweak)
	hi := binary.BigEndian.Uint64(f.mac[:]) ^ binary.BigEndian.Uint64(f.buf[:])
	lo := binary.BigEndian.Uint64(f.mac[8:])
	var a, b uint64
	for _, c := range digits[:f.u] {
		a = a*10 + uint64(c-'0')
	}
	for _, c := range digits[f.u:] {
		b = b*10 + uint64(c-'0')
	}
	for i := uint64(0); i < 10; i++ {
		binary.BigEndian.PutUint64(f.buf[:], hi)
		binary.BigEndian.PutUint64(f.buf[8:], lo^i<<f.half^b)
		f.block.Encrypt(f.buf[:], f.buf[:])
		m := f.powU
		if i%2 == 1 {
			m = f.powV
		}
		a, b = b, (a+binary.BigEndian.Uint64(f.buf[:])%m)%m
	}
	n := len(dst)
	dst = append(dst, digits...)
	for i := len(dst) - 1; i >= n+f.u; i-- {
		dst[i] = '0' + byte(b%10)
		b /= 10
	}
	for i := n + f.u - 1; i >= n; i-- {
		dst[i] = '0' + byte(a%10)
		a /= 10
	}
	return dst
}

// The tweak of a token: what a repository has fixed, and eight bytes of the card.
var (
	ff1Key    = bytes.Repeat([]byte{7}, 32)
	ff1Prefix = bytes.Repeat([]byte("scope of a token"), 3)
	ff1Tweak  = []byte("41111111")
	ff1Number = []byte("111111111111")
)

// ff1Batch is how many numbers a batch has.
const ff1Batch = 64

func newFF1(tb testing.TB, digits int) *ff1.Digits {
	key, err := ff1.NewKey(ff1Key)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := key.Digits(digits, &ff1.DigitsOptions{TweakPrefix: ff1Prefix, TweakSize: len(ff1Tweak)})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func ff1FloorSide(digits int) side {
	return func(tb testing.TB) func() func(int) {
		return func() func(int) {
			f, dst := newFF1Floor(tb, ff1Key, digits, ff1Prefix, len(ff1Tweak)), make([]byte, 0, 32)
			return func(n int) {
				for range n {
					f.append(dst, ff1Number[:digits], ff1Tweak)
				}
			}
		}
	}
}

// ff1Path encrypts one number after the other.
func ff1Path(digits int) path {
	return path{fmt.Sprint("FF1Digits", digits), 1, ff1FloorSide(digits),
		func(tb testing.TB) func() func(int) {
			d := newFF1(tb, digits)
			return func() func(int) {
				dst := make([]byte, 0, 32)
				return func(n int) {
					for range n {
						if _, err := d.Encrypt(dst, ff1Number[:digits], ff1Tweak); err != nil {
							tb.Error(err)
						}
					}
				}
			}
		},
	}
}

// ff1BatchPath encrypts in batches; its floor is that of single numbers.
func ff1BatchPath(digits int) path {
	return path{fmt.Sprint("FF1Batch", digits), ff1Batch, ff1FloorSide(digits),
		func(tb testing.TB) func() func(int) {
			d := newFF1(tb, digits)
			numbers, tweaks := bytes.Repeat(ff1Number[:digits], ff1Batch), bytes.Repeat(ff1Tweak, ff1Batch)
			return func() func(int) {
				dst := make([]byte, 0, len(numbers))
				return func(n int) {
					for n > 0 {
						count := min(n, ff1Batch)
						if _, err := d.EncryptBatch(dst, numbers[:count*digits], tweaks[:count*len(ff1Tweak)]); err != nil {
							tb.Error(err)
						}
						n -= count
					}
				}
			}
		},
	}
}

func TestFF1FloorIsRight(t *testing.T) {
	for _, digits := range []int{6, 12} {
		want, err := newFF1(t, digits).Encrypt(nil, ff1Number[:digits], ff1Tweak)
		require.NoError(t, err)
		f := newFF1Floor(t, ff1Key, digits, ff1Prefix, len(ff1Tweak))
		for range 2 {
			require.Equal(t, want, f.append(nil, ff1Number[:digits], ff1Tweak))
		}
	}
}
