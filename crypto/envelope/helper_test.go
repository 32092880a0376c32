package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

// seed is n fixed bytes that look random, told apart by a label.
func seed(label string, n int) []byte {
	var out []byte
	for i := byte(0); len(out) < n; i++ {
		sum := sha256.Sum256(append([]byte(label), i))
		out = append(out, sum[:]...)
	}
	return out[:n]
}

var testPlace = Place{Environment: "production", Scope: "shop-eu", Purpose: "pan"}

func storedRef(label string) Reference {
	return Reference{KeyID: KeyID(seed("key ID "+label, 16))}
}

func inlineRef(label string, wrapped int) Reference {
	return Reference{
		KeyID:   KeyID(seed("key ID "+label, 16)),
		KEK:     KEKID(seed("KEK "+label, 8)),
		Created: 1_780_000_000,
		Wrapped: seed("wrapped "+label, wrapped),
	}
}

// modes are the two forms of a key reference, under one data key each.
func modes() map[string]Reference {
	return map[string]Reference{"stored": storedRef("modes"), "inline": inlineRef("modes", 60)}
}

func testScope(t testing.TB, r Reference, p Place) *ScopeKey {
	t.Helper()
	k, err := Derive(seed("data key modes", 32), r, p)
	require.NoError(t, err)
	return k
}

func testKey(t testing.TB, r Reference) *SealingKey {
	t.Helper()
	s, err := testScope(t, r, testPlace).SealingKey(Salt(seed("salt", SaltSize)))
	require.NoError(t, err)
	return s
}

func testAAD(t testing.TB) []byte {
	t.Helper()
	a := Additional{
		Field: 1, Record: RecordID(seed("record", 16)), Owner: "m-17", Generation: 3,
		Pairs: []Pair{{"country", "NL"}, {"order", "2026-11"}},
	}
	aad, err := a.AppendTo(nil)
	require.NoError(t, err)
	return aad
}

// sealFixed makes a record with a chosen nonce, which the package itself offers
// no way to do. Known answers need it. A cipher with a chosen nonce is outside
// what fips140=only allows, so it is made with enforcement off; nothing else is.
func sealFixed(t testing.TB, s *SealingKey, nonce, plaintext, aad []byte) []byte {
	t.Helper()
	require.Len(t, nonce, nonceSize)
	var key [keySize]byte
	salt := Salt(s.header[len(s.header)-SaltSize:])
	s.scope.subkey(&key, &salt)
	record := append(append([]byte(nil), s.header...), nonce...)
	fips140.WithoutEnforcement(func() {
		block, err := aes.NewCipher(key[:])
		require.NoError(t, err)
		aead, err := cipher.NewGCM(block)
		require.NoError(t, err)
		record = aead.Seal(record, nonce, plaintext, aad)
	})
	return record
}

// open is the whole cold path: a fresh scope key, the record's own salt.
func open(dataKey []byte, r Reference, p Place, record, aad []byte) ([]byte, error) {
	scope, err := Derive(dataKey, r, p)
	if err != nil {
		return nil, err
	}
	s, err := scope.SealingKeyFor(record)
	if err != nil {
		return nil, err
	}
	return s.Open(nil, record, aad)
}
