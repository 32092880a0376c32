package wrapped

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

func binding() keys.Binding {
	return keys.Binding{
		Environment: "production", Scope: "shop-eu", Purpose: keys.PAN,
		KeyID: keys.KeyID{1, 2, 3}, Created: time.Unix(1_700_000_000, 0),
	}
}

var dataKey = bytes.Repeat([]byte{7}, keys.DataKeySize)

func newCheck(t *testing.T, dataKey []byte, b keys.Binding, bound []byte) Check {
	t.Helper()
	c, err := NewCheck(dataKey, b, bound)
	require.NoError(t, err)
	return c
}

func TestFormThereAndBack(t *testing.T) {
	c := newCheck(t, dataKey, binding(), nil)
	form := Append([]byte("prefix"), c, []byte("body"))
	require.Equal(t, "prefix", string(form[:6]))
	form = form[6:]
	require.Len(t, form, Overhead+4)
	got, body, ok := Split(form)
	require.True(t, ok)
	require.Equal(t, "body", string(body))
	require.True(t, got.Matches(dataKey, binding(), nil))
}

func TestSplitRefuses(t *testing.T) {
	form := Append(nil, Check{}, []byte("b"))
	for n := range form {
		_, _, ok := Split(form[:n])
		require.False(t, ok, "the first %d bytes", n)
	}
	form[0] = 2
	_, _, ok := Split(form)
	require.False(t, ok, "another version")
}

// The check value belongs to one data key, one binding, and what else is bound.
func TestMatchesNothingElse(t *testing.T) {
	c := newCheck(t, dataKey, binding(), []byte("v1"))
	require.True(t, c.Matches(dataKey, binding(), []byte("v1")))
	require.False(t, c.Matches(dataKey, binding(), []byte("v2")))
	require.False(t, c.Matches(dataKey, binding(), nil))
	require.False(t, c.Matches(nil, binding(), []byte("v1")))
	require.False(t, c.Matches(dataKey[1:], binding(), []byte("v1")))
	for bit := range 8 * len(dataKey) {
		other := bytes.Clone(dataKey)
		other[bit/8] ^= 1 << (bit % 8)
		require.False(t, c.Matches(other, binding(), []byte("v1")), "bit %d", bit)
	}
	for name, change := range map[string]func(*keys.Binding){
		"environment": func(b *keys.Binding) { b.Environment = "test" },
		"scope":       func(b *keys.Binding) { b.Scope = "" },
		"purpose":     func(b *keys.Binding) { b.Purpose = keys.CVC },
		"key ID":      func(b *keys.Binding) { b.KeyID[0] ^= 1 },
		"created":     func(b *keys.Binding) { b.Created = b.Created.Add(time.Second) },
	} {
		b := binding()
		change(&b)
		require.False(t, c.Matches(dataKey, b, []byte("v1")), name)
	}
	for bit := range 8 * CheckSize {
		other := c
		other[bit/8] ^= 1 << (bit % 8)
		require.False(t, other.Matches(dataKey, binding(), []byte("v1")), "bit %d", bit)
	}
}

// What was stored years ago must match: the value is spelled out here once more.
func TestCheckValue(t *testing.T) {
	b := binding()
	key, err := envelope.Subkey(dataKey, b.KeyID,
		envelope.Place{Environment: "production", Scope: "shop-eu", Purpose: "pan"}, "cardseal wrap check")
	require.NoError(t, err)
	h := hmac.New(sha256.New, key)
	h.Write(append(b.AAD(), "v1"...))
	require.Equal(t, h.Sum(nil)[:16], newCheckBytes(t, b))
}

func newCheckBytes(t *testing.T, b keys.Binding) []byte {
	c := newCheck(t, dataKey, b, []byte("v1"))
	return c[:]
}

func TestDataKeyOfAnotherLength(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		_, err := NewCheck(make([]byte, n), binding(), nil)
		require.Error(t, err, "%d bytes", n)
	}
}
