package vaulttransit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
)

func vaultText(version, n int) string {
	return fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, n)))
}

func TestCiphertextForms(t *testing.T) {
	for _, version := range []int{1, 9, 10, 1<<31 - 1} {
		for _, n := range []int{shortCiphertext, longCiphertext} {
			text := vaultText(version, n)
			c, ok := parseText([]byte(text))
			require.True(t, ok)
			require.Equal(t, uint32(version), c.version)
			require.Equal(t, text, string(c.appendText(nil)))
			check := wrapped.Check{1, 2}
			form := c.appendStored(nil, check)
			require.Len(t, form, 17+4+n)
			gotCheck, got, ok := parseStored(form)
			require.True(t, ok)
			require.Equal(t, check, gotCheck)
			require.Equal(t, c, got)
		}
	}
}

// TestStoredForm spells out what was stored years ago.
func TestStoredForm(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, shortCiphertext)
	check := wrapped.Check(bytes.Repeat([]byte{9}, wrapped.CheckSize))
	want := append([]byte{1}, check[:]...)
	want = append(want, 0, 0, 1, 2)
	want = append(want, raw...)
	require.Equal(t, want, ciphertext{258, raw}.appendStored(nil, check))
}

func TestCiphertextRefused(t *testing.T) {
	good := vaultText(3, shortCiphertext)
	_, ok := parseText([]byte(good))
	require.True(t, ok)
	for name, text := range map[string]string{
		"empty":            "",
		"no version":       "vault:v:" + good[9:],
		"version 0":        "vault:v0:" + good[9:],
		"leading zero":     "vault:v03:" + good[9:],
		"sign":             "vault:v+3:" + good[9:],
		"too large":        "vault:v2147483648:" + good[9:],
		"other prefix":     "bao:v3:" + good[9:],
		"no prefix":        "3:" + good[9:],
		"upper case":       "Vault:v3:" + good[9:],
		"prefix twice":     "vault:v" + good,
		"line break":       good[:20] + "\n" + good[20:],
		"line break after": good + "\n",
		"no padding":       vaultText(3, shortCiphertext-1) + "",
		"url alphabet":     "vault:v3:" + base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, shortCiphertext)),
		"trailing bits":    vaultText(3, 59)[:9+78] + "x=",
		"too short":        vaultText(3, shortCiphertext-3),
		"between":          vaultText(3, shortCiphertext+6),
		"too long":         vaultText(3, longCiphertext+3),
		"fields":           good + ":x",
	} {
		c, ok := parseText([]byte(text))
		require.False(t, ok, name)
		require.Zero(t, c, name)
	}
}

// TestDecode: base64 has many spellings of the same bytes, and one that counts.
func TestDecode(t *testing.T) {
	got, ok := decode([]byte("AAECAw=="))
	require.True(t, ok)
	require.Equal(t, []byte{0, 1, 2, 3}, got)
	for _, text := range []string{"AAECAw", "AAECAw=", "AAECAx==", "AAEC\nAw==", "AAECAw==\r\n", "AAEC-w==", "AAECAw===", "A"} {
		got, ok := decode([]byte(text))
		require.False(t, ok, "%q", text)
		require.Nil(t, got)
	}
}

func TestStoredRefused(t *testing.T) {
	good := ciphertext{3, make([]byte, shortCiphertext)}.appendStored(nil, wrapped.Check{})
	for n := range good {
		_, _, ok := parseStored(good[:n])
		require.False(t, ok, "the first %d bytes", n)
	}
	for _, version := range []uint32{0, math.MaxInt32 + 1, math.MaxUint32} {
		_, _, ok := parseStored(ciphertext{version, make([]byte, shortCiphertext)}.appendStored(nil, wrapped.Check{}))
		require.False(t, ok, "version %d", version)
	}
	for _, n := range []int{0, 59, 61, 71, 73, 4000, 1 << 16} {
		_, _, ok := parseStored(ciphertext{1, make([]byte, n)}.appendStored(nil, wrapped.Check{}))
		require.False(t, ok, "%d bytes", n)
	}
	var k KEK
	require.Empty(t, k.Version(nil))
	require.Empty(t, k.Version(make([]byte, 81)))
	require.Equal(t, "3", k.Version(good))
}

// FuzzText: what is taken is what formatting it gives again, and has one stored
// form.
func FuzzText(f *testing.F) {
	f.Add([]byte(vaultText(1, shortCiphertext)))
	f.Add([]byte(vaultText(70000, longCiphertext)))
	f.Add([]byte("vault:v1:AAAA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, ok := parseText(text)
		if !ok {
			return
		}
		require.Equal(t, text, c.appendText(nil))
		_, again, ok := parseStored(c.appendStored(nil, wrapped.Check{}))
		require.True(t, ok)
		require.Equal(t, c, again)
	})
}

// FuzzStored: the same from the other side.
func FuzzStored(f *testing.F) {
	f.Add(ciphertext{1, make([]byte, shortCiphertext)}.appendStored(nil, wrapped.Check{}))
	f.Add(ciphertext{1, make([]byte, longCiphertext)}.appendStored(nil, wrapped.Check{1}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, form []byte) {
		check, c, ok := parseStored(form)
		if !ok {
			return
		}
		require.Equal(t, form, c.appendStored(nil, check))
		again, ok := parseText(c.appendText(nil))
		require.True(t, ok)
		require.Equal(t, c, again)
	})
}

// FuzzAnswer: whatever a server says, nothing panics, and a refused answer leaves
// no data key decoded in the last place.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"data":{"plaintext":"AAAA","ciphertext":"vault:v1:AAAA"}}`))
	f.Add([]byte(`{"data":{"plaintext":null}}`))
	f.Add([]byte(`{"data":{"plaintext":"A\n=="}}`))
	f.Add([]byte(`{"data":{"batch_results":[{"plaintext":"AAAA"},{"error":"x"},null]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var a answer
		if json.Unmarshal(text, &a) == nil && a.Data.Plaintext != nil {
			quoted := `"` + base64.StdEncoding.EncodeToString(a.Data.Plaintext) + `"`
			require.Contains(t, string(text), quoted, "one spelling alone")
		}
		var batch batchAnswer
		_ = json.Unmarshal(text, &batch)
		batch.wipe()
	})
}
