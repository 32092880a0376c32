package secret

import (
	"bytes"
	"reflect"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pad"
)

func TestRevealAppends(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32, 33, 100} {
		raw := bytes.Repeat([]byte("0123456789"), 10)[:n]
		s := New(raw)
		require.Equal(t, n, s.Len())
		require.Equal(t, append([]byte("ab"), raw...), s.Reveal([]byte("ab")))
		roomy := make([]byte, 2, 200)
		require.Equal(t, append([]byte{0, 0}, raw...), s.Reveal(roomy))
	}
}

// A secret is a copy: neither what it was made of nor what it gave out reaches it.
func TestCopies(t *testing.T) {
	raw := []byte("passphrase")
	s := New(raw)
	clear(raw)
	clear(s.Reveal(nil))
	require.Equal(t, []byte("passphrase"), s.Reveal(nil))
}

func TestRandom(t *testing.T) {
	a, b := Random(32), Random(32)
	require.Equal(t, 32, a.Len())
	require.False(t, a.Equal(b))
	require.NotEqual(t, make([]byte, 32), a.Reveal(nil))
	require.NotEqual(t, pad.Value[:], a.Reveal(nil))
	require.Panics(t, func() { Random(-1) })
}

func TestEqual(t *testing.T) {
	a, same := New([]byte("a key")), New([]byte("a key"))
	require.True(t, a.Equal(same))
	require.True(t, a.Equal(a))
	for _, other := range []string{"A key", "a kez", "a ke", "a key ", ""} {
		require.False(t, a.Equal(New([]byte(other))), other)
		require.False(t, New([]byte(other)).Equal(a), other)
	}
	require.False(t, a.Equal(nil))
	require.False(t, a.Equal(new(Bytes)))
	require.False(t, New(nil).Equal(New(nil)))
}

func TestWipe(t *testing.T) {
	s := New([]byte("a key"))
	kept, memory := *s, s.s.padded
	s.Wipe()
	require.Equal(t, make([]byte, 5), memory)
	for _, b := range []Bytes{*s, kept} { // copies are the same secret
		require.Zero(t, b.Len())
		require.Equal(t, []byte("ab"), b.Reveal([]byte("ab")))
		require.False(t, b.Equal(s))
	}
	s.Wipe()
	require.Zero(t, s.Len())
}

func TestZeroValue(t *testing.T) {
	var b Bytes
	require.Zero(t, b.Len())
	require.Nil(t, b.Reveal(nil))
	require.False(t, b.Equal(&b))
	require.NotPanics(t, b.Wipe)
}

// Readers get the whole secret or nothing, and comparing crosswise ends.
func TestConcurrent(t *testing.T) {
	raw := bytes.Repeat([]byte{0x5A}, 64)
	a, b := New(raw), New(raw)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 200 {
				x, y := a, b
				if i%2 == 1 {
					x, y = b, a
				}
				x.Equal(y)
				if got := x.Reveal(nil); len(got) != 0 && !bytes.Equal(got, raw) {
					t.Error("half a secret")
				}
			}
		})
	}
	wg.Go(a.Wipe)
	wg.Wait()
	require.Zero(t, a.Len())
}

// == on a secret does not compile; in an interface it panics.
func TestNotComparable(t *testing.T) {
	require.False(t, reflect.TypeFor[Bytes]().Comparable())
	require.False(t, reflect.TypeFor[struct{ key Bytes }]().Comparable())
}
