package card

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/cardseal/cardseal/internal/pad"
	"github.com/stretchr/testify/require"
)

func TestParsePANErrors(t *testing.T) {
	for _, c := range []struct {
		in     string
		kind   Kind
		reason string
	}{
		{"", Missing, ReasonEmpty},
		{"41111111111", Invalid, ReasonTooShort},
		{strings.Repeat("4", 20), Invalid, ReasonTooLong},
		{strings.Repeat("4", 30), Invalid, ReasonTooLong},
		{strings.Repeat("4", 1<<16), Invalid, ReasonTooLong},
		{"abc", Invalid, ReasonNotDigit},
		{"411111111111111l", Invalid, ReasonNotDigit},
		{"4111x11111111111", Invalid, ReasonNotDigit},
		{"4111111111111111\n", Invalid, ReasonNotDigit},
		{"\x00411111111111111", Invalid, ReasonNotDigit},
		{"４１１１１１", Invalid, ReasonNotDigit}, // full-width digits
		{"4111 1111 1111 1111", Invalid, ReasonSeparator},
		{"4111-1111-1111-1111", Invalid, ReasonSeparator},
		{"%B4111111111111111^", Invalid, ReasonNotDigit}, // track data
	} {
		_, err := ParsePAN(c.in)
		requireError(t, err, FieldNumber, c.kind, c.reason)
		_, err = ParsePAN([]byte(c.in))
		requireError(t, err, FieldNumber, c.kind, c.reason)
		require.NotContains(t, err.Error(), "4111")
	}
	// Every byte that is no digit, in every place of a number.
	for at := range 19 {
		for c := range 256 {
			b := []byte("6205500000000000004")
			b[at] = byte(c)
			p, err := ParsePAN(b)
			require.Equal(t, isDigit(byte(c)), err == nil, "place %d, byte %#x", at, c)
			require.Equal(t, err != nil, p.IsZero(), "nothing is returned on error")
		}
	}
}

func TestParsePANLenient(t *testing.T) {
	for in, want := range map[string]string{
		"4111111111111111":                      "4111111111111111",
		"4111 1111 1111 1111":                   "4111111111111111",
		"4111-1111-1111-1111":                   "4111111111111111",
		"3782 822463 10005":                     "378282246310005",
		"6-2-0-5-5-0-0-0-0-0-0-0-0-0-0-0-0-0-4": "6205500000000000004",
	} {
		p, err := ParsePANLenient(in)
		require.NoError(t, err)
		require.Equal(t, want, string(p.AppendDigits(nil)))
		p, err = ParsePANLenient([]byte(in))
		require.NoError(t, err)
		require.Equal(t, want, string(p.AppendDigits(nil)))
	}
	for _, c := range []struct {
		in     string
		kind   Kind
		reason string
	}{
		{"", Missing, ReasonEmpty},
		{" ", Invalid, ReasonBadSeparator},
		{" 4111111111111111", Invalid, ReasonBadSeparator},
		{"4111111111111111 ", Invalid, ReasonBadSeparator},
		{"4111  111111111111", Invalid, ReasonBadSeparator},
		{"4111 -111111111111", Invalid, ReasonBadSeparator},
		{"4111\t111111111111", Invalid, ReasonNotDigit},
		{"4111\u00a0111111111111", Invalid, ReasonNotDigit},
		{"4111.1111.1111.1111", Invalid, ReasonNotDigit},
		{"4111 1111", Invalid, ReasonTooShort},
		{strings.Repeat("4 ", 19) + "4", Invalid, ReasonTooLong},
		{strings.Repeat("4", 1000), Invalid, ReasonTooLong},
	} {
		_, err := ParsePANLenient(c.in)
		requireError(t, err, FieldNumber, c.kind, c.reason)
	}
}

// Whatever the pad is, digits go in and come out.
func TestRoundTripUnderManyPads(t *testing.T) {
	defer func() { pad.Value = testPad }()
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		for i := range pad.Value {
			pad.Value[i] = byte(rnd.Uint32())
		}
		for n := MinLen; n <= MaxLen; n++ {
			d := make([]byte, n)
			for i := range d {
				d[i] = '0' + byte(rnd.IntN(10))
			}
			p, err := ParsePAN(d)
			require.NoError(t, err)
			require.Equal(t, n, p.Len())
			require.Equal(t, string(d), string(p.AppendDigits(nil)))
			q, err := ParsePacked(p.AppendPacked(nil))
			require.NoError(t, err)
			require.True(t, p.Equal(q))
			require.Equal(t, string(d[:8]), prefixText(p))
			require.Equal(t, string(d[n-4:]), p.LastFour())
		}
	}
}

func prefixText(p PAN) string {
	pre := p.Prefix()
	return string(pre[:])
}

// What lies past the last digit must tell nothing about the pad.
func TestUnusedNibblesAreZeroInMemory(t *testing.T) {
	p := mustPAN(t, "378282246310005")
	require.Zero(t, p.x&15)
	require.Zero(t, p.y)
	c, err := ParseCVC("407")
	require.NoError(t, err)
	require.Zero(t, c.packed[1]&15)
}

func TestPANEqual(t *testing.T) {
	p := mustPAN(t, "6205500000000000004")
	require.True(t, p.Equal(mustPAN(t, "6205500000000000004")))
	require.True(t, PAN{}.Equal(PAN{}))
	require.False(t, p.Equal(PAN{}))
	for at := range 19 {
		b := []byte("6205500000000000004")
		b[at] = '0' + (b[at]-'0'+1)%10
		q, err := ParsePAN(b)
		require.NoError(t, err)
		require.False(t, p.Equal(q), "place %d", at)
	}
	// The same digits but for zeros at the end: where the pad happens to be zero too, the
	// length alone tells them apart.
	defer func() { pad.Value = testPad }()
	for _, pad.Value = range [][pad.Size]byte{testPad, {}} {
		require.False(t, mustPAN(t, "620550000000").Equal(mustPAN(t, "6205500000000")))
	}
}

func TestPacked(t *testing.T) {
	p := mustPAN(t, "378282246310005")
	want := []byte{15, 0x37, 0x82, 0x82, 0x24, 0x63, 0x10, 0x00, 0x5f, 0xff, 0xff}
	require.Equal(t, want, p.AppendPacked(nil))
	require.Equal(t, append([]byte("ab"), want...), p.AppendPacked([]byte("ab")))
	require.Len(t, want, PackedSize)
	require.Empty(t, PAN{}.AppendPacked(nil))

	refused := func(b []byte, what string) {
		t.Helper()
		_, err := ParsePacked(b)
		requireError(t, err, FieldNumber, Invalid, ReasonPacked)
	}
	refused(nil, "nothing")
	refused(want[:10], "cut off")
	refused(append(want[:11:11], 0), "trailing byte")
	refused(make([]byte, PackedSize), "zeros")
	for n := range 256 {
		if n == 15 {
			continue
		}
		b := append([]byte(nil), want...)
		b[0] = byte(n)
		refused(b, "another length")
	}
	// No other value of any byte is another spelling of the same number.
	for at := range PackedSize {
		for v := range 256 {
			b := append([]byte(nil), want...)
			b[at] = byte(v)
			q, err := ParsePacked(b)
			if err == nil {
				require.Equal(t, b, q.AppendPacked(nil))
			}
		}
	}
	for nibble := byte(10); nibble < 16; nibble++ {
		b := append([]byte(nil), want...)
		b[3] = nibble<<4 | 1
		refused(b, "first nibble")
		b[3] = 1<<4 | nibble
		refused(b, "second nibble")
	}
}

func TestBINAndLastFour(t *testing.T) {
	for number, want := range map[string][2]string{
		"4111111111111111":    {"41111111", "1111"},
		"378282246310005":     {"378282", "0005"},
		"36227206271667":      {"362272", "1667"},
		"6205500000000000004": {"620550", "0004"},
		"4911830000000":       {"491183", "0000"},
	} {
		p := mustPAN(t, number)
		require.Equal(t, want, [2]string{p.BIN(), p.LastFour()})
		require.Equal(t, "x"+want[0], string(p.AppendBIN([]byte("x"))))
	}
	require.Equal(t, "", PAN{}.BIN())
	require.Equal(t, "", PAN{}.LastFour())
}

func TestZeroPAN(t *testing.T) {
	var p PAN
	require.True(t, p.IsZero())
	require.Zero(t, p.Len())
	require.False(t, p.Luhn())
	require.Equal(t, "", p.Masked())
	require.Empty(t, p.AppendDigits(nil))
	require.Equal(t, Prefix{}, p.Prefix())
	require.Equal(t, BrandUnknown, p.Brand())
	require.Equal(t, SchemeOther, p.Scheme())
	require.False(t, p.Network().Known())
	requireError(t, p.Check(nil), FieldNumber, Missing, ReasonEmpty)
	_, known := p.BINDetails(nil)
	require.False(t, known)
}

// A type that reflect calls not comparable makes == and map keys compile errors.
func TestSecretsAreNotComparable(t *testing.T) {
	for _, v := range []any{PAN{}, CVC{}, Details{}} {
		require.False(t, reflect.TypeOf(v).Comparable(), "%T", v)
	}
}

func TestErrorIs(t *testing.T) {
	_, err := ParsePAN("4111111111111111222222")
	require.ErrorIs(t, err, &Error{Reason: ReasonTooLong})
	require.ErrorIs(t, err, &Error{Field: FieldNumber, Kind: Invalid})
	require.NotErrorIs(t, err, &Error{Reason: ReasonTooShort})
	require.NotErrorIs(t, err, &Error{Field: FieldCode, Reason: ReasonTooLong})
	require.NotErrorIs(t, err, &Error{})
	require.NotErrorIs(t, err, errors.New("another"))
	require.EqualError(t, err, "card: number has more than 19 digits (INVALID)")
	require.Equal(t, []string{"Kind(0)", "INVALID", "MISSING", "UNSUPPORTED", "Kind(4)"},
		[]string{Kind(0).String(), Invalid.String(), Missing.String(), Unsupported.String(), Kind(4).String()})
}
