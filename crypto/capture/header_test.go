package capture

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// ephemeral is the sender's key of the JWEs that tests put together.
var ephemeral = func() *ecdh.PrivateKey {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

func (s Suite) alg() string {
	if s == JWERSA {
		return algRSA
	}
	return algECDH
}

// goodHeader is a header that opens, without anything that is optional.
func goodHeader(k *PrivateKey) string {
	h := `{"alg":"` + k.suite.alg() + `","kid":"` + k.id.String() + `","enc":"A256GCM",`
	if k.suite == JWERSA {
		return h[:len(h)-1] + "}"
	}
	b64, point := base64.RawURLEncoding.EncodeToString, ephemeral.PublicKey().Bytes()
	return h + `"epk":{"kty":"EC","crv":"P-256","x":"` + b64(point[1:1+coord]) + `","y":"` + b64(point[1+coord:]) + `"}}`
}

func wrapKey(t testing.TB, k *PrivateKey, cek []byte) []byte {
	t.Helper()
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.Public().rsa, cek, nil)
	require.NoError(t, err)
	return wrapped
}

// A content key of another length, and padding that is not OAEP's, end as a bad
// tag does.
func TestBadPadding(t *testing.T) {
	k := testKey(t, JWERSA)
	text := withHeader(t, k, goodHeader(k))
	for _, n := range []int{0, 31, 33, 64} {
		p := parts(t, text)
		p[1] = wrapKey(t, k, make([]byte, n))
		refused(t, k, join(p), n)
	}
	for _, n := range []int{16, 24} { // with which the content is a good AES-GCM of another size
		short, err := appendJWE(nil, goodHeader(k), wrapKey(t, k, make([]byte, n)), make([]byte, n), []byte("a card"))
		require.NoError(t, err)
		refused(t, k, short, n)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, k.Public().rsa, make([]byte, cekSize), []byte("label"))
	require.NoError(t, err)
	labelled, err := appendJWE(nil, goodHeader(k), wrapped, make([]byte, cekSize), []byte("a card"))
	require.NoError(t, err)
	refused(t, k, labelled, "label")
	// With bad padding the content is still tried, under a key nobody knows: not the
	// zero key, nor one that stays the same.
	for range 2 {
		p := parts(t, text)
		p[1][5] ^= 1
		zero, err := appendJWE(nil, goodHeader(k), p[1], make([]byte, cekSize), []byte("a card"))
		require.NoError(t, err)
		refused(t, k, zero, "zero key")
	}
}
