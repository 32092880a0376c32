package keys_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func TestOptionBounds(t *testing.T) {
	const ns = time.Nanosecond
	good := []keys.Options{
		{},
		{Environment: strings.Repeat("e", 255)}, {Environment: "prüfung"},
		{SealLease: time.Second}, {SealLease: time.Hour},
		{CacheLife: time.Second}, {CacheLife: 24 * time.Hour},
		{RenewAge: time.Second}, {RenewAge: 24 * time.Hour},
		{Timeout: time.Millisecond}, {Timeout: 5 * time.Minute},
		{CacheKeys: 1}, {CacheKeys: 65536},
		{InlineUnwraps: 1}, {InlineUnwraps: 60000},
	}
	bad := map[string][]keys.Options{
		"Environment":   {{Environment: strings.Repeat("e", 256)}, {Environment: "a\xff"}},
		"SealLease":     {{SealLease: time.Second - ns}, {SealLease: time.Hour + ns}, {SealLease: -1}},
		"CacheLife":     {{CacheLife: time.Second - ns}, {CacheLife: 24*time.Hour + ns}, {CacheLife: -1}},
		"RenewAge":      {{RenewAge: time.Second - ns}, {RenewAge: 24*time.Hour + ns}, {RenewAge: -1}},
		"Timeout":       {{Timeout: time.Millisecond - ns}, {Timeout: 5*time.Minute + ns}, {Timeout: -1}},
		"CacheKeys":     {{CacheKeys: 65537}, {CacheKeys: -1}},
		"InlineUnwraps": {{InlineUnwraps: 60001}, {InlineUnwraps: -1}},
	}
	w := newWorld()
	for i := range good {
		given := good[i]
		m, err := keys.Open(t.Context(), w.store, w.kek, &good[i])
		require.NoError(t, err, "%+v", good[i])
		require.Equal(t, given, good[i], "the caller's options were changed")
		require.NoError(t, m.Close())
	}
	for field, list := range bad {
		for i := range list {
			m, err := keys.Open(t.Context(), w.store, w.kek, &list[i])
			require.Nil(t, m)
			wrongField(t, err, field)
			_, err = keys.Inline(t.Context(), w.kekID, w.kek, &list[i])
			wrongField(t, err, field)
		}
	}
}

// wrongField expects an OptionError that names a field and carries no value.
func wrongField(t *testing.T, err error, field string) {
	t.Helper()
	var o *keys.OptionError
	require.True(t, errors.As(err, &o), "%v", err)
	require.Equal(t, field, o.Field)
	require.NotContains(t, err.Error(), "eee")
}

func TestRequiredArguments(t *testing.T) {
	w := newWorld()
	_, err := keys.Open(t.Context(), nil, w.kek, nil)
	wrongField(t, err, "store")
	_, err = keys.Open(t.Context(), w.store, nil, nil)
	wrongField(t, err, "kek")
	_, err = keys.Open(t.Context(), w.store, keystest.NewKEK(""), nil)
	wrongField(t, err, "kek")
	_, err = keys.Inline(t.Context(), w.kekID, nil, nil)
	wrongField(t, err, "kek")
	_, err = keys.Inline(t.Context(), envelope.KEKID{}, w.kek, nil)
	wrongField(t, err, "kekID")
}

func TestScopeArguments(t *testing.T) {
	m := newWorld().manager(t, nil)
	for _, p := range []keys.Purpose{"", "PAN", "pan ", "x-", "x", "x-A", "x-a_b", "x-é", keys.Purpose("x-" + strings.Repeat("a", 63))} {
		require.False(t, p.Valid())
		_, err := m.Scope(p, "shop")
		wrongField(t, err, "purpose")
	}
	for _, p := range []keys.Purpose{"pan", "cvc", "index", "analytics", "fpe", "capture", "audit", "x-a", "x-0-9", keys.Purpose("x-" + strings.Repeat("a", 62))} {
		require.True(t, p.Valid())
		s := scopeOf(t, m, p, "")
		opens(t, s, seal(t, s))
	}
	for _, scope := range []string{strings.Repeat("e", 256), "\xff"} {
		_, err := m.Scope(keys.PAN, scope)
		wrongField(t, err, "scope")
	}
	scopeOf(t, m, keys.PAN, strings.Repeat("e", 255))
}

func TestZeroValues(t *testing.T) {
	require.Equal(t, "invalid", keys.State(0).String())
	require.Equal(t, "invalid", keys.State(5).String())
	require.False(t, keys.Purpose("").Valid())
	for want, s := range map[string]keys.State{"active": keys.Active, "retired": keys.Retired, "disabled": keys.Disabled, "destroyed": keys.Destroyed} {
		require.Equal(t, want, s.String())
	}
	var m keys.Manager // holds nothing, as one that was closed
	_, err := m.Scope(keys.PAN, "shop")
	require.Error(t, err)
	_, err = m.Rotate(t.Context(), keys.PAN)
	require.Error(t, err)
	_, err = m.Records(t.Context(), keys.PAN)
	require.ErrorIs(t, err, keys.ErrClosed)
	m.Renew()
	require.NoError(t, m.Close())
	require.NotEqual(t, keys.NewKEKID(), keys.NewKEKID())
}

func TestBindingEncodings(t *testing.T) {
	b := keys.Binding{
		Environment: "test", Scope: "s", Purpose: keys.PAN,
		KeyID: keys.KeyID{0: 0xaa, 15: 0xbb}, Created: time.Unix(0x0102030405, 999).UTC(),
	}
	want := "\x01" + "\x00\x04test" + "\x00\x01s" + "\x00\x03pan" +
		"\xaa" + strings.Repeat("\x00", 14) + "\xbb" + "\x00\x00\x00\x01\x02\x03\x04\x05"
	require.Equal(t, want, string(b.AAD()))
	require.Equal(t, map[string]string{
		"cardseal:environment": "test", "cardseal:scope": "s", "cardseal:purpose": "pan",
		"cardseal:key-id": "aa0000000000000000000000000000bb", "cardseal:created": "4328719365",
	}, b.Context())

	// No two bindings share an encoding, wherever the parts are cut.
	seen := map[string]bool{}
	for _, x := range []keys.Binding{
		{}, {Environment: "ab"}, {Scope: "ab"}, {Purpose: "ab"},
		{Environment: "a", Scope: "b"}, {Environment: "a", Purpose: "b"}, {Scope: "a", Purpose: "b"},
		{KeyID: keys.KeyID{1}}, {Created: time.Unix(1, 0)},
	} {
		digest := x.Digest()
		require.False(t, seen[string(digest[:])])
		seen[string(digest[:])] = true
	}
	b.Scope = ""
	require.NotContains(t, b.Context(), "cardseal:scope")
}

func TestWithDefaults(t *testing.T) {
	var none *keys.Options
	o, err := none.WithDefaults()
	require.NoError(t, err)
	require.Equal(t, "production", o.Environment)
	require.Equal(t, time.Hour, o.CacheLife)
	_, err = (&keys.Options{CacheKeys: -1}).WithDefaults()
	var bad *keys.OptionError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "CacheKeys", bad.Field)
}
