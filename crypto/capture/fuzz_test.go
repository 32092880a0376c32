package capture

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse: what is taken apart has one spelling, which putting it together gives.
func FuzzParse(f *testing.F) {
	for _, k := range testKeys(f) {
		f.Add(seal(f, k, "a card"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(text)
		if err != nil {
			require.Equal(t, ErrOpen, err)
			require.Nil(t, m)
			return
		}
		if _, ok := m.suite.hpke(); ok {
			wire := append([]byte{version}, m.keyID[:]...)
			wire = append(append(append(wire, byte(m.suite)), m.enc...), m.body...)
			require.Equal(t, string(text), base64.RawURLEncoding.EncodeToString(wire))
			return
		}
		tag := len(m.body) - tagSize
		require.GreaterOrEqual(t, tag, ivSize)
		p := [][]byte{nil, m.enc, m.body[:ivSize], m.body[ivSize:tag], m.body[tag:]}
		if m.suite == JWEECDH {
			require.Len(t, m.enc, 1+2*coord)
			p[1] = nil
		}
		require.Equal(t, string(text), string(m.aad)+string(join(p)))
	})
}

func FuzzParseWire(f *testing.F) {
	for _, k := range testKeys(f) {
		if _, ok := k.suite.hpke(); ok {
			wire, _ := decode(seal(f, k, "a card"))
			f.Add(wire)
		}
	}
	keys := testKeys(f)
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := ParseWire(wire)
		if err != nil {
			require.Equal(t, ErrOpen, err)
			return
		}
		same, err := Parse([]byte(base64.RawURLEncoding.EncodeToString(wire)))
		require.NoError(t, err)
		require.Equal(t, same, m)
		if k := keys[m.suite.String()]; k != nil {
			_, err = newPrivate(k.suite, m.keyID, k.reveal()).Open(m, binding)
			require.True(t, err == nil || err == ErrOpen)
		}
	})
}

// FuzzHeader: no header makes a message open that was sealed under another.
func FuzzHeader(f *testing.F) {
	keys := testKeys(f)
	k := keys[JWEECDH.String()]
	text := seal(f, k, "a card")
	for _, k := range keys {
		if _, ok := k.suite.hpke(); !ok {
			f.Add([]byte(goodHeader(k)))
		}
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		p := parts(t, text)
		if bytes.Equal(p[0], header) {
			return
		}
		p[0] = header
		refused(t, k, join(p), "another header")
	})
}

func FuzzParsePrivateKey(f *testing.F) {
	for _, k := range testKeys(f) {
		raw, err := k.Append(nil)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParsePrivateKey(b)
		if err != nil {
			require.Equal(t, errPrivate, err)
			return
		}
		raw, err := k.Append(nil)
		require.NoError(t, err)
		if k.suite == HPKEX25519 { // RFC 9180 has the scalar clamped
			k, err = ParsePrivateKey(raw)
			require.NoError(t, err)
			b, err = k.Append(nil)
			require.NoError(t, err)
		}
		require.Equal(t, b, raw)
	})
}

func FuzzParsePublicKey(f *testing.F) {
	for _, k := range testKeys(f) {
		f.Add(byte(k.suite), k.Public().Bytes())
	}
	f.Fuzz(func(t *testing.T, s byte, b []byte) {
		k, err := ParsePublicKey(Suite(s), KeyID{}, b)
		if err != nil {
			require.IsType(t, &ArgumentError{}, err)
			return
		}
		again, err := k.reparse()
		require.NoError(t, err)
		require.Equal(t, k.Bytes(), again.Bytes())
	})
}
