package envelope

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// What opened once is not kept, what opened twice is; what did not open leaves no
// trace at all.
func TestCacheOpenWith(t *testing.T) {
	for mode, ref := range modes() {
		var c Cache
		s, aad := testKey(t, ref), testAAD(t)
		first, second := s.Seal(nil, []byte("first"), aad), s.Seal(nil, []byte("second"), aad)
		bad := bytes.Clone(first)
		bad[len(bad)-1] ^= 1

		for range 3 {
			out, kept, err := c.OpenWith(s.Scope(), []byte("dst"), bad, aad)
			require.Nil(t, out)
			require.Nil(t, kept)
			require.Equal(t, ErrOpen, err)
			require.Zero(t, held(&c), mode)
		}
		out, kept, err := c.OpenWith(s.Scope(), []byte("dst "), first, aad)
		require.NoError(t, err)
		require.Equal(t, "dst first", string(out))
		require.Nil(t, kept, mode)
		require.Zero(t, held(&c), mode)
		require.Nil(t, c.Get(first, testPlace.Scope))
		out, kept, err = c.OpenWith(s.Scope(), nil, second, aad)
		require.NoError(t, err)
		require.Equal(t, "second", string(out))
		require.NotNil(t, kept, mode)
		require.Equal(t, 1, held(&c), mode)
		require.Same(t, kept, c.Get(first, testPlace.Scope))
		require.Nil(t, c.Get(first, "shop-us"), "%s: another scope", mode)

		out, err = kept.Open([]byte("dst "), first, aad)
		require.NoError(t, err)
		require.Equal(t, "dst first", string(out))
		out, err = kept.Open([]byte("dst "), bad, aad)
		require.Equal(t, ErrOpen, err)
		require.Nil(t, out)
		require.Equal(t, s.header, kept.header, mode)
		require.Equal(t, s.Overhead(), kept.Overhead())
		got, err := s.Open(nil, kept.Seal(nil, []byte("sealed by it"), aad), aad)
		require.NoError(t, err)
		require.Equal(t, "sealed by it", string(got))
	}
}

// A sweep over many records, each of a salt of its own, pushes nothing out.
func TestCacheSurvivesASweep(t *testing.T) {
	var c Cache
	s := testKey(t, storedRef("cache"))
	c.Add(s)
	for i := range 3 * cacheSets * cacheWays {
		k, err := s.Scope().SealingKey(saltNumber(i))
		require.NoError(t, err)
		_, kept, err := c.OpenWith(s.Scope(), nil, k.Seal(nil, nil, nil), nil)
		require.NoError(t, err)
		require.Nil(t, kept)
	}
	require.Equal(t, 1, held(&c))
	require.Same(t, s, c.Get(s.Seal(nil, nil, nil), testPlace.Scope))
}

// OpenWith works in the spare capacity of dst: no key bytes stay there.
func TestOpenWithLeavesNoKey(t *testing.T) {
	for mode, ref := range modes() {
		var c Cache
		s := testKey(t, ref)
		salt, sealing := Salt(seed("salt", SaltSize)), [keySize]byte{}
		s.Scope().subkey(&sealing, &salt)
		good := s.Seal(nil, []byte("x"), nil)
		bad := bytes.Clone(good)
		bad[len(bad)-1] ^= 1
		for _, record := range [][]byte{good, bad} {
			dst := make([]byte, 0, 256)
			_, _, _ = c.OpenWith(s.Scope(), dst, record, nil)
			require.False(t, bytes.Contains(dst[:cap(dst)], sealing[:8]), mode)
			require.False(t, bytes.Contains(dst[:cap(dst)], sealing[24:]), mode)
		}
	}
}

// TestOpenWithOverlap lays dst over the record, which is not allowed. Whatever
// comes of it, no key is kept under a header it does not have.
func TestOpenWithOverlap(t *testing.T) {
	for mode, ref := range modes() {
		s := testKey(t, ref)
		record := s.Seal(nil, seed("plaintext", 40), nil)
		for shift := range len(record) {
			var c Cache
			for range 3 {
				buf := append(bytes.Clone(record), make([]byte, 64)...)
				func() {
					defer func() { _ = recover() }()
					_, _, _ = c.OpenWith(s.Scope(), buf[shift:shift], buf[:len(record)], nil)
				}()
			}
			for i := range c.sets {
				for w := range c.sets[i] {
					if k := c.sets[i][w].Load(); k != nil {
						require.Equal(t, s.header, k.header, "%s, dst at %d", mode, shift)
					}
				}
			}
		}
	}
}
