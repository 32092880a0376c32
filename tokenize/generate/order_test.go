package generate

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrder(t *testing.T) {
	for token, want := range map[string]string{
		pan14: "362272" + "1667" + "14" + "0627",
		pan15: "378282" + "0005" + "15" + "24631",
		pan16: "424242" + "4242" + "16" + "424242",
		pan19: "620550" + "0004" + "19" + "000000000",
	} {
		got, ok := Order(token)
		require.True(t, ok)
		require.Equal(t, want, got)
		back, ok := FromOrder(got)
		require.True(t, ok)
		require.Equal(t, token, back)
		require.Equal(t, want[:12], space(t, token).OrderPrefix())
	}
	for _, bad := range []string{"", "1234567890123", strings.Repeat("1", 20), "12345678901234x", "1234567890 12345"} {
		_, ok := Order(bad)
		require.False(t, ok, bad)
		b, ok := AppendOrder([]byte("dst"), bad)
		require.False(t, ok)
		require.Equal(t, "dst", string(b))
	}
	for _, bad := range []string{
		"", "36227216671406", "362272166714062", "36227216671406270", // too short, or another length than it says
		"3622721667140x27", "3622721667240627", "3622721667150627",
	} {
		_, ok := FromOrder(bad)
		require.False(t, ok, bad)
	}
}

// Sorting by the column groups spaces and sorts each by its middles.
func TestOrderSorts(t *testing.T) {
	a, b := space(t, pan14), space(t, pan16)
	longer, err := NewSpace64(pan14[:6], pan14[10:], 15)
	require.NoError(t, err)
	var column []string
	for _, s := range []Space64{a, b, longer} {
		for range 50 {
			o, ok := Order(string(s.AppendToken(nil, s.Draw())))
			require.True(t, ok)
			column = append(column, o)
		}
	}
	slices.Sort(column)
	var got []Space64
	for _, s := range []Space64{a, longer, b} {
		last := -1
		for i, o := range column {
			if !strings.HasPrefix(o, s.OrderPrefix()) {
				continue
			}
			k, ok := s.Rank(o[len(s.OrderPrefix()):])
			require.True(t, ok)
			require.GreaterOrEqual(t, int(k), last, "middles do not ascend")
			last = int(k)
			if len(got) == 0 || got[len(got)-1] != s {
				got = append(got, s)
				require.Equal(t, 50*(len(got)-1), i, "spaces mix")
			}
		}
	}
	require.Equal(t, []Space64{a, longer, b}, got)
}

func TestMiddles(t *testing.T) {
	s := space(t, pan14)
	var taken []string
	for k := range s.Size() {
		if k != 1234 {
			o, ok := Order(string(s.AppendToken(nil, k)))
			require.True(t, ok)
			taken = append(taken, o)
		}
	}
	k, err := s.DrawFree(s.Middles(yieldAll(nil, taken...)))
	require.NoError(t, err)
	require.EqualValues(t, 1234, k)

	broken := errors.New("the store broke")
	_, err = s.DrawFree(s.Middles(yieldAll(broken, taken[:10]...)))
	require.ErrorIs(t, err, broken)
	other, ok := Order(pan16)
	require.True(t, ok)
	// Of the same shape, but with other last four.
	alike, ok := Order(pan14[:10] + "1668")
	require.True(t, ok)
	for _, bad := range []string{"", "3622721667", other, alike} {
		_, err = s.DrawFree(s.Middles(yieldAll(nil, bad)))
		require.ErrorIs(t, err, ErrDisorder)
	}
	n := 0
	for range s.Middles(yieldAll(nil, taken...)) {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
}
