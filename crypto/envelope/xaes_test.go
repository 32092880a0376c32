package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

type xaesVectors struct {
	Accumulated map[string]string
	Vectors     []struct {
		K, L, K1, M1, M2, Kx, Nx hexBytes
		N                        string `json:"N_ascii"`
		Plaintext                string `json:"plaintext_ascii"`
		AAD                      string `json:"aad_ascii"`
		Ciphertext               hexBytes
	}
}

// xaesScope is a scope key with a given XAES key in place of a derived one.
func xaesScope(t testing.TB, key []byte) *ScopeKey {
	t.Helper()
	scope := testScope(t, storedRef("xaes"), testPlace)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	scope.block, scope.k1 = block, cmacSubkey(block)
	return scope
}

func loadXAES(t testing.TB) (file xaesVectors) {
	t.Helper()
	data, err := os.ReadFile("testdata/xaes-256-gcm.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &file))
	return file
}

// TestXAES runs the C2SP vectors of XAES-256-GCM through the derivation that
// sealing keys are made with, and their ciphertexts through Open: a record's body
// is what XAES makes of the scope key, the salt and the nonce.
func TestXAES(t *testing.T) {
	file := loadXAES(t)
	require.Len(t, file.Vectors, 2)
	for _, v := range file.Vectors {
		scope := xaesScope(t, v.K)
		require.Equal(t, []byte(v.K1), scope.k1[:])
		salt, key := Salt([]byte(v.N[:SaltSize])), [keySize]byte{}
		scope.subkey(&key, &salt)
		require.Equal(t, []byte(v.Kx), key[:])
		require.Equal(t, []byte(v.Nx), []byte(v.N[SaltSize:]))

		s, err := scope.SealingKey(salt)
		require.NoError(t, err)
		record := append(append([]byte(nil), s.header...), v.N[SaltSize:]...)
		record = append(record, v.Ciphertext...)
		got, err := s.Open(nil, record, []byte(v.AAD))
		require.NoError(t, err)
		require.Equal(t, v.Plaintext, string(got))
		require.Equal(t, record, sealFixed(t, s, v.Nx, []byte(v.Plaintext), []byte(v.AAD)))
	}
}

// TestXAESAccumulated is C2SP's test of 10,000 random messages, of which the
// digest alone is published. Each is opened too.
func TestXAESAccumulated(t *testing.T) {
	want := loadXAES(t).Accumulated["10000"]
	require.NotEmpty(t, want)
	in, digest := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	read := func(n int) []byte {
		b := make([]byte, n)
		_, err := in.Read(b)
		require.NoError(t, err)
		return b
	}
	for range 10_000 {
		scope, nonce := xaesScope(t, read(32)), read(24)
		plaintext := read(int(read(1)[0]))
		aad := read(int(read(1)[0]))
		s, err := scope.SealingKey(Salt(nonce[:SaltSize]))
		require.NoError(t, err)
		record := sealFixed(t, s, nonce[SaltSize:], plaintext, aad)
		digest.Write(record[len(s.header)+nonceSize:])
		got, err := s.Open(nil, record, aad)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plaintext, got))
	}
	sum := make([]byte, 32)
	digest.Read(sum)
	require.Equal(t, want, hex.EncodeToString(sum))
}
