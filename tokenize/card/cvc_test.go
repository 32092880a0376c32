package card

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cardseal/cardseal/internal/pad"
	"github.com/stretchr/testify/require"
)

// All eleven thousand codes there are.
func TestEveryCode(t *testing.T) {
	for _, form := range []struct {
		format string
		n      int
	}{{"%03d", 1000}, {"%04d", 10000}} {
		for v := range form.n {
			s := fmt.Sprintf(form.format, v)
			c, err := ParseCVC(s)
			require.NoError(t, err)
			require.False(t, c.IsZero())
			require.Equal(t, len(s), c.Len())
			require.Equal(t, s, string(c.AppendDigits(nil)))
			packed := c.AppendPacked(nil)
			require.Len(t, packed, PackedCVCSize)
			back, err := ParsePackedCVC(packed)
			require.NoError(t, err)
			require.True(t, c.Equal(back) && back.Equal(c))
		}
	}
}

func TestCVCEqual(t *testing.T) {
	parse := func(s string) CVC {
		c, err := ParseCVC([]byte(s))
		require.NoError(t, err)
		return c
	}
	c := parse("123")
	for _, s := range []string{"023", "113", "122", "1230", "0123", "1234"} {
		require.False(t, c.Equal(parse(s)), "a code is not another one")
	}
	require.False(t, c.Equal(CVC{}))
	require.True(t, CVC{}.Equal(CVC{}))
	defer func() { pad.Value = testPad }()
	for _, pad.Value = range [][pad.Size]byte{testPad, {}} {
		require.False(t, parse("000").Equal(CVC{}))
		require.False(t, parse("000").Equal(parse("0000")))
	}
}

func TestParseCVCErrors(t *testing.T) {
	for _, c := range []struct {
		in     string
		kind   Kind
		reason string
	}{
		{"", Missing, ReasonEmpty}, {"1", Invalid, ReasonCodeLength}, {"12", Invalid, ReasonCodeLength},
		{"12345", Invalid, ReasonCodeLength}, {strings.Repeat("1", 5000), Invalid, ReasonCodeLength},
		{"12a", Invalid, ReasonNotDigit}, {" 123", Invalid, ReasonNotDigit}, {"123\n", Invalid, ReasonNotDigit},
		{"1１3", Invalid, ReasonNotDigit}, {"---", Invalid, ReasonNotDigit},
	} {
		got, err := ParseCVC(c.in)
		requireError(t, err, FieldCode, c.kind, c.reason)
		require.True(t, got.IsZero())
	}
}

// Of all values three bytes can have, those accepted are what AppendPacked writes.
func TestParsePackedCVC(t *testing.T) {
	accepted := 0
	for n := range 8 {
		for a := range 256 {
			for b := range 256 {
				in := []byte{byte(n), byte(a), byte(b)}
				c, err := ParsePackedCVC(in)
				if err == nil {
					accepted++
					require.Equal(t, in, c.AppendPacked(nil))
				}
			}
		}
	}
	require.Equal(t, 11000, accepted)
	for _, in := range [][]byte{nil, {3}, {3, 0x12}, {3, 0x12, 0x3f, 0}, {0, 0, 0}, {255, 0x12, 0x34}} {
		_, err := ParsePackedCVC(in)
		requireError(t, err, FieldCode, Invalid, ReasonPacked)
	}
	require.Empty(t, CVC{}.AppendPacked(nil))
	require.Empty(t, CVC{}.AppendDigits(nil))
}

func TestCVCForBrand(t *testing.T) {
	three, err := ParseCVC("123")
	require.NoError(t, err)
	four, err := ParseCVC("1234")
	require.NoError(t, err)
	for b := BrandAmex; b <= BrandUnknown; b++ {
		require.Equal(t, b != BrandAmex && b != BrandUATP, three.ValidFor(b), b.String())
		require.Equal(t, b == BrandAmex || b == BrandUnknown, four.ValidFor(b), b.String())
		require.False(t, CVC{}.ValidFor(b))
		requireError(t, CVC{}.CheckFor(b), FieldCode, Missing, ReasonEmpty)
	}
	require.NoError(t, four.CheckFor(BrandAmex))
	requireError(t, three.CheckFor(BrandAmex), FieldCode, Invalid, ReasonCodeBrand)
	requireError(t, three.CheckFor(BrandUATP), FieldCode, Unsupported, ReasonCodeBrand)
	require.False(t, three.ValidFor(0) || three.ValidFor(99))
}

// A code's pad must lie apart from a number's: what a mask shows would tell it.
func TestPadsLieApart(t *testing.T) {
	require.GreaterOrEqual(t, codePad, 10)
}
