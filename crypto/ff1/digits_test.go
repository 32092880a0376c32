package ff1

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func newDigits(tb testing.TB, length int, prefix []byte, size int) *Digits {
	d, err := newTestKey(tb, testKey).Digits(length, &DigitsOptions{prefix, size})
	require.NoError(tb, err)
	return d
}

// On the smallest domain every number has an encryption of its own, and each goes
// back.
func TestBijection(t *testing.T) {
	d := newDigits(t, 6, []byte("test"), 0)
	all := make([]byte, 0, 6*minDomain)
	for i := range minDomain {
		all = fmt.Appendf(all, "%06d", i)
	}
	out, err := d.EncryptBatch(nil, all, nil)
	require.NoError(t, err)
	require.Len(t, out, len(all))
	seen := make([]bool, minDomain)
	for rest := out; len(rest) > 0; rest = rest[6:] {
		x := 0
		for _, c := range rest[:6] {
			x = x*10 + int(c-'0')
		}
		if seen[x] {
			t.Fatal("two numbers have the same encryption")
		}
		seen[x] = true
	}
	out, err = d.DecryptBatch(out[:0], out, nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(all, out))
}

// Every length under tweaks of every size, cut anywhere, is what the general form
// makes of it.
func TestDigitsAreCipher(t *testing.T) {
	r := chance("digits")
	k := newTestKey(t, testKey)
	c, err := k.Cipher(10)
	require.NoError(t, err)
	for n := 6; n <= MaxDigits; n++ {
		for size := range 56 {
			plain, tweak := someNumerals(r, 10, n), someBytes(r, size)
			want, err := c.Encrypt(nil, plain, tweak)
			require.NoError(t, err)
			checkDigits(t, k, ascii(plain), ascii(want), tweak, r.IntN(size+1), fmt.Sprint(n, " digits, tweak of ", size))
		}
	}
}

// A batch of any size is as many single calls.
func TestBatch(t *testing.T) {
	r := chance("batch")
	for _, shape := range [][2]int{{6, 0}, {7, 10}, {12, 5}, {19, 40}, {36, 1}} {
		d := newDigits(t, shape[0], []byte("a prefix of more than one block"), shape[1])
		for count := range 3 * lanes {
			digits, tweaks := ascii(someNumerals(r, 10, count*d.Len())), someBytes(r, count*d.TweakSize())
			want := []byte("x")
			var err error
			for i := range count {
				want, err = d.Encrypt(want, digits[i*d.Len():][:d.Len()], tweaks[i*d.TweakSize():][:d.TweakSize()])
				require.NoError(t, err)
			}
			got, err := d.EncryptBatch([]byte("x"), digits, tweaks)
			require.NoError(t, err)
			require.Equal(t, want, got)
			back, err := d.DecryptBatch(got[1:1], got[1:], tweaks)
			require.NoError(t, err)
			require.Equal(t, digits, append([]byte{}, back...))
		}
	}
}

func TestBatchRefuses(t *testing.T) {
	d := newDigits(t, 6, nil, 2)
	dst := bytes.Repeat([]byte("x"), 200)
	for _, c := range [][2]int{{5, 0}, {7, 2}, {12, 3}, {12, 2}, {0, 2}, {12, 6}} {
		got, err := d.EncryptBatch(dst[:0], bytes.Repeat([]byte("1"), c[0]), make([]byte, c[1]))
		require.ErrorIs(t, err, errBatch)
		require.Nil(t, got)
	}
	for i := range 12 {
		digits := bytes.Repeat([]byte("1"), 12*6)
		digits[6*i+i%6] = ':'
		got, err := d.DecryptBatch(dst[:0], digits, make([]byte, 24))
		require.ErrorIs(t, err, ErrNumeral)
		e, ok := err.(*BatchError)
		require.True(t, ok)
		require.Equal(t, i, e.Index)
		require.Nil(t, got)
		require.NotContains(t, err.Error(), "111")
	}
	require.Equal(t, strings.Repeat("x", 200), string(dst), "something was written")
}

func TestDigitsRefuse(t *testing.T) {
	k := newTestKey(t, testKey)
	for n := -1; n < 50; n++ {
		d, err := k.Digits(n, nil)
		switch {
		case n >= 6 && n <= MaxDigits:
			require.NoError(t, err)
			require.Equal(t, n, d.Len())
		case n >= 2 && n < 6:
			require.ErrorIs(t, err, ErrDomain, "%d", n)
		default:
			require.ErrorIs(t, err, errDigits, "%d", n)
		}
	}
	for _, o := range []DigitsOptions{
		{nil, -1}, {nil, MaxTweak + 1}, {make([]byte, MaxTweak+1), 0}, {make([]byte, 1), MaxTweak}, {make([]byte, 1), int(^uint(0) >> 1)},
	} {
		_, err := k.Digits(6, &o)
		require.ErrorIs(t, err, errTweakSize)
	}
	_, err := k.Digits(6, &DigitsOptions{make([]byte, 1), MaxTweak - 1})
	require.NoError(t, err)

	d := newDigits(t, 6, nil, 3)
	for _, f := range []func(dst, digits, tweak []byte) ([]byte, error){d.Encrypt, d.Decrypt} {
		for _, text := range []string{"", "12345", "1234567"} {
			got, err := f([]byte("x"), []byte(text), make([]byte, 3))
			require.ErrorIs(t, err, errInput)
			require.Nil(t, got)
		}
		for _, size := range []int{0, 2, 4} {
			_, err := f(nil, []byte("123456"), make([]byte, size))
			require.ErrorIs(t, err, errTweak)
		}
		for at := range 6 {
			for c := range 256 {
				text := []byte("123456")
				text[at] = byte(c)
				got, err := f(nil, text, make([]byte, 3))
				if c >= '0' && c <= '9' {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, ErrNumeral, "byte %d", c)
				require.Nil(t, got)
			}
		}
	}
}

func TestDigitsAppend(t *testing.T) {
	d := newDigits(t, 8, nil, 3)
	want, err := d.Encrypt(nil, []byte("12345678"), []byte("abc"))
	require.NoError(t, err)
	text := []byte("..12345678..abc..........")
	for at := range 16 { // dst before, on and behind digits and tweak
		buf := slices.Grow(bytes.Clone(text), 32)
		got, err := d.Encrypt(buf[:at], buf[2:10], buf[12:15])
		require.NoError(t, err)
		require.Equal(t, string(text[:at])+string(want), string(got))
		if at >= 15 {
			require.Equal(t, text[:15], buf[:15], "input was changed")
		}
	}
	prefix := []byte("prefix")
	d = newDigits(t, 8, prefix, 0)
	clear(prefix)
	want, err = newDigits(t, 8, []byte("prefix"), 0).Encrypt(nil, []byte("12345678"), nil)
	require.NoError(t, err)
	got, err := d.Encrypt(nil, []byte("12345678"), nil)
	require.NoError(t, err)
	require.Equal(t, want, got, "the prefix was not copied")
}

// The reductions where they are tightest: around multiples of the modulus, and at
// the ends.
func TestModulus(t *testing.T) {
	r := chance("modulus")
	for digits := 3; digits <= MaxDigits/2; digits++ {
		m := newModulus(digits)
		big96 := new(big.Int).SetUint64(m.m)
		require.Equal(t, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil), big96)
		for i := range 2000 {
			y := r.Uint64()
			switch i % 4 {
			case 0:
				y -= y % m.m
			case 1:
				y -= y%m.m + 1
			case 2:
				y = ^uint64(0) - y>>(i%64)
			}
			require.Equal(t, y%m.m, m.reduce(y))
			if m.shift == 0 {
				continue
			}
			wide := new(big.Int).Lsh(new(big.Int).SetUint64(y), 32)
			wide.Add(wide, big.NewInt(int64(r.Uint32())))
			if i%3 > 0 { // a multiple, or one less
				wide.Sub(wide, new(big.Int).Mod(wide, big96))
				wide.Sub(wide, big.NewInt(int64(i%3-1)))
			}
			if wide.Sign() < 0 {
				continue
			}
			hi := new(big.Int).Rsh(wide, 32).Uint64()
			lo := uint32(new(big.Int).And(wide, big.NewInt(1<<32-1)).Uint64())
			require.Equal(t, new(big.Int).Mod(wide, big96).Uint64(), m.reduceWide(hi, lo))
		}
	}
}

// One object, many goroutines: other libraries' FF1 returns wrong numbers here.
func TestConcurrent(t *testing.T) {
	k := newTestKey(t, testKey)
	c, err := k.Cipher(10)
	require.NoError(t, err)
	d := newDigits(t, 16, []byte("prefix"), 20)
	var wg sync.WaitGroup
	for i := range 8 {
		r := chance(fmt.Sprint("goroutine ", i))
		wg.Go(func() {
			for range 300 {
				plain, tweak := someNumerals(r, 10, 16), someBytes(r, 20)
				want := reference(t, testKey, 10, plain, append([]byte("prefix"), tweak...), false)
				general, err1 := c.Encrypt(nil, plain, append([]byte("prefix"), tweak...))
				fast, err2 := d.Encrypt(nil, ascii(plain), tweak)
				batch, err3 := d.EncryptBatch(nil, bytes.Repeat(ascii(plain), 3), bytes.Repeat(tweak, 3))
				back, err4 := d.Decrypt(nil, fast, tweak)
				if err1 != nil || err2 != nil || err3 != nil || err4 != nil || !slices.Equal(want, general) ||
					!bytes.Equal(ascii(want), fast) || !bytes.Equal(bytes.Repeat(fast, 3), batch) || !bytes.Equal(ascii(plain), back) {
					t.Error("a number of another call")
					return
				}
			}
		})
	}
	wg.Wait()
}

// Memory between two calls holds nothing of the call before.
func TestWorkersAreCleared(t *testing.T) {
	d := newDigits(t, 12, []byte("prefix"), 40)
	c, err := newTestKey(t, testKey).Cipher(10)
	require.NoError(t, err)
	fresh, tweak := d.worker(), bytes.Repeat([]byte{9}, 40)
	cleared := map[string]bool{}
	for range 200 { // under -race a pool drops some of what it is given
		_, err := d.EncryptBatch(nil, bytes.Repeat([]byte("123456789012"), 9), bytes.Repeat(tweak, 9))
		require.NoError(t, err)
		if w, ok := d.workers.Get().(*worker); ok {
			require.Equal(t, fresh, w)
			cleared["Digits"] = true
		}
		_, err = c.Encrypt(nil, make([]uint16, 70), tweak)
		require.NoError(t, err)
		if w, ok := c.workers.Get().(*general); ok {
			require.Zero(t, bytes.Trim(slices.Concat(w.q, w.s, w.mac[:], w.r[:]), "\x00"))
			require.Equal(t, make([]uint32, len(w.word)), w.word)
			require.NotEmpty(t, w.word)
			cleared["Cipher"] = true
		}
	}
	require.Len(t, cleared, 2, "no worker came back")
}
