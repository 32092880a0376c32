package card

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryExpiry(t *testing.T) {
	valid := 0
	for v := range 10_000 {
		s := fmt.Sprintf("%04d", v)
		e, err := ParseExpiry(s)
		if m := v / 100; m < 1 || m > 12 {
			requireError(t, err, FieldExpiry, Invalid, ReasonExpiryMonth)
			require.True(t, e.IsZero(), "nothing is returned on error")
			continue
		}
		require.NoError(t, err)
		valid++
		require.Equal(t, Expiry{v / 100, 2000 + v%100}, e)
		require.Equal(t, s, e.String())
		again, err := ParseExpiryLenient(s[:2] + "/" + s[2:])
		require.NoError(t, err)
		require.Equal(t, e, again)
		again, err = NewExpiry(e.Month, e.Year)
		require.NoError(t, err)
		require.Equal(t, e, again)
	}
	require.Equal(t, 1200, valid)
}

func TestExpiryErrors(t *testing.T) {
	_, err := ParseExpiry("")
	requireError(t, err, FieldExpiry, Missing, ReasonEmpty)
	_, err = ParseExpiryLenient("")
	requireError(t, err, FieldExpiry, Missing, ReasonEmpty)
	for _, s := range []string{"1", "130", "12/30", "12 30", "012030", "1a30", "-130", "１230"} {
		_, err := ParseExpiry(s)
		requireError(t, err, FieldExpiry, Invalid, ReasonExpiryForm)
	}
	for _, s := range []string{"1/230", "12-30", "12//30", "123/0", "12/3a", "/1230"} {
		_, err := ParseExpiryLenient(s)
		requireError(t, err, FieldExpiry, Invalid, ReasonExpiryForm)
	}
	for _, c := range []struct {
		month, year int
		reason      string
	}{{0, 2030, ReasonExpiryMonth}, {13, 2030, ReasonExpiryMonth}, {12, 30, ReasonExpiryYear}, {12, 1999, ReasonExpiryYear}, {12, 2100, ReasonExpiryYear}} {
		e, err := NewExpiry(c.month, c.year)
		requireError(t, err, FieldExpiry, Invalid, c.reason)
		require.True(t, e.IsZero())
		require.False(t, Expiry{c.month, c.year}.Valid())
		require.Equal(t, "", Expiry{c.month, c.year}.String())
		_, err = Expiry{c.month, c.year}.MarshalText()
		require.Error(t, err)
		require.False(t, Expiry{c.month, c.year}.Expired(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)))
	}
}

func TestExpired(t *testing.T) {
	defer func(was *time.Location) { time.Local = was }(time.Local)
	time.Local = time.FixedZone("", 5*3600) // the machine's zone must not matter
	utc := func(y int, m time.Month, d, h, min, s, ns int) time.Time {
		return time.Date(y, m, d, h, min, s, ns, time.UTC)
	}
	for _, c := range []struct {
		e    Expiry
		at   time.Time
		want bool
	}{
		{Expiry{2, 2028}, utc(2028, 2, 29, 23, 59, 59, 999_999_999), false},
		{Expiry{2, 2028}, utc(2028, 3, 1, 0, 0, 0, 0), true},
		{Expiry{12, 2026}, utc(2026, 12, 31, 23, 59, 59, 999_999_999), false},
		{Expiry{12, 2026}, utc(2027, 1, 1, 0, 0, 0, 0), true},
		{Expiry{12, 2099}, utc(2099, 12, 31, 0, 0, 0, 0), false},
		{Expiry{1, 2000}, utc(2026, 1, 1, 0, 0, 0, 0), true},
		// Another zone's clock changes nothing: this is 23:30 UTC on the last day.
		{Expiry{6, 2027}, time.Date(2027, 7, 1, 1, 30, 0, 0, time.FixedZone("", 2*3600)), false},
		{Expiry{6, 2027}, time.Date(2027, 6, 30, 22, 30, 0, 0, time.FixedZone("", -2*3600)), true},
		{Expiry{}, utc(2099, 1, 1, 0, 0, 0, 0), false},
	} {
		require.Equal(t, c.want, c.e.Expired(c.at), "%s at %s", c.e, c.at)
	}
}

func TestExpiryText(t *testing.T) {
	type doc struct{ E Expiry }
	b, err := json.Marshal(doc{Expiry{9, 2031}})
	require.NoError(t, err)
	require.JSONEq(t, `{"E":"0931"}`, string(b))
	got := doc{Expiry{1, 2001}}
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, Expiry{9, 2031}, got.E)
	require.Error(t, json.Unmarshal([]byte(`{"E":"1331"}`), &got))
	require.Equal(t, Expiry{9, 2031}, got.E, "kept on error")
	require.NoError(t, json.Unmarshal([]byte(`{"E":""}`), &got))
	require.True(t, got.E.IsZero())
	b, err = json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, `{"E":""}`, string(b))
	require.Equal(t, "x0931", string(Expiry{9, 2031}.AppendMMYY([]byte("x"))))
}
