package ff1

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const alphabet36 = "0123456789abcdefghijklmnopqrstuvwxyz"

// TestNIST runs the nine samples that NIST published, in every form there is.
func TestNIST(t *testing.T) {
	data, err := os.ReadFile("testdata/nist-samples.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			Key, Tweak, PT, CT string
			Radix              int
		}
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.Len(t, file.Vectors, 9)
	for i, v := range file.Vectors {
		key, err := hex.DecodeString(v.Key)
		require.NoError(t, err)
		tweak, err := hex.DecodeString(v.Tweak)
		require.NoError(t, err)
		k := newTestKey(t, key)
		checkAll(t, k, v.Radix, numerals(alphabet36, []byte(v.PT)), numerals(alphabet36, []byte(v.CT)), tweak, fmt.Sprint("sample ", i+1))
	}
}

// checkAll holds every form that takes the plaintext to the ciphertext.
func checkAll(t *testing.T, k *Key, radix int, plain, want []uint16, tweak []byte, name string) {
	t.Helper()
	c, err := k.Cipher(radix)
	require.NoError(t, err, name)
	for range 2 { // the second time with used memory
		got, err := c.Encrypt(nil, plain, tweak)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
		got, err = c.Decrypt(nil, want, tweak)
		require.NoError(t, err, name)
		require.Equal(t, plain, got, name)
	}
	if radix == 10 && len(plain) <= MaxDigits {
		checkDigits(t, k, ascii(plain), ascii(want), tweak, len(tweak)*2/3, name)
	}
}

func checkDigits(t *testing.T, k *Key, plain, want, tweak []byte, prefix int, name string) {
	t.Helper()
	d, err := k.Digits(len(plain), &DigitsOptions{tweak[:prefix], len(tweak) - prefix})
	require.NoError(t, err, name)
	rest := tweak[prefix:]
	for range 2 {
		got, err := d.Encrypt(nil, plain, rest)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
		got, err = d.Decrypt(nil, want, rest)
		require.NoError(t, err, name)
		require.Equal(t, plain, got, name)
	}
}

// Lengths, radices and tweaks of all kinds against the plain reading of the
// standard, and against each other.
func TestAgainstReference(t *testing.T) {
	r := chance("reference")
	radices := []int{2, 3, 10, 16, 26, 36, 62, 255, 256, 257, 4095, 1 << 15, MaxRadix - 1, MaxRadix}
	for _, size := range []int{16, 24, 32} {
		key := someBytes(r, size)
		k := newTestKey(t, key)
		for _, radix := range radices {
			c, err := k.Cipher(radix)
			require.NoError(t, err)
			for _, n := range []int{c.MinLen(), c.MinLen() + 1, c.MinLen() + r.IntN(40), c.MinLen() + r.IntN(200)} {
				plain, tweak := someNumerals(r, radix, n), someBytes(r, r.IntN(70))
				want := reference(t, key, radix, plain, tweak, false)
				require.Equal(t, plain, reference(t, key, radix, want, tweak, true), "the reference is wrong")
				checkAll(t, k, radix, plain, want, tweak, fmt.Sprint(size, " bytes, radix ", radix, ", length ", n))
			}
		}
	}
}

// The longest string and tweak.
func TestLongest(t *testing.T) {
	r := chance("longest")
	plain, tweak := someNumerals(r, MaxRadix, MaxLength), someBytes(r, MaxTweak)
	c, err := newTestKey(t, testKey).Cipher(MaxRadix)
	require.NoError(t, err)
	got, err := c.Encrypt(nil, plain, tweak)
	require.NoError(t, err)
	require.True(t, slices.Equal(reference(t, testKey, MaxRadix, plain, tweak, false), got))
	back, err := c.Decrypt(nil, got, tweak)
	require.NoError(t, err)
	require.True(t, slices.Equal(plain, back))
	_, err = c.Encrypt(nil, append(plain, 0), nil)
	require.ErrorIs(t, err, errLong)
	_, err = c.Encrypt(nil, plain, append(tweak, 0))
	require.ErrorIs(t, err, errTweakLong)
}

func TestCipherRefuses(t *testing.T) {
	for size := range 40 {
		_, err := NewKey(make([]byte, size))
		if size == 16 || size == 24 || size == 32 {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, errKey, "%d bytes", size)
	}
	k := newTestKey(t, testKey)
	for _, radix := range []int{-1, 0, 1, MaxRadix + 1, 1 << 30} {
		_, err := k.Cipher(radix)
		require.ErrorIs(t, err, errRadix)
	}
	for radix, least := range map[int]int{2: 20, 3: 13, 10: 6, 36: 4, 99: 4, 100: 3, 999: 3, 1000: 2, 65536: 2} {
		c, err := k.Cipher(radix)
		require.NoError(t, err)
		require.Equal(t, least, c.MinLen(), "radix %d", radix)
		for n := range least {
			for _, f := range []func([]uint16, []uint16, []byte) ([]uint16, error){c.Encrypt, c.Decrypt} {
				got, err := f(nil, make([]uint16, n), nil)
				require.ErrorIs(t, err, ErrDomain, "radix %d, length %d", radix, n)
				require.Nil(t, got)
			}
		}
		_, err = c.Encrypt(nil, make([]uint16, least), nil)
		require.NoError(t, err)
		if radix == MaxRadix {
			continue // every uint16 is a numeral
		}
		dst := []uint16{7, 7, 7, 7}
		for at := range least {
			bad := make([]uint16, least)
			bad[at] = uint16(radix)
			got, err := c.Decrypt(dst[:1], bad, nil)
			require.ErrorIs(t, err, ErrNumeral)
			require.Nil(t, got)
			require.Equal(t, []uint16{7, 7, 7, 7}, dst)
		}
	}
}

func TestCipherAppends(t *testing.T) {
	c, err := newTestKey(t, testKey).Cipher(1000)
	require.NoError(t, err)
	plain := []uint16{1, 2, 3, 999, 5}
	want, err := c.Encrypt(nil, plain, nil)
	require.NoError(t, err)
	require.Equal(t, []uint16{1, 2, 3, 999, 5}, plain)
	got, err := c.Encrypt([]uint16{8, 9}, plain, nil)
	require.NoError(t, err)
	require.Equal(t, append([]uint16{8, 9}, want...), got)
	for at := range 8 { // dst before, on and behind the input
		buf := append(make([]uint16, 4, 32), plain...)
		got, err = c.Encrypt(buf[:at], buf[4:9], nil)
		require.NoError(t, err)
		require.Equal(t, want, got[at:])
	}
	inPlace := slices.Clone(plain)
	_, err = c.Encrypt(inPlace[:0], inPlace, nil)
	require.NoError(t, err)
	require.Equal(t, want, inPlace)
}

// No verb prints a key.
func TestPrintsNoKey(t *testing.T) {
	k := newTestKey(t, testKey)
	c, err := k.Cipher(10)
	require.NoError(t, err)
	d, err := k.Digits(6, nil)
	require.NoError(t, err)
	for _, verb := range "vtbcdoOqxXUs" {
		require.Equal(t, "ff1.Key ff1.Cipher ff1.Digits", fmt.Sprintf("%"+string(verb)+" %+"+string(verb)+" %#"+string(verb), k, c, d))
		for _, holder := range []any{struct{ k *Key }{k}, *k, struct{ c *Cipher }{c}, struct{ d *Digits }{d}} {
			text := fmt.Sprintf("%+"+string(verb), holder)
			for _, form := range []string{string(testKey[:4]), hex.EncodeToString(testKey[:4]), "861024051"} { // the last is its first word
				require.NotContains(t, text, form)
			}
		}
	}
}
