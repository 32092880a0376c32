package chain_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/chain"
)

const label = "test chain"

var (
	secretKey = bytes.Repeat([]byte{0x4b}, chain.KeySize)
	id        = chain.ID{1, 2, 3}
)

func newKey(t testing.TB, key []byte, label string, id chain.ID) *chain.Key {
	k, err := chain.NewKey(key, label, id)
	require.NoError(t, err)
	return k
}

// byHand computes a MAC as the package's comment says it is.
func byHand(h chain.Head, entry []byte) (mac [chain.MACSize]byte) {
	m := hmac.New(sha256.New, secretKey)
	m.Write([]byte{byte(len(label))})
	m.Write([]byte(label))
	m.Write(id[:])
	m.Write(binary.BigEndian.AppendUint64(nil, h.Sequence+1))
	m.Write(h.MAC[:])
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(entry))))
	m.Write(entry)
	return [chain.MACSize]byte(m.Sum(nil))
}

func TestNext(t *testing.T) {
	k := newKey(t, secretKey, label, id)
	var h chain.Head
	for i, entry := range []string{"", "one", "one", strings.Repeat("long", 1000)} {
		next := k.Next(h, []byte(entry))
		require.Equal(t, chain.Head{Sequence: uint64(i + 1), MAC: byHand(h, []byte(entry))}, next)
		require.True(t, k.Follows(h, next, []byte(entry)))
		h = next
	}
}

// Whatever differs, the MAC does not follow.
func TestFollowsNothingElse(t *testing.T) {
	k, entry := newKey(t, secretKey, label, id), []byte("entry")
	h := k.Next(chain.Head{}, []byte("before"))
	next := k.Next(h, entry)
	other := bytes.Clone(secretKey)
	other[31] ^= 1
	for name, k := range map[string]*chain.Key{
		"key":   newKey(t, other, label, id),
		"label": newKey(t, secretKey, label+"x", id),
		"chain": newKey(t, secretKey, label, chain.ID{1, 2, 4}),
		// The label's end moved into the chain ID.
		"border": newKey(t, secretKey, label[:9], chain.ID{label[9], 1, 2, 3}),
	} {
		require.False(t, k.Follows(h, next, entry), name)
	}
	for bit := range 8 * chain.MACSize {
		before, after := h, next
		before.MAC[bit/8] ^= 1 << (bit % 8)
		after.MAC[bit/8] ^= 1 << (bit % 8)
		require.False(t, k.Follows(before, next, entry) || k.Follows(h, after, entry), bit)
	}
	for bit := range 8 * len(entry) {
		changed := bytes.Clone(entry)
		changed[bit/8] ^= 1 << (bit % 8)
		require.False(t, k.Follows(h, next, changed), bit)
	}
	earlier, later := h, next
	earlier.Sequence--
	later.Sequence++
	require.False(t, k.Follows(earlier, next, entry) || k.Follows(h, later, entry))
	require.False(t, k.Follows(h, next, append(entry, 0)))
	require.True(t, k.Follows(h, next, entry))
}

func TestNewKeyRefuses(t *testing.T) {
	for _, n := range []int{0, 31, 33} {
		_, err := chain.NewKey(make([]byte, n), label, id)
		require.ErrorContains(t, err, "key must be 32 bytes")
	}
	for _, l := range []string{"", strings.Repeat("x", 256)} {
		_, err := chain.NewKey(secretKey, l, id)
		require.ErrorContains(t, err, "label must be 1 to 255 bytes")
	}
	newKey(t, secretKey, strings.Repeat("x", 255), id)
}

func TestNewID(t *testing.T) { require.NotEqual(t, chain.NewID(), chain.NewID()) }

func TestKeyDoesNotPrint(t *testing.T) {
	k := newKey(t, secretKey, label, id)
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
		require.Equal(t, "chain.Key", fmt.Sprintf(verb, k))
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	k, entry := newKey(t, secretKey, label, id), make([]byte, 300)
	var h chain.Head
	require.Zero(t, testing.AllocsPerRun(100, func() { h = k.Next(h, entry) }))
}

func BenchmarkNext(b *testing.B) {
	k, entry := newKey(b, secretKey, label, id), make([]byte, 300)
	var h chain.Head
	b.ReportAllocs()
	for b.Loop() {
		h = k.Next(h, entry)
	}
}
