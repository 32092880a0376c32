package envelope

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInspectErrors(t *testing.T) {
	for name, c := range map[string]struct {
		record []byte
		want   error
	}{
		"nil":               {nil, ErrOpen},
		"version alone":     {[]byte{1}, ErrOpen},
		"other version":     {[]byte{2}, ErrVersion},
		"version 0":         {make([]byte, 200), ErrVersion},
		"other suite":       {[]byte{1, 2}, ErrSuite},
		"other suite, long": {append([]byte{1, 0x7f}, make([]byte, 200)...), ErrSuite},
		"inline, bit 6":     {append([]byte{1, 0xc1}, make([]byte, 200)...), ErrSuite},
		"header alone":      {append([]byte{1, 1}, make([]byte, 87)...), ErrOpen},
	} {
		h, err := Inspect(c.record)
		require.Equal(t, c.want, err, name)
		require.ErrorIs(t, err, ErrOpen, name)
		require.Equal(t, Header{}, h, name)
	}
	for _, err := range []error{ErrVersion, ErrSuite, ErrUnknownKey, ErrText} {
		require.ErrorIs(t, err, ErrOpen)
	}
}

func TestInspectInlineLengths(t *testing.T) {
	build := func(reference, wrapped int) []byte {
		b := []byte{Version, SuiteXAES | inlineFlag}
		b = binary.BigEndian.AppendUint16(b, uint16(reference))
		return append(b, make([]byte, 32+wrapped+commitSize+SaltSize+nonceSize+tagSize)...)
	}
	for _, n := range []int{1, 2, MaxWrapped - 1, MaxWrapped} {
		h, err := Inspect(build(32+n, n))
		require.NoError(t, err)
		require.Len(t, h.Reference.Wrapped, n)
		require.Zero(t, h.PlaintextSize())
	}
	for reference, wrapped := range map[int]int{0: 100, 1: 100, 31: 100, 32: 100, 33: 0, 4097: 4065, 65535: 65503} {
		_, err := Inspect(build(reference, wrapped))
		require.Equal(t, ErrOpen, err, reference)
	}
}

// What Inspect hands out can be appended to without reaching the record.
func TestInspectedWrappedKeyIsClipped(t *testing.T) {
	record := testKey(t, inlineRef("modes", 60)).Seal(nil, []byte("x"), nil)
	kept := bytes.Clone(record)
	h, err := Inspect(record)
	require.NoError(t, err)
	_ = append(h.Reference.Wrapped, "overwrites?"...)
	require.Equal(t, kept, record)
}

func TestStoredKeyID(t *testing.T) {
	ref := storedRef("modes")
	record := testKey(t, ref).Seal(nil, nil, nil)
	id, ok := StoredKeyID(record)
	require.True(t, ok)
	require.Equal(t, ref.KeyID, id)
	for _, bad := range [][]byte{
		nil, record[:89], testKey(t, inlineRef("modes", 60)).Seal(nil, nil, nil),
		slices.Concat([]byte{2}, record[1:]), slices.Concat([]byte{1, 2}, record[2:]),
	} {
		id, ok = StoredKeyID(bad)
		require.False(t, ok)
		require.True(t, id.IsZero())
	}
}

// rebuild writes a header's parts one after the other.
func rebuild(t *testing.T, h *Header, sealed []byte) []byte {
	suite, ref, err := h.Reference.encode()
	require.NoError(t, err)
	require.Equal(t, h.Suite, suite&^inlineFlag)
	return slices.Concat([]byte{Version, suite}, ref, h.Commitment, h.Salt, h.Nonce, sealed)
}

// FuzzInspect: whatever Inspect accepts is exactly what its parts write; what it
// refuses is ErrOpen, and no cache or key takes it either.
func FuzzInspect(f *testing.F) {
	v := loadVectors(f)
	for _, r := range v.Records {
		f.Add([]byte(r.Record))
	}
	for _, r := range v.Failing {
		f.Add([]byte(r.Record))
	}
	stored, inline := testKey(f, storedRef("modes")), testKey(f, inlineRef("modes", 60))
	var c Cache
	c.Add(stored)
	c.Add(inline)
	f.Fuzz(func(t *testing.T, record []byte) {
		h, err := Inspect(record)
		id, isStored := StoredKeyID(record)
		if err != nil {
			require.ErrorIs(t, err, ErrOpen)
			require.Equal(t, Header{}, h)
			require.False(t, isStored)
			require.Nil(t, c.Get(record, testPlace.Scope))
			for _, s := range []*SealingKey{stored, inline} {
				_, err := s.Open(nil, record, nil)
				require.Equal(t, ErrOtherKey, err)
			}
			return
		}
		require.Equal(t, !h.Inline(), isStored)
		if isStored {
			require.Equal(t, h.Reference.KeyID, id)
		}
		require.Equal(t, prefixSize(record), h.prefix)
		sealed := record[len(record)-h.PlaintextSize()-tagSize:]
		require.Equal(t, record, rebuild(t, &h, sealed))
		for _, s := range []*SealingKey{stored, inline} {
			_, _ = s.Open(nil, record, nil)
			_, _ = s.Scope().SealingKeyFor(record)
		}
	})
}
