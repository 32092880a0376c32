package envelope

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func sizes() []int {
	s := []int{}
	for n := range 301 {
		s = append(s, n)
	}
	return append(s, 1000, 4096, 64<<10)
}

func TestRoundTrip(t *testing.T) {
	for mode, ref := range modes() {
		s, aad := testKey(t, ref), testAAD(t)
		for _, n := range sizes() {
			plaintext := seed("plaintext", n)
			keptPlaintext, keptAAD := bytes.Clone(plaintext), bytes.Clone(aad)
			record := s.Seal(nil, plaintext, aad)
			require.Len(t, record, n+s.Overhead(), mode)
			require.Equal(t, keptPlaintext, plaintext)
			require.Equal(t, keptAAD, aad)

			keptRecord := bytes.Clone(record)
			got, err := s.Open([]byte{}, record, aad)
			require.NoError(t, err)
			require.True(t, bytes.Equal(plaintext, got), "%s, %d bytes", mode, n)
			require.Equal(t, keptRecord, record)
			require.Equal(t, keptAAD, aad)

			h, err := Inspect(record)
			require.NoError(t, err)
			require.Equal(t, n, h.PlaintextSize())
			require.Equal(t, mode == "inline", h.Inline())
			require.Equal(t, ref, h.Reference)
			require.Equal(t, byte(SuiteXAES), h.Suite)
			require.Equal(t, s.Scope().Commitment(), h.Commitment)
			require.Equal(t, seed("salt", SaltSize), h.Salt)
		}
	}
}

// Known sizes: they are promised, and stores rely on them.
func TestSizes(t *testing.T) {
	require.Equal(t, 90, Overhead)
	s := testKey(t, storedRef("modes"))
	require.Equal(t, Overhead, s.Overhead())
	require.Len(t, s.Seal(nil, make([]byte, 11), nil), 101)
	require.Len(t, s.Seal(nil, make([]byte, 3), nil), 93)
	require.Equal(t, Overhead+18+60, testKey(t, inlineRef("modes", 60)).Overhead())
}

// Every record has a nonce of its own, and so another ciphertext.
func TestSealIsRandomized(t *testing.T) {
	for _, ref := range modes() {
		s := testKey(t, ref)
		nonces := map[string]bool{}
		for range 1000 {
			h, err := Inspect(s.Seal(nil, nil, nil))
			require.NoError(t, err)
			nonces[string(h.Nonce)] = true
		}
		require.Len(t, nonces, 1000)
	}
}

func TestAppend(t *testing.T) {
	for _, ref := range modes() {
		s, aad, plaintext := testKey(t, ref), testAAD(t), seed("plaintext", 40)
		prefix := []byte("prefix")
		for _, spare := range []int{0, 1, s.Overhead(), s.Overhead() + 39, s.Overhead() + 40, 4096} {
			dst := append(make([]byte, 0, len(prefix)+spare), prefix...)
			out := s.Seal(dst, plaintext, aad)
			require.Equal(t, prefix, out[:len(prefix)])
			require.Equal(t, spare >= s.Overhead()+40, &out[0] == &dst[0], "capacity is used if and only if it suffices")
			record := out[len(prefix):]

			dst = append(make([]byte, 0, len(prefix)+spare), prefix...)
			got, err := s.Open(dst, record, aad)
			require.NoError(t, err)
			require.Equal(t, prefix, got[:len(prefix)])
			require.Equal(t, plaintext, got[len(prefix):])
			require.Equal(t, spare >= 40, &got[0] == &dst[0])
		}
	}
}

// TestNothingOnError: no bytes are returned, what dst held is intact, and its
// spare capacity holds nothing of the plaintext.
func TestNothingOnError(t *testing.T) {
	for _, ref := range modes() {
		s, aad := testKey(t, ref), testAAD(t)
		plaintext := bytes.Repeat([]byte("secret! "), 32)
		record := s.Seal(nil, plaintext, aad)
		for _, at := range []int{0, 1, 2, 20, len(s.header) - 1, len(s.header), len(s.header) + nonceSize, len(record) - 1} {
			bad := bytes.Clone(record)
			bad[at] ^= 1
			dst := append(make([]byte, 0, 1024), "kept"...)
			got, err := s.Open(dst, bad, aad)
			require.Nil(t, got)
			if at < len(s.header) {
				require.Equal(t, ErrOtherKey, err)
			} else {
				require.Equal(t, ErrOpen, err)
			}
			require.Equal(t, "kept", string(dst))
			require.False(t, bytes.Contains(dst[:cap(dst)], []byte("secret")), "byte %d", at)
		}
	}
}

// TestSealOverlap lays plaintext and additional data over every part of the
// memory Seal writes to. It may panic or overwrite them, but what it sealed must
// be what they were.
func TestSealOverlap(t *testing.T) {
	for mode, ref := range modes() {
		s := testKey(t, ref)
		size := s.Overhead() + 40
		panics, sealed := 0, 0
		for shift := range size {
			for _, what := range []string{"plaintext", "additional data"} {
				buf := seed("buffer", size+40)
				part := bytes.Clone(buf[shift : shift+40])
				plaintext, aad := buf[shift:shift+40], []byte(nil)
				if what == "additional data" {
					plaintext, aad = make([]byte, 40), buf[shift:shift+40]
				}
				var record []byte
				func() {
					defer func() {
						if recover() != nil {
							panics++
						}
					}()
					record = s.Seal(buf[:0], plaintext, aad)
				}()
				if record == nil {
					continue
				}
				sealed++
				want, wantAAD := part, []byte(nil)
				if what == "additional data" {
					want, wantAAD = make([]byte, 40), part
				}
				got, err := s.Open(nil, record, wantAAD)
				require.NoError(t, err, "%s, %s at %d", mode, what, shift)
				require.Equal(t, want, got, "%s, %s at %d", mode, what, shift)
			}
		}
		require.NotZero(t, panics)
		require.NotZero(t, sealed)
	}
}

// TestOpenOverlap does the same for Open: a plaintext that comes back is right.
func TestOpenOverlap(t *testing.T) {
	for mode, ref := range modes() {
		s, aad, plaintext := testKey(t, ref), testAAD(t), seed("plaintext", 40)
		record := s.Seal(nil, plaintext, aad)
		for shift := range len(record) {
			buf := slices.Concat(record, make([]byte, 64))
			func() {
				defer func() { _ = recover() }()
				got, err := s.Open(buf[shift:shift], buf[:len(record)], aad)
				require.NoError(t, err)
				require.Equal(t, plaintext, got, "%s at %d", mode, shift)
			}()
		}
	}
}

// An allocated key ID or record ID never repeats and prints as hex.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		k, r, salt := NewKeyID(), NewRecordID(), NewSalt()
		require.False(t, k.IsZero())
		require.Regexp(t, "^[0-9a-f]{32}$", k.String())
		require.Regexp(t, "^[0-9a-f]{32}$", r.String())
		seen[k.String()], seen[r.String()], seen[string(salt[:])] = true, true, true
	}
	require.Len(t, seen, 300)
	require.True(t, KeyID{}.IsZero())
	require.Equal(t, "ff00000000000000000000000000000a", KeyID{0: 0xff, 15: 0x0a}.String())
}
