package capture

import (
	"bytes"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGenerateAndMarshal(t *testing.T) {
	for _, s := range suites {
		if !served(s) {
			continue
		}
		k, err := Generate(s)
		require.NoError(t, err)
		require.Equal(t, s, k.Suite())
		require.False(t, k.ID().IsZero())
		raw, err := k.Append([]byte("dst"))
		require.NoError(t, err)
		require.Equal(t, "dst", string(raw[:3]))
		back, err := ParsePrivateKey(raw[3:])
		require.NoError(t, err)
		again, err := back.Append(nil)
		require.NoError(t, err)
		require.Equal(t, raw[3:], again)
		require.Equal(t, k.ID(), back.ID())

		pub, err := ParsePublicKey(s, k.ID(), k.Public().Bytes())
		require.NoError(t, err)
		text, err := pub.Seal([]byte("dst"), []byte("a card"), binding)
		require.NoError(t, err)
		plain, err := open(back, text[3:])
		require.NoError(t, err, s)
		require.Equal(t, "a card", string(plain))
	}
}

func TestGenerateRefuses(t *testing.T) {
	for _, s := range []Suite{0, 4, 15, 18, 255} {
		_, err := Generate(s)
		require.ErrorIs(t, err, errSuite)
		require.False(t, s.Valid())
		_, err = ParsePublicKey(s, KeyID{}, nil)
		require.ErrorIs(t, err, errSuite)
		_, err = ParseSuite(s.String())
		require.ErrorIs(t, err, errSuite)
	}
}

func TestFIPSRefusesX25519(t *testing.T) {
	_, err := Generate(HPKEX25519)
	if fips140.Enforced() {
		require.Error(t, err)
	} else {
		require.NoError(t, err)
	}
}

func TestParsePrivateKeyRefuses(t *testing.T) {
	for name, k := range testKeys(t) {
		raw, err := k.Append(nil)
		require.NoError(t, err)
		change := func(at int, x byte) []byte {
			b := bytes.Clone(raw)
			b[at] ^= x
			return b
		}
		for what, b := range map[string][]byte{
			"nothing": nil, "a head alone": raw[:18], "version": change(0, 2), "unknown suite": change(1, 0x80),
			"short": raw[:len(raw)-1], "long": append(bytes.Clone(raw), 0),
		} {
			_, err := ParsePrivateKey(b)
			require.Equal(t, errPrivate, err, "%s %s", name, what)
		}
	}
	_, err := new(PrivateKey).Append(nil)
	require.ErrorIs(t, err, errPrivate)
}

// Of the values that follow from the others none may be missing.
func TestRSAKeyWithoutExponents(t *testing.T) {
	rsaKey := testKey(t, JWERSA).reveal().rsa
	short, err := asn1.Marshal(struct {
		Version int
		N       *big.Int
		E       int
		D, P, Q *big.Int
	}{0, rsaKey.N, rsaKey.E, rsaKey.D, rsaKey.Primes[0], rsaKey.Primes[1]})
	require.NoError(t, err)
	_, err = x509.ParsePKCS1PrivateKey(short)
	require.NoError(t, err)
	_, err = ParsePrivateKey(append(append([]byte{version, byte(JWERSA)}, make([]byte, keyIDSize)...), short...))
	require.Equal(t, errPrivate, err)
}

// Keys that are too small, of odd sizes, or not RSA at all are not read.
func TestRSASizes(t *testing.T) {
	if fips140.Enforced() {
		return // such keys cannot be made there
	}
	k, err := rsa.GenerateKey(rand.Reader, 2056)
	require.NoError(t, err)
	_, err = (&PublicKey{suite: JWERSA, rsa: &k.PublicKey}).reparse()
	require.ErrorIs(t, err, errPublic)
	raw, err := newPrivate(JWERSA, NewKeyID(), secret{rsa: k}).Append(nil)
	require.NoError(t, err)
	_, err = ParsePrivateKey(raw)
	require.ErrorIs(t, err, errPrivate)
}

func (k *PublicKey) reparse() (*PublicKey, error) { return ParsePublicKey(k.suite, k.id, k.Bytes()) }

func TestJWK(t *testing.T) {
	field := func(j map[string]string, name string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(j[name])
		require.NoError(t, err)
		return b
	}
	for name, k := range testKeys(t) {
		pub := k.Public()
		raw := pub.JWK()
		if _, ok := k.Suite().hpke(); ok {
			require.Nil(t, raw, name)
			continue
		}
		var j map[string]string
		require.NoError(t, json.Unmarshal(raw, &j))
		require.Equal(t, "enc", j["use"])
		require.Equal(t, k.ID().String(), j["kid"])
		switch k.Suite() {
		case JWERSA:
			require.Len(t, j, 6)
			require.Equal(t, []string{"RSA", "RSA-OAEP-256", "AQAB"}, []string{j["kty"], j["alg"], j["e"]})
			require.Zero(t, pub.rsa.N.Cmp(new(big.Int).SetBytes(field(j, "n"))))
		case JWEECDH:
			require.Len(t, j, 7)
			require.Equal(t, []string{"EC", "ECDH-ES", "P-256"}, []string{j["kty"], j["alg"], j["crv"]})
			require.Equal(t, pub.Bytes(), bytes.Join([][]byte{{4}, field(j, "x"), field(j, "y")}, nil))
		}
	}
}

func TestKeyID(t *testing.T) {
	id := NewKeyID()
	back, err := ParseKeyID(id.String())
	require.NoError(t, err)
	require.Equal(t, id, back)
	for _, text := range []string{
		"", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("0", 31) + "A", strings.Repeat("0", 31) + "g",
		strings.Repeat("0", 31) + "`", strings.Repeat("0", 31) + "/", strings.Repeat("0", 31) + ":", " " + strings.Repeat("0", 31),
	} {
		_, err := ParseKeyID(text)
		require.ErrorIs(t, err, errKeyID, text)
	}
}

// Nothing that prints a private key, or what holds one, shows its secret part.
func TestPrivateKeyDoesNotPrint(t *testing.T) {
	type holder struct {
		key PrivateKey
		ptr *PrivateKey
	}
	for name, k := range testKeys(t) {
		raw, err := k.Append(nil)
		require.NoError(t, err)
		secret := raw[18:]
		if rsa := k.reveal().rsa; rsa != nil {
			secret = rsa.D.Bytes()
		}
		h := holder{*k, k}
		asJSON, err := json.Marshal(k)
		require.NoError(t, err)
		shown := string(asJSON)
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q", "%d"} {
			for _, v := range []any{k, *k, h, &h} {
				shown += fmt.Sprintf(verb, v)
			}
		}
		require.Contains(t, shown, "capture.PrivateKey")
		require.NotContains(t, shown, hex.EncodeToString(secret[:8]), name)
		require.NotContains(t, shown, string(secret[:8]), name)
		require.NotContains(t, shown, strings.Trim(fmt.Sprint(secret[:4]), "[]"), name)
	}
}

// TestKeysFile proves that the keys committed are in the form that Append writes,
// or draws them anew.
func TestKeysFile(t *testing.T) {
	if *update {
		var files []keyFile
		for _, s := range suites {
			k, err := Generate(s)
			require.NoError(t, err)
			files = append(files, fileOf(t, s.String(), k))
		}
		small, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		files = append(files, fileOf(t, JWERSA.String()+"-2048", newPrivate(JWERSA, NewKeyID(), secret{rsa: small})))
		data, err := json.MarshalIndent(files, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("testdata/keys.json", append(data, '\n'), 0o644))
	}
	var files []keyFile
	readJSON(t, "keys.json", &files)
	require.Len(t, files, len(suites)+1)
	keys := testKeys(t)
	for _, f := range files {
		if k := keys[f.Name]; k != nil {
			want := fileOf(t, f.Name, k)
			if f.JWK != nil {
				require.JSONEq(t, string(want.JWK), string(f.JWK), f.Name)
				want.JWK = f.JWK
			}
			require.Equal(t, want, f)
		}
	}
}

func fileOf(t *testing.T, name string, k *PrivateKey) keyFile {
	raw, err := k.Append(nil)
	require.NoError(t, err)
	return keyFile{name, k.Suite().String(), k.ID().String(), raw, k.Public().Bytes(), k.Public().JWK()}
}
