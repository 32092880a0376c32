//go:build !race

package envelope

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllocations: nothing on the hot paths, and what the standard library's
// cipher takes where a key is made.
func TestAllocations(t *testing.T) {
	for mode, ref := range modes() {
		s := testKey(t, ref)
		scope := s.Scope()
		plaintext, aad := seed("plaintext", 11), testAAD(t)
		dst, plain := make([]byte, 0, 4096), make([]byte, 0, 4096)
		record := s.Seal(nil, plaintext, aad)
		bad := append([]byte(nil), record...)
		bad[len(bad)-1] ^= 1
		var c Cache
		c.Add(s)
		a := Additional{Field: 1, Owner: "m-17", Generation: 3, Pairs: []Pair{{"a", "b"}}}
		none := map[string]func(){
			"Seal":             func() { s.Seal(dst, plaintext, aad) },
			"Open":             func() { _, _ = s.Open(plain, record, aad) },
			"Open, refused":    func() { _, _ = s.Open(plain, bad, aad) },
			"Matches":          func() { s.Matches(record) },
			"Cache.Get":        func() { c.Get(record, testPlace.Scope) },
			"Cache.Get, other": func() { c.Get(record, "shop-us") },
			"Cache.Add":        func() { c.Add(s) },
			"Inspect":          func() { _, _ = Inspect(record) },
			"StoredKeyID":      func() { StoredKeyID(record) },
			"AppendTo":         func() { _, _ = a.AppendTo(dst) },
			"AppendText":       func() { AppendText(dst, record) },
		}
		for name, run := range none {
			require.Zero(t, testing.AllocsPerRun(100, run), "%s, %s", mode, name)
		}
		// Two are the standard library's: the AES schedule and the GCM tables.
		salts := 0
		cold := make([][]byte, 201)
		for i := range cold {
			k, err := scope.SealingKey(saltNumber(i))
			require.NoError(t, err)
			cold[i] = k.Seal(nil, plaintext, aad)
		}
		require.Equal(t, 2.0, testing.AllocsPerRun(200, func() {
			_, _, _ = c.OpenWith(scope, plain, cold[salts], aad)
			salts++
		}), "%s, OpenWith", mode)
		// Beside them the key itself and room to work in; in inline mode the header
		// too, which no fixed array holds.
		want := map[string]float64{"stored": 4, "inline": 5}[mode]
		require.Equal(t, want, testing.AllocsPerRun(100, func() { _, _ = scope.SealingKeyFor(record) }), "%s, SealingKeyFor", mode)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { s.Seal(nil, plaintext, aad) }), 1.0, "a dst too small grows once")
	}
}
