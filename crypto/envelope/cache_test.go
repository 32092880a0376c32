package envelope

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// saltNumber is a salt that differs for each i in its first bytes, which pick the
// cache's set.
func saltNumber(i int) (s Salt) {
	binary.NativeEndian.PutUint64(s[:], uint64(i))
	return s
}

func held(c *Cache) (n int) {
	for i := range c.sets {
		for j := range c.sets[i] {
			if c.sets[i][j].Load() != nil {
				n++
			}
		}
	}
	return n
}

func TestCacheFindsOnlyWhatWasAdded(t *testing.T) {
	for mode, ref := range modes() {
		var c Cache
		s, aad := testKey(t, ref), testAAD(t)
		record := s.Seal(nil, []byte("x"), aad)
		require.Nil(t, c.Get(record, testPlace.Scope), mode)
		fresh, err := s.Scope().SealingKeyFor(record)
		require.NoError(t, err)
		require.Zero(t, held(&c), "making a key for opening admits nothing")
		c.Add(fresh)
		require.Same(t, fresh, c.Get(record, testPlace.Scope), mode)
		require.Same(t, fresh, c.Get(s.Seal(nil, []byte("another of the same salt"), nil), testPlace.Scope), mode)
		require.True(t, fresh.Matches(record))

		c.Add(s)
		c.Add(fresh)
		require.Equal(t, 1, held(&c), "%s: one key is held once", mode)
	}
}

// A warm cache gives nothing to a caller of another scope, who may well hold the
// record: its scope is in the header only through the commitment.
func TestCacheMissesForAnotherScope(t *testing.T) {
	for mode, ref := range modes() {
		var c Cache
		s := testKey(t, ref)
		c.Add(s)
		record := s.Seal(nil, []byte("x"), nil)
		for _, scope := range []string{"", "shop-us", "shop-e", "shop-eu\x00", "Shop-eu", testPlace.Environment} {
			require.Nil(t, c.Get(record, scope), "%s, %q", mode, scope)
		}
		require.NotNil(t, c.Get(record, testPlace.Scope), mode)
	}
}

// Two scopes with the same data key and salt are two entries.
func TestCacheKeepsScopesApart(t *testing.T) {
	for mode, ref := range modes() {
		var c Cache
		other := testPlace
		other.Scope = "shop-us"
		salt := Salt(seed("salt", SaltSize))
		a := testKey(t, ref)
		b, err := testScope(t, ref, other).SealingKey(salt)
		require.NoError(t, err)
		c.Add(a)
		c.Add(b)
		require.Same(t, a, c.Get(a.Seal(nil, nil, nil), testPlace.Scope), mode)
		require.Same(t, b, c.Get(b.Seal(nil, nil, nil), other.Scope), mode)
		require.Nil(t, c.Get(a.Seal(nil, nil, nil), other.Scope), mode)
	}
}

func TestCacheOnMalformedRecords(t *testing.T) {
	var c Cache
	for _, ref := range modes() {
		s := testKey(t, ref)
		c.Add(s)
		record := s.Seal(nil, []byte("x"), nil)
		for n := range s.Overhead() {
			require.Nil(t, c.Get(record[:n], testPlace.Scope))
			require.False(t, s.Matches(record[:n]))
			_, err := s.Open(nil, record[:n], nil)
			require.Equal(t, ErrOtherKey, err)
			k, err := s.Scope().SealingKeyFor(record[:n])
			require.Nil(t, k)
			require.Equal(t, ErrOpen, err)
		}
	}
	require.Nil(t, c.Get([]byte{1, 0x81, 0xff, 0xff}, testPlace.Scope))
}

// TestCacheIsBounded adds twice what fits: the table stays full and no larger,
// and the newest keys are there.
func TestCacheIsBounded(t *testing.T) {
	var c Cache
	scope := testScope(t, storedRef("cache"), testPlace)
	const all = 2 * cacheSets * cacheWays
	var last *SealingKey
	for i := range all {
		s, err := scope.SealingKey(saltNumber(i))
		require.NoError(t, err)
		c.Add(s)
		last = s
		require.Same(t, s, c.Get(s.Seal(nil, nil, nil), testPlace.Scope))
	}
	require.Equal(t, 2048, cacheSets*cacheWays)
	require.Equal(t, cacheSets*cacheWays, held(&c), "each set full, none larger")
	require.Same(t, last, c.Get(last.Seal(nil, nil, nil), testPlace.Scope))
}

// A key that was pushed out is simply missed, and comes back when added again.
func TestCacheEvicts(t *testing.T) {
	var c Cache
	scope := testScope(t, storedRef("cache"), testPlace)
	var same []*SealingKey // all in one set
	for i := range cacheWays + 1 {
		s, err := scope.SealingKey(saltNumber(i * cacheSets))
		require.NoError(t, err)
		same = append(same, s)
		c.Add(s)
	}
	missing := 0
	for _, s := range same {
		record := s.Seal(nil, nil, nil)
		if c.Get(record, testPlace.Scope) == nil {
			missing++
			c.Add(s)
			require.Same(t, s, c.Get(record, testPlace.Scope))
			break
		}
	}
	require.Equal(t, 1, missing)
	require.Equal(t, cacheWays, held(&c))
}

// TestCacheConcurrently has every goroutine seal, look up, add and open for more
// keys than one set holds; with -race it checks the lock-free table.
func TestCacheConcurrently(t *testing.T) {
	var c Cache
	scope := testScope(t, storedRef("cache"), testPlace)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for g := range 8 {
		wg.Go(func() {
			for i := range 400 {
				s, err := scope.SealingKey(saltNumber((i + g) % 12 * cacheSets))
				if err != nil {
					errs <- err
					return
				}
				record := s.Seal(nil, []byte{byte(i)}, nil)
				k := c.Get(record, testPlace.Scope)
				if k == nil {
					k = s
				}
				if got, err := k.Open(nil, record, nil); err != nil || got[0] != byte(i) {
					errs <- ErrOpen
					return
				}
				c.Add(k)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	require.Equal(t, cacheWays, held(&c), "all keys share one set")
}
