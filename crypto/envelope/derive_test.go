package envelope

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDeriveArguments(t *testing.T) {
	const secret = "never-in-an-error"
	long := strings.Repeat(secret, 4000)[:65536]
	good := bytes.Repeat([]byte(secret), 2)[:32]
	for name, c := range map[string]struct {
		dataKey []byte
		ref     Reference
		place   Place
		field   string
	}{
		"no data key":          {nil, Reference{}, testPlace, "data key"},
		"short data key":       {good[:31], Reference{}, testPlace, "data key"},
		"long data key":        {append(bytes.Clone(good), 0), Reference{}, testPlace, "data key"},
		"environment too long": {good, Reference{}, Place{Environment: long}, "environment"},
		"scope too long":       {good, Reference{}, Place{Scope: long}, "scope"},
		"purpose too long":     {good, Reference{}, Place{Purpose: long}, "purpose"},
		"environment":          {good, Reference{}, Place{Environment: secret + "\xff"}, "environment"},
		"scope":                {good, Reference{}, Place{Scope: secret + "\xff"}, "scope"},
		"purpose":              {good, Reference{}, Place{Purpose: secret + "\xff"}, "purpose"},
		"empty wrapped key":    {good, Reference{Wrapped: []byte{}}, testPlace, "wrapped key"},
		"long wrapped key":     {good, Reference{Wrapped: make([]byte, MaxWrapped+1)}, testPlace, "wrapped key"},
	} {
		k, err := Derive(c.dataKey, c.ref, c.place)
		require.Nil(t, k, name)
		var arg *ArgumentError
		require.True(t, errors.As(err, &arg), name)
		require.Equal(t, c.field, arg.Field, name)
		require.NotContains(t, err.Error(), secret[:8], name)
		if strings.Contains(name, "wrapped") {
			continue
		}
		sub, err := Subkey(c.dataKey, KeyID{}, c.place, "label")
		require.Nil(t, sub, name)
		require.True(t, errors.As(err, &arg), name)
		require.Equal(t, c.field, arg.Field, name)
	}
	for _, label := range []string{"", sealLabel, strings.Repeat("l", 65536)} {
		sub, err := Subkey(good, KeyID{}, testPlace, label)
		var arg *ArgumentError
		require.True(t, errors.As(err, &arg))
		require.Equal(t, "label", arg.Field)
		require.Nil(t, sub)
	}
	k, err := Derive(good, Reference{}, Place{Scope: long[:65535]})
	require.NoError(t, err)
	require.Len(t, k.Commitment(), 32)
}

// The data key and the wrapped key belong to the caller: they are not altered,
// and what the caller does to them later changes nothing.
func TestDeriveKeepsNothingOfTheCaller(t *testing.T) {
	for mode, ref := range modes() {
		dataKey, aad := seed("data key modes", 32), testAAD(t)
		ref.Wrapped = bytes.Clone(ref.Wrapped)
		scope, err := Derive(dataKey, ref, testPlace)
		require.NoError(t, err)
		require.Equal(t, seed("data key modes", 32), dataKey)
		clear(dataKey)
		clear(ref.Wrapped)
		clear(scope.Commitment())
		s, err := scope.SealingKey(Salt(seed("salt", SaltSize)))
		require.NoError(t, err)
		require.Equal(t, testKey(t, modes()[mode]).header, s.header)
		require.Equal(t, testScope(t, modes()[mode], testPlace).Commitment(), scope.Commitment())
		out, err := testKey(t, modes()[mode]).Open(nil, s.Seal(nil, []byte("x"), aad), aad)
		require.NoError(t, err)
		require.Equal(t, "x", string(out))
	}
}

// parseInfo reads what [Place.info] wrote; that it can shows the encoding to be
// injective.
func parseInfo(info string) (parts []string) {
	for info != "" {
		n := int(binary.BigEndian.Uint16([]byte(info)))
		parts, info = append(parts, info[2:2+n]), info[2+n:]
	}
	return parts
}

func FuzzInfo(f *testing.F) {
	f.Add("production", "shop-eu", "pan", "label", byte(1), []byte("reference"))
	f.Add("", "", "", "", byte(0x81), []byte{})
	f.Fuzz(func(t *testing.T, environment, scope, purpose, label string, suite byte, ref []byte) {
		if len(environment)|len(scope)|len(purpose)|len(label)|len(ref) > 0xffff {
			return
		}
		p := Place{environment, scope, purpose}
		require.Equal(t,
			[]string{label, "\x01", string([]byte{suite}), string(ref), environment, scope, purpose},
			parseInfo(p.info(label, suite, ref)))
	})
}

// Subkeys of different uses, and the scope key itself, have nothing in common.
func TestSubkeysDiffer(t *testing.T) {
	dataKey, id := seed("data key modes", 32), storedRef("modes").KeyID
	seen := map[string]string{}
	note := func(name string, key []byte) {
		require.Empty(t, seen[string(key)], name)
		seen[string(key)] = name
	}
	id2, place2, dataKey2 := id, testPlace, bytes.Clone(dataKey)
	id2[0] ^= 1
	place2.Scope = "shop-us"
	dataKey2[0] ^= 1
	for name, c := range map[string]struct {
		k  []byte
		id KeyID
		p  Place
		l  string
	}{
		"base": {dataKey, id, testPlace, "a"}, "label": {dataKey, id, testPlace, "b"}, "ID": {dataKey, id2, testPlace, "a"},
		"scope": {dataKey, id, place2, "a"}, "data key": {dataKey2, id, testPlace, "a"},
	} {
		key, err := Subkey(c.k, c.id, c.p, c.l)
		require.NoError(t, err)
		require.Len(t, key, 32)
		note(name, key)
	}
	out, err := expand(dataKey, &testPlace, sealLabel, SuiteXAES, id[:], 64)
	require.NoError(t, err)
	note("scope key", out[:32])
	note("commitment", out[32:])
	note("data key itself", dataKey)
}

// TestPrintsNoKey prints keys in every way a program might by mistake, bare and in
// a caller's field, and looks for the key bytes that the values hold.
func TestPrintsNoKey(t *testing.T) {
	for mode, ref := range modes() {
		s := testKey(t, ref)
		scope := s.Scope()
		dataKey := seed("data key modes", 32)
		suite, encoded, err := ref.encode()
		require.NoError(t, err)
		out, err := expand(dataKey, &testPlace, sealLabel, suite, encoded, 64)
		require.NoError(t, err)
		salt, sealing := Salt(seed("salt", SaltSize)), [keySize]byte{}
		scope.subkey(&sealing, &salt)
		var all bytes.Buffer
		for _, v := range []any{s, scope, *s, *scope, struct{ k *SealingKey }{s}, struct{ K any }{scope}, struct{ K ScopeKey }{*scope}, []*ScopeKey{scope}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
				fmt.Fprintf(&all, verb, v)
			}
			slog.New(slog.NewTextHandler(&all, nil)).Info("m", "k", v)
			slog.New(slog.NewJSONHandler(&all, nil)).Info("m", "k", v)
			data, err := json.Marshal(v)
			require.NoError(t, err)
			all.Write(data)
		}
		require.Contains(t, all.String(), "envelope.ScopeKey")
		for name, key := range map[string][]byte{
			"data key": dataKey, "scope key": out[:32], "K1": scope.k1[:], "sealing key": sealing[:],
		} {
			require.False(t, bytes.Contains(all.Bytes(), key), "%s, %s", mode, name)
			require.NotContains(t, all.String(), hex.EncodeToString(key[:8]), "%s, %s", mode, name)
			require.NotContains(t, all.String(), strings.ToUpper(hex.EncodeToString(key[:8])), "%s, %s", mode, name)
			require.NotContains(t, all.String(), strings.Trim(fmt.Sprint(key[:8]), "[]"), "%s, %s", mode, name)
		}
	}
}

// No field of a sealing key holds key bytes but Go's cipher. A new field wants a
// look at this.
func TestSealingKeyFields(t *testing.T) {
	var names []string
	for i := range reflect.TypeFor[SealingKey]().NumField() {
		names = append(names, reflect.TypeFor[SealingKey]().Field(i).Name)
	}
	require.Equal(t, []string{"aead", "scope", "header", "fixed"}, names)
}
