package ff1

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDigits takes any bytes for a number: digits come out as the general form's
// and go back, all else is refused.
func FuzzDigits(f *testing.F) {
	f.Add([]byte("123456"), []byte("tweak"), 2)
	f.Add([]byte("0123456789"), []byte("9876543210"), 0)
	f.Add([]byte("9999999999999999999"), bytes.Repeat([]byte{0xff}, 40), 33)
	f.Add(bytes.Repeat([]byte("9"), MaxDigits), []byte{}, 0)
	f.Add([]byte("12345x"), []byte{}, 0)
	f.Fuzz(func(t *testing.T, text, tweak []byte, cut int) {
		if cut < 0 || cut > len(tweak) || len(tweak) > MaxTweak {
			return
		}
		k := newTestKey(t, testKey)
		d, err := k.Digits(len(text), &DigitsOptions{tweak[:cut], len(tweak) - cut})
		if len(text) < 6 || len(text) > MaxDigits {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		got, err := d.Encrypt(nil, text, tweak[cut:])
		if len(bytes.Trim(text, "0123456789")) > 0 {
			require.ErrorIs(t, err, ErrNumeral)
			require.Nil(t, got)
			return
		}
		require.NoError(t, err)
		c, err := k.Cipher(10)
		require.NoError(t, err)
		want, err := c.Encrypt(nil, numerals(alphabet36, text), tweak)
		require.NoError(t, err)
		require.Equal(t, ascii(want), got)
		got, err = d.Decrypt(nil, got, tweak[cut:])
		require.NoError(t, err)
		require.Equal(t, text, got)
	})
}

// FuzzCipher holds any radix and numerals to the reference.
func FuzzCipher(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06"), []byte("tweak"), 10)
	f.Add(bytes.Repeat([]byte{0xff}, 80), []byte{}, MaxRadix)
	f.Add(bytes.Repeat([]byte{0, 1}, 70), bytes.Repeat([]byte{1}, 31), 2)
	f.Fuzz(func(t *testing.T, data, tweak []byte, radix int) {
		c, err := newTestKey(t, testKey).Cipher(radix)
		if radix < MinRadix || radix > MaxRadix {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		if len(data) > 400 || len(tweak) > 400 {
			return // the reference is slow
		}
		plain, good := make([]uint16, len(data)/2), true
		for i := range plain {
			plain[i] = uint16(data[2*i])<<8 | uint16(data[2*i+1])
			good = good && int(plain[i]) < radix
		}
		got, err := c.Encrypt(nil, plain, tweak)
		if !good || len(plain) < c.MinLen() {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, reference(t, testKey, radix, plain, tweak, false), got)
		got, err = c.Decrypt(got[:0], got, tweak)
		require.NoError(t, err)
		require.Equal(t, plain, got)
	})
}
