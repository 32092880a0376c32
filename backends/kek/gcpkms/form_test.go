package gcpkms

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

// The form as the package's documentation gives it, byte by byte.
func TestForm(t *testing.T) {
	k := (&fake{}).serve(t)
	form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.NoError(t, err)
	require.Equal(t, byte(1), form[0])
	bound := []byte{0, 0, 0, 0, 0, 0, 0, 7, 2}
	check, err := wrapped.NewCheck(testKey, testBinding, bound)
	require.NoError(t, err)
	require.Equal(t, check[:], form[1:17])
	require.Equal(t, bound, form[17:26])
	require.Equal(t, testKey, form[len(form)-32:], "the fake's ciphertext")
	require.Equal(t, "7", k.Version(form))
	require.Equal(t, "HSM", k.ProtectionLevel(form))
}

// Number and level cannot be rewritten by whoever writes the store.
func TestVersionAndLevelAreBound(t *testing.T) {
	f := &fake{}
	k := f.serve(t)
	form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.NoError(t, err)
	for bit := 17 * 8; bit < 26*8; bit++ {
		altered := bytes.Clone(form)
		altered[bit/8] ^= 1 << (bit % 8)
		_, err := k.Unwrap(t.Context(), nil, altered, testBinding)
		require.ErrorIs(t, err, keys.ErrCorrupt, "bit %d", bit)
	}
	got, err := k.Unwrap(t.Context(), nil, form, testBinding)
	require.NoError(t, err)
	require.Equal(t, testKey, got)
}

// What is no wrapped data key costs no call, and tells no version.
func TestMalformedForms(t *testing.T) {
	f := &fake{}
	k := f.serve(t)
	form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.NoError(t, err)
	f.calls.Store(0)
	zero := bytes.Clone(form)
	clear(zero[17:25])
	for name, bad := range map[string][]byte{
		"nil": nil, "one byte": {1}, "64 KiB": make([]byte, 64<<10), "no ciphertext": form[:26],
		"another version of the form": append([]byte{2}, form[1:]...), "version of the key zero": zero,
		"a byte too long": append(bytes.Clone(form), make([]byte, maxForm+1-len(form))...),
	} {
		got, err := k.Unwrap(t.Context(), nil, bad, testBinding)
		require.ErrorIs(t, err, keys.ErrCorrupt, name)
		require.Nil(t, got)
		require.Empty(t, k.Version(bad), name)
		require.Empty(t, k.ProtectionLevel(bad), name)
	}
	require.Zero(t, f.calls.Load())

	// The longest there can be is asked for.
	_, err = k.Unwrap(t.Context(), nil, append(bytes.Clone(form), make([]byte, maxForm-len(form))...), testBinding)
	require.ErrorIs(t, err, keys.ErrCorrupt)
	require.Equal(t, int64(1), f.calls.Load())
	require.Equal(t, 4064, wrapped.Overhead+boundSize+maxCipher)
}

// An unknown level, of a KMS to come, still has a name.
func TestUnknownLevel(t *testing.T) {
	form := wrapped.Append(nil, wrapped.Check{}, body{version: 1, level: 200, ciphertext: []byte{0}}.append(nil))
	require.Equal(t, "200", (&KEK{}).ProtectionLevel(form))
}

func TestVersionNames(t *testing.T) {
	for _, name := range []string{
		"", "1", "/cryptoKeyVersions/1", testName, testName + "/cryptoKeyVersions/", testName + "/cryptoKeyVersions/0",
		testName + "/cryptoKeyVersions/01", testName + "/cryptoKeyVersions/+1", testName + "/cryptoKeyVersions/-1",
		testName + "/cryptoKeyVersions/1/", testName + "/cryptoKeyVersions/1x", testName + "x/cryptoKeyVersions/1",
		testName + "/cryptoKeyVersions/18446744073709551616", testName + "/cryptokeyversions/1", "x" + testName + "/cryptoKeyVersions/1",
	} {
		_, ok := versionOf(testName, name)
		require.False(t, ok, name)
	}
	n, ok := versionOf(testName, testName+"/cryptoKeyVersions/18446744073709551615")
	require.True(t, ok)
	require.Equal(t, ^uint64(0), n)
}

// FuzzForm: what is taken apart is what putting it together gives again.
func FuzzForm(f *testing.F) {
	f.Add([]byte{})
	f.Add(wrapped.Append(nil, wrapped.Check{1}, body{version: 7, level: 2, ciphertext: []byte("c")}.append(nil)))
	f.Add(make([]byte, 26))
	f.Fuzz(func(t *testing.T, form []byte) {
		kept := slices.Clone(form)
		check, b, ok := parse(form)
		require.Equal(t, kept, form)
		if !ok {
			require.Empty(t, (&KEK{}).Version(form))
			return
		}
		require.NotZero(t, b.version)
		require.LessOrEqual(t, len(b.ciphertext), maxCipher)
		require.Equal(t, form, wrapped.Append(nil, check, b.append(nil)))
	})
}

// FuzzVersionName: one name of a version, one number.
func FuzzVersionName(f *testing.F) {
	f.Add(testName, testName+"/cryptoKeyVersions/7")
	f.Add(testName, testName+"/cryptoKeyVersions/07")
	f.Fuzz(func(t *testing.T, key, name string) {
		n, ok := versionOf(key, name)
		if ok {
			b := body{version: n, ciphertext: []byte{0}}
			form := wrapped.Append(nil, wrapped.Check{}, b.append(nil))
			require.Equal(t, name, key+"/cryptoKeyVersions/"+(&KEK{}).Version(form))
		}
	})
}
