package capture

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			k := testKey(t, s)
			for _, plain := range []string{"", "x", strings.Repeat("long", 800)} {
				text := seal(t, k, plain)
				before := bytes.Clone(text)
				got, err := open(k, text)
				require.NoError(t, err)
				require.Equal(t, plain, string(got))
				require.Equal(t, before, text)
			}
		})
	}
}

func TestOpenElsewhere(t *testing.T) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			k := testKey(t, s)
			m, err := Parse(seal(t, k, "a card"))
			require.NoError(t, err)
			_, bound := s.hpke()
			for _, b := range []Binding{
				{"prod", "scope", "alias"}, {"test", "scopE", "alias"}, {"test", "scope", "other"}, {},
				{"tests", "cope", "alias"}, {"test", "scopea", "lias"}, // the same text, cut elsewhere
				{strings.Repeat("x", 1<<16), "scope", "alias"},
			} {
				got, err := k.Open(m, b)
				if bound {
					require.Equal(t, ErrOpen, err)
					require.Nil(t, got)
				} else {
					require.NoError(t, err)
				}
			}
			refused(t, newPrivate(s, NewKeyID(), k.reveal()), seal(t, k, ""), "another key ID")
			refused(t, newPrivate(s^2, k.id, k.reveal()), seal(t, k, ""), "another suite")
			refused(t, newPrivate(s, k.id, secret{}), seal(t, k, ""), "no key")
			if s != JWERSA {
				other, err := Generate(s)
				require.NoError(t, err)
				refused(t, newPrivate(s, k.id, other.reveal()), seal(t, k, ""), "another key")
			}
			_, err = new(PrivateKey).Open(new(Message), binding)
			require.Equal(t, ErrOpen, err)
		})
	}
	_, err := testKey(t, HPKEP256).Public().Seal(nil, nil, Binding{Scope: strings.Repeat("x", 1<<16)})
	require.Equal(t, &ArgumentError{"scope", "is longer than 65535 bytes"}, err)
	_, err = testKey(t, JWERSA).Public().Seal(nil, make([]byte, MaxText), binding)
	require.IsType(t, &ArgumentError{}, err)
	_, err = new(PublicKey).Seal(nil, nil, binding)
	require.Equal(t, errPublic, err)
}

// Every bit of an HPKE message counts, and so does every length.
func TestTamperedHPKE(t *testing.T) {
	for _, s := range []Suite{HPKEP256, HPKEX25519, HPKEXWing} {
		t.Run(s.String(), func(t *testing.T) {
			k := testKey(t, s)
			wire, ok := decode(seal(t, k, "a card"))
			require.True(t, ok)
			try := func(wire []byte, what any) {
				m, err := ParseWire(wire)
				if err == nil {
					var got []byte
					got, err = k.Open(m, binding)
					require.Nil(t, got)
				}
				require.Equal(t, ErrOpen, err, what)
			}
			for i := range 8 * len(wire) {
				wire[i/8] ^= 1 << (i % 8)
				try(wire, i)
				wire[i/8] ^= 1 << (i % 8)
			}
			for n := range len(wire) {
				try(wire[:n], n)
			}
			_, err := ParseWire(wire[:len(wire)-len("a card")-1]) // no room for a tag
			require.Equal(t, ErrOpen, err)
			try(append(bytes.Clone(wire), 0), "longer")
			m, err := ParseWire(wire)
			require.NoError(t, err)
			_, err = k.Open(m, binding)
			require.NoError(t, err)
		})
	}
}

// parts takes a JWE apart and puts it together.
func parts(t testing.TB, text []byte) (p [][]byte) {
	t.Helper()
	for part := range bytes.SplitSeq(text, []byte{'.'}) {
		b, ok := decode(part)
		require.True(t, ok)
		p = append(p, b)
	}
	require.Len(t, p, 5)
	return p
}

func join(p [][]byte) []byte {
	var text [5]string
	for i := range p {
		text[i] = base64.RawURLEncoding.EncodeToString(p[i])
	}
	return []byte(strings.Join(text[:], "."))
}

func TestTamperedJWE(t *testing.T) {
	for _, s := range []Suite{JWERSA, JWEECDH} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			k := testKey(t, s)
			text := seal(t, k, "a card")
			p := parts(t, text)
			for part := range p {
				step := 1
				if s == JWERSA && part == 1 && raceDetector {
					step = 7 // RSA takes a minute for all of them there
				}
				for i := 0; i < 8*len(p[part]); i += step {
					p[part][i/8] ^= 1 << (i % 8)
					refused(t, k, join(p), [2]int{part, i})
					p[part][i/8] ^= 1 << (i % 8)
				}
				whole := p[part]
				p[part] = append(bytes.Clone(whole), 0)
				refused(t, k, join(p), "longer")
				p[part] = append([]byte{0}, whole...)
				refused(t, k, join(p), "a zero before it")
				if len(whole) > 0 {
					p[part] = whole[:len(whole)-1]
					refused(t, k, join(p), "shorter")
					p[part] = nil
					refused(t, k, join(p), "empty")
				}
				p[part] = whole
			}
			for n := range len(text) {
				if s == JWEECDH || n%16 == 0 {
					refused(t, k, text[:n], n)
				}
			}
			require.Equal(t, text, join(p))
			_, err := open(k, join(p))
			require.NoError(t, err)
		})
	}
}

// An RSA ciphertext that begins with a zero byte has that byte.
func TestRSACiphertextKeepsItsZero(t *testing.T) {
	k := testKey(t, JWERSA)
	for {
		p := parts(t, seal(t, k, "a card"))
		if p[1][0] != 0 {
			continue
		}
		_, err := open(k, join(p))
		require.NoError(t, err)
		p[1] = p[1][1:]
		refused(t, k, join(p), "without its zero")
		return
	}
}

func TestDigest(t *testing.T) {
	key := &[DigestSize]byte{1, 2, 3}
	seen := map[[DigestSize]byte]bool{}
	for _, s := range suites {
		if !served(s) {
			continue
		}
		k := testKey(t, s)
		text := seal(t, k, "a card")
		m, err := Parse(text)
		require.NoError(t, err)
		d := m.Digest(key)
		require.False(t, seen[d])
		seen[d] = true
		require.Equal(t, d, m.Digest(key))
		require.NotEqual(t, d, m.Digest(new([DigestSize]byte)), "another key")
		if _, ok := s.hpke(); ok {
			wire, _ := decode(text)
			same, err := ParseWire(wire)
			require.NoError(t, err)
			require.Equal(t, d, same.Digest(key))
		}
		// As the documentation has it.
		mac := hmac.New(sha256.New, key[:])
		for _, part := range [][]byte{[]byte("cardseal capture digest"), m.keyID[:], {byte(s)}, m.enc, m.body} {
			mac.Write(binary.BigEndian.AppendUint16(nil, uint16(len(part))))
			mac.Write(part)
		}
		require.Equal(t, mac.Sum(nil), d[:])
		for _, change := range []func(*Message){
			func(m *Message) { m.keyID[15]++ }, func(m *Message) { m.suite++ },
			func(m *Message) { m.enc = m.enc[1:] }, func(m *Message) { m.body = m.body[1:] },
			func(m *Message) { m.enc, m.body = append(bytes.Clone(m.enc), m.body[0]), m.body[1:] },
		} {
			other := *m
			change(&other)
			require.NotEqual(t, d, other.Digest(key))
		}
	}
}
