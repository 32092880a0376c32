package ff1

import (
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

var testKey = []byte("32 bytes of a key for tests only")

func newTestKey(tb testing.TB, key []byte) *Key {
	k, err := NewKey(key)
	require.NoError(tb, err)
	return k
}

// reference is SP 800-38G, algorithms 7 and 8, step by step with numbers of any
// size.
func reference(tb testing.TB, key []byte, radix int, x []uint16, tweak []byte, back bool) []uint16 {
	block, err := aes.NewCipher(key)
	require.NoError(tb, err)
	n, t := len(x), len(tweak)
	u := n / 2
	v := n - u
	num := func(x []uint16) *big.Int {
		sum := new(big.Int)
		for _, digit := range x {
			sum.Mul(sum, big.NewInt(int64(radix))).Add(sum, big.NewInt(int64(digit)))
		}
		return sum
	}
	power := func(m int) *big.Int { return new(big.Int).Exp(big.NewInt(int64(radix)), big.NewInt(int64(m)), nil) }
	b := (new(big.Int).Sub(power(v), big.NewInt(1)).BitLen() + 7) / 8
	d := 4*((b+3)/4) + 4

	p := []byte{1, 2, 1, byte(radix >> 16), byte(radix >> 8), byte(radix), 10, byte(u)}
	p = binary.BigEndian.AppendUint32(p, uint32(n))
	p = binary.BigEndian.AppendUint32(p, uint32(t))
	left, right := x[:u], x[u:]
	for i := range 10 {
		from := right
		if back {
			i, from = 9-i, left
		}
		q := append(bytes.Clone(p), tweak...)
		q = append(q, make([]byte, ((-t-b-1)%16+16)%16)...)
		q = append(q, byte(i))
		q = append(q, num(from).FillBytes(make([]byte, b))...)
		r := make([]byte, 16)
		for ; len(q) > 0; q = q[16:] {
			for j := range r {
				r[j] ^= q[j]
			}
			block.Encrypt(r, r)
		}
		s := bytes.Clone(r)
		for j := uint64(1); len(s) < d; j++ {
			next := bytes.Clone(r)
			binary.BigEndian.PutUint64(next[8:], binary.BigEndian.Uint64(r[8:])^j)
			block.Encrypt(next, next)
			s = append(s, next...)
		}
		y := new(big.Int).SetBytes(s[:d])
		m := u
		if i%2 == 1 {
			m = v
		}
		c := new(big.Int)
		if back {
			c.Sub(num(right), y)
		} else {
			c.Add(num(left), y)
		}
		c.Mod(c, power(m))
		digits := make([]uint16, m)
		for j := m - 1; j >= 0; j-- {
			digit := new(big.Int)
			c.QuoRem(c, big.NewInt(int64(radix)), digit)
			digits[j] = uint16(digit.Int64())
		}
		if back {
			left, right = digits, left
		} else {
			left, right = right, digits
		}
	}
	return append(append([]uint16{}, left...), right...)
}

// chance is a source of test inputs that are the same on every run.
func chance(seed string) *rand.Rand { return rand.New(rand.NewChaCha8(sha256.Sum256([]byte(seed)))) }

func someBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func someNumerals(r *rand.Rand, radix, n int) []uint16 {
	x := make([]uint16, n)
	for i := range x {
		x[i] = uint16(r.IntN(radix))
		if r.IntN(4) == 0 { // the ends of the range more often
			x[i] = uint16([]int{0, radix - 1}[r.IntN(2)])
		}
	}
	return x
}

// ascii and numerals turn one form into the other.
func ascii(x []uint16) []byte {
	b := make([]byte, len(x))
	for i, digit := range x {
		b[i] = '0' + byte(digit)
	}
	return b
}

func numerals(alphabet string, text []byte) []uint16 {
	x := make([]uint16, len(text))
	for i, c := range text {
		x[i] = uint16(bytes.IndexByte([]byte(alphabet), c)) // 65535 for what is none
	}
	return x
}
