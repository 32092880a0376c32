package capture

import (
	"bytes"
	"encoding/base64"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withHeader is a JWE as good as it gets under a header of the caller's: its
// content key is the right one, and its tag is over that header.
func withHeader(t testing.TB, k *PrivateKey, header string) []byte {
	t.Helper()
	cek := bytes.Repeat([]byte{7}, cekSize)
	var wrapped []byte
	if k.suite == JWERSA {
		wrapped = wrapKey(t, k, cek)
	} else {
		z, err := ephemeral.ECDH(k.Public().ecdh)
		require.NoError(t, err)
		cek = concatKDF(z, nil, nil)
	}
	text, err := appendJWE(nil, header, wrapped, cek, []byte("a card"))
	require.NoError(t, err)
	return text
}

func TestHeaders(t *testing.T) {
	for _, s := range []Suite{JWERSA, JWEECDH} {
		t.Run(s.String(), func(t *testing.T) {
			k := testKey(t, s)
			good := goodHeader(k)
			_, err := open(k, withHeader(t, k, good))
			require.NoError(t, err)
			for _, more := range []string{
				`"typ":"JOSE"`, `"cty":"application/json"`, `"typ":"","cty":"json"`,
			} {
				_, err := open(k, withHeader(t, k, good[:len(good)-1]+","+more+"}"))
				require.NoError(t, err, more)
			}
			for _, more := range []string{
				`"zip":"DEF"`, `"crit":["exp"]`, `"crit":[]`, `"crit":"exp"`, `"jwk":{"kty":"oct"}`, `"jwk":{}`, `"jku":"https://example.org"`,
				`"x5u":"https://example.org"`, `"x5c":["MII"]`, `"x5c":"MII"`, `"x5t":"AA"`, `"x5t#S256":"AA"`,
				`"p2c":1000`, `"p2s":"AA"`, `"iv":"AA"`, `"tag":"AA"`, `"b64":false`, `"iat":1`, `"exp":1`, `"x":"y"`, `"":""`,
				`"alg":"` + s.alg() + `"`, `"enc":"A256GCM"`, `"kid":"` + k.id.String() + `"`, `"k\u0069d":"` + k.id.String() + `"`, // twice
				`"Alg":"RSA1_5"`, `"KID":"x"`, // other letters
				`"typ":1`, `"typ":null`, `"typ":{}`, `"typ":"` + strings.Repeat("x", maxHeader) + `"`, "\"typ\":\"\xff\"",
			} {
				refused(t, k, withHeader(t, k, good[:len(good)-1]+","+more+"}"), more)
			}
			replace := func(old, new string) string {
				require.Contains(t, good, old)
				return strings.ReplaceAll(good, old, new)
			}
			for _, header := range []string{
				"", "{}", "null", good + "x", good + good, "[" + good + "]", "\ufeff" + good,
				replace(s.alg(), "RSA1_5"), replace(s.alg(), "RSA-OAEP"), replace(s.alg(), "RSA-OAEP-512"), replace(s.alg(), "dir"),
				replace(s.alg(), "none"), replace(s.alg(), "ECDH-ES+A256KW"), replace(s.alg(), "A256KW"), replace(s.alg(), ""),
				replace(s.alg(), strings.ToLower(s.alg())), replace(s.alg(), "PBES2-HS256+A128KW"),
				replace("A256GCM", "A128GCM"), replace("A256GCM", "A256CBC-HS512"), replace("A256GCM", "a256gcm"), replace("A256GCM", ""),
				replace(k.id.String(), strings.ToUpper(k.id.String())), replace(k.id.String(), ""), replace(k.id.String(), NewKeyID().String()),
				replace(`"kid":"`+k.id.String()+`"`, `"cty":""`), replace(`"alg":"`+s.alg()+`"`, `"cty":""`), replace(`"enc":"A256GCM"`, `"cty":""`),
				replace(`"alg":"`+s.alg()+`"`, `"alg":["`+s.alg()+`"]`), replace(`"enc":"A256GCM"`, `"enc":null`),
			} {
				refused(t, k, withHeader(t, k, header), header)
			}
		})
	}
}

// What belongs to ECDH-ES alone, and how it is checked there.
func TestAgreementHeaders(t *testing.T) {
	rsa, k := testKey(t, JWERSA), testKey(t, JWEECDH)
	epk := goodHeader(k)[strings.Index(goodHeader(k), `"epk"`):]
	epk = epk[:len(epk)-1]
	good := goodHeader(rsa)
	for _, more := range []string{epk, `"apu":"AA"`, `"apv":"AA"`, `"apu":""`, `"apv":""`} {
		refused(t, rsa, withHeader(t, rsa, good[:len(good)-1]+","+more+"}"), more)
	}
	good = goodHeader(k)
	x := base64.RawURLEncoding.EncodeToString(ephemeral.PublicKey().Bytes()[1 : 1+coord])
	other := "A" // than x begins with
	if x[0] == 'A' {
		other = "B"
	}
	for old, news := range map[string][]string{
		"," + epk: {"", `,"epk":"x"`, `,"epk":{}`, `,"epk":null`, "," + epk + "," + epk},
		`"EC"`:    {`"ec"`, `"OKP"`, `"oct"`, `""`, "{}", "1"},
		`"P-256"`: {`"P-384"`, `"p-256"`, `"secp256r1"`, `""`},
		`"` + x:   {`"` + x[:len(x)-2], `"` + x + "A", `"` + x + "=", `"` + x[1:], `"` + other + x[1:], `"\n` + x, `" ` + x, `"AAAA` + x},
		`"y"`:     {`"d":"AA","y"`, `"x":"","y"`, `"Y"`, `"alg":"ECDH-ES","y"`, `"kid":"x","y"`},
		`"x":"`:   {`"X":"`},
	} {
		for _, new := range news {
			require.Contains(t, good, old)
			refused(t, k, withHeader(t, k, strings.Replace(good, old, new, 1)), new)
		}
	}
	for _, bad := range []string{`"apu":"A"`, `"apu":"AB"`, `"apu":"AA="`, `"apu":"A\nA"`, `"apv":"+A"`, `"apu":1`, `"apv":{}`} {
		refused(t, k, withHeader(t, k, good[:len(good)-1]+","+bad+"}"), bad)
	}
	// A point that is not on the curve.
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, coord))
	refused(t, k, withHeader(t, k, strings.Replace(good, x, zero, 1)), "zero")

	// A byte of x moved to y: the same point, written differently.
	point := ephemeral.PublicKey().Bytes()[1:]
	b64 := base64.RawURLEncoding.EncodeToString
	moved := strings.Replace(good, x, b64(point[:coord-1]), 1)
	moved = strings.Replace(moved, b64(point[coord:]), b64(point[coord-1:]), 1)
	refused(t, k, withHeader(t, k, moved), "moved")

	p := parts(t, seal(t, k, "a card"))
	p[1] = make([]byte, 40)
	refused(t, k, join(p), "an encrypted key")
}

// IV, ciphertext and tag are cut where they are, and nowhere else.
func TestCuts(t *testing.T) {
	for _, s := range []Suite{JWERSA, JWEECDH} {
		k := testKey(t, s)
		good := parts(t, seal(t, k, "a card"))
		for part := 2; part < 4; part++ {
			p := slices.Clone(good)
			n := len(p[part])
			p[part], p[part+1] = p[part][:n-1], append(bytes.Clone(p[part][n-1:]), p[part+1]...)
			refused(t, k, join(p), part)
			p = slices.Clone(good)
			p[part], p[part+1] = append(bytes.Clone(p[part]), p[part+1][0]), p[part+1][1:]
			refused(t, k, join(p), part)
		}
		_, err := open(k, join(good))
		require.NoError(t, err)
	}
}

// slack lengthens a plaintext of seven bytes so that the last group of an HPKE
// message in base64 is not full.
func (s Suite) slack() int {
	h, ok := s.hpke()
	if ok && (1+keyIDSize+1+h.enc+7+tagSize)%3 == 0 {
		return 1
	}
	return 0
}

// One message has one spelling.
func TestSpellings(t *testing.T) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			k := testKey(t, s)
			good := string(seal(t, k, "a card "+strings.Repeat("!", s.slack()))) // so that bits are left over
			_, err := open(k, []byte(good))
			require.NoError(t, err)
			for what, text := range map[string]string{
				"empty": "", "a dot": ".", "dots": "....", "six parts": good + ".", "a dot before": "." + good, "padding": good + "=", "paddings": good + "==",
				"line break": good + "\n", "line break before": "\n" + good, "return": good[:20] + "\r" + good[20:],
				"line break within": good[:len(good)-4] + "\n" + good[len(good)-4:],
				"space":             good + " ", "space before": " " + good, "zero": good + "\x00", "twice": good + good,
				"standard alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(good[:len(good)-1]) + "/",
				"JSON":              `{"protected":"e30","ciphertext":"` + good + `"}`, "quoted": `"` + good + `"`,
			} {
				refused(t, k, []byte(text), what)
			}
			// Every other last character of each part, among them those which differ in
			// unused bits alone and which a lax decoder takes for the same.
			lax, same := base64.RawURLEncoding, 0
			parts := strings.Split(good, ".")
			for i, part := range parts {
				for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
					if part == "" || part[len(part)-1] == byte(c) {
						continue
					}
					parts[i] = part[:len(part)-1] + string(c)
					want, _ := lax.DecodeString(part)
					if got, err := lax.DecodeString(parts[i]); err == nil && bytes.Equal(want, got) {
						same++
					}
					refused(t, k, []byte(strings.Join(parts, ".")), i)
				}
				parts[i] = part
			}
			require.GreaterOrEqual(t, same, 3, "no other spelling was tried")
		})
	}
}

// What is too long is refused before memory is taken for it.
func TestLongInput(t *testing.T) {
	k := testKey(t, JWERSA)
	for what, text := range map[string][]byte{
		"letters": bytes.Repeat([]byte("A"), 10<<20), "dots": bytes.Repeat([]byte("."), 10<<20),
		"header":  append(bytes.Repeat([]byte("e"), 10<<20), "...."...),
		"message": append(seal(t, k, "a card"), bytes.Repeat([]byte("A"), 10<<20)...),
		"braces":  append([]byte("e30."), bytes.Repeat([]byte("{"), 10<<20)...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(text)
		_, wireErr := ParseWire(text)
		runtime.ReadMemStats(&after)
		require.Equal(t, ErrOpen, err, what)
		require.Equal(t, ErrOpen, wireErr, what)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10), what)
	}
	_, err := Parse(bytes.Repeat([]byte("A"), MaxText+1))
	require.Equal(t, ErrOpen, err)
	_, err = ParseWire(make([]byte, MaxWire+1))
	require.Equal(t, ErrOpen, err)
	// The header has a limit of its own.
	good := goodHeader(k)
	pad := func(n int) string { return good[:len(good)-1] + `,"typ":"` + strings.Repeat("x", n) + `"}` }
	fits := maxHeader*3/4 - len(pad(0))
	_, err = open(k, withHeader(t, k, pad(fits)))
	require.NoError(t, err)
	refused(t, k, withHeader(t, k, pad(fits+1)), "header")
}
